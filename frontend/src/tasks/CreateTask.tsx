import type { RefObject } from "preact";
import { useRef, useState } from "preact/hooks";

import { ApiError } from "../api/http";
import { useApp } from "../app";
import { SessionEnded } from "../auth";
import { t } from "../texts";
import type { Explanation } from "../recovery";
import { Button } from "../ui/Button";
import { TroubleBox } from "../ui/TroubleBox";

type Field = "name" | "description";
type FieldErrors = Partial<Record<Field, string>>;

export function CreateTask({ nameField }: { nameField: RefObject<HTMLInputElement | null> }) {
  const { actions, auth, drafts, work } = useApp();
  const textField = useRef<HTMLTextAreaElement>(null);
  const [errors, setErrors] = useState<FieldErrors>({});
  const [trouble, setTrouble] = useState<Explanation>();
  const [busy, setBusy] = useState(false);
  const session = auth.session.value;
  const subject = "subject" in session ? session.subject : "";
  const [draft] = useState(() => drafts.of(subject));

  const keep = () => drafts.keep(subject, { name: nameField.current?.value ?? "", description: textField.current?.value ?? "" });
  const submit = async () => {
    const [name, text] = [nameField.current, textField.current];
    if (busy || name === null || text === null) return;
    setTrouble(undefined);
    setErrors({});
    if (name.value.trim() === "") {
      setErrors({ name: t("create.nameless") });
      name.focus();
      return;
    }
    setBusy(true);
    try {
      await actions.create({ name: name.value.trim(), description: text.value.trim() });
      name.value = text.value = "";
      keep();
      name.focus();
    } catch (error) {
      if (error instanceof SessionEnded) return;
      const fields = fieldErrors(error);
      if (Object.keys(fields).length > 0) setErrors(fields);
      else setTrouble(work.explain(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <section class="sheet create" aria-labelledby="create-title">
      <h2 id="create-title">{t("create.title")}</h2>
      <form
        noValidate
        onInput={keep}
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <label class="field">
          <span>{t("create.name")}</span>
          <input
            ref={nameField}
            name="name"
            type="text"
            dir="auto"
            maxLength={200}
            required
            autoComplete="off"
            defaultValue={draft?.name ?? ""}
            placeholder={t("create.name.example")}
            aria-invalid={errors.name !== undefined}
            aria-describedby={errors.name === undefined ? undefined : "name-error"}
          />
        </label>
        <FieldError id="name-error" text={errors.name} />
        <label class="field">
          <span>{t("create.description")} <small>{t("create.optional")}</small></span>
          <textarea
            ref={textField}
            name="description"
            dir="auto"
            rows={3}
            maxLength={2000}
            defaultValue={draft?.description ?? ""}
            placeholder={t("create.description.example")}
            aria-invalid={errors.description !== undefined}
            aria-describedby={errors.description === undefined ? undefined : "description-error"}
          />
        </label>
        <FieldError id="description-error" text={errors.description} />
        {trouble && <TroubleBox trouble={trouble} />}
        <Button look="primary" type="submit" busy={busy}>{t("create.submit")}</Button>
      </form>
    </section>
  );
}

function FieldError({ id, text }: { id: string; text: string | undefined }) {
  return text === undefined ? null : <p class="field-error" id={id} role="alert">{text}</p>;
}

/** The problem's `errors` whose JSON pointers name our fields. */
function fieldErrors(error: unknown): FieldErrors {
  const found: FieldErrors = {};
  if (!(error instanceof ApiError)) return found;
  for (const { pointer, detail } of error.problem.errors ?? []) {
    const field = pointer.replace(/^#?\//, "");
    if (field === "name" || field === "description") found[field] = detail;
  }
  return found;
}
