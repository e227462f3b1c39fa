import type { Draft } from "../drafts";
import { t } from "../texts/later";
import { Field } from "../ui/Field";
import type { FieldErrors } from "./form";

/** How often a failed attempt is followed by another, and after which pauses. */
export function RetryFields({ draft, errors }: { draft: Draft; errors: FieldErrors }) {
  const numeric = { type: "text", inputMode: "decimal", autoComplete: "off", maxLength: 6 } as const;
  return (
    <fieldset class="group">
      <legend>{t("retry.title")}</legend>
      <p class="soft">{t("retry.attempts.text")}</p>
      <div class="pairs">
        <Field name="attempts" label={t("retry.attempts")} error={errors.attempts}>
          {(props) => <input {...props} {...numeric} defaultValue={draft.attempts ?? ""} placeholder="1" />}
        </Field>
        <Field name="backoff" label={t("retry.first")} error={errors.backoff}>
          {(props) => <input {...props} {...numeric} defaultValue={draft.backoff ?? ""} placeholder="10" />}
        </Field>
        <Field name="maxBackoff" label={t("retry.longest")} error={errors.maxBackoff}>
          {(props) => <input {...props} {...numeric} defaultValue={draft.maxBackoff ?? ""} placeholder="600" />}
        </Field>
      </div>
    </fieldset>
  );
}
