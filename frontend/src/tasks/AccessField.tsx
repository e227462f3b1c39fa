import { useAccess } from "../access/useAccess";
import { nameOf } from "../access/view";
import { moment } from "../dates";
import type { Draft } from "../drafts";
import { language, t } from "../texts/later";
import { Field } from "../ui/Field";
import type { FieldErrors } from "./form";

/** Which granted access the new task uses from the beginning; absent while there is none. */
export function AccessField({ draft, errors }: { draft: Draft; errors: FieldErrors }) {
  const usable = useAccess().filter(({ grant }) => grant.status === "active");
  if (usable.length === 0) return null;
  return (
    <Field name="access" label={t("create.access")} optional error={errors.access}>
      {(props) => (
        <select {...props} defaultValue={draft.access ?? ""}>
          <option value="">{t("create.access.none")}</option>
          {usable.map((access) => (
            <option key={access.grant.persistentTokenId} value={access.grant.persistentTokenId}>{nameOf(access, moment(access.grant.createdAt, language.value))}</option>
          ))}
        </select>
      )}
    </Field>
  );
}
