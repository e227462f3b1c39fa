import type { RefObject } from "preact";
import { useRef, useState } from "preact/hooks";

import { useApp } from "../app";
import { ApiError } from "../api/http";
import { SessionEnded } from "../auth";
import { explain, type Explanation } from "../recovery";
import { Button } from "./Button";

type Field = "name" | "description";
type FieldErrors = Partial<Record<Field, string>>;

export function CreateTask({ nameField }: { nameField: RefObject<HTMLInputElement | null> }) {
  const { actions } = useApp();
  const textField = useRef<HTMLTextAreaElement>(null);
  const [errors, setErrors] = useState<FieldErrors>({});
  const [trouble, setTrouble] = useState<Explanation>();
  const [busy, setBusy] = useState(false);

  const submit = async () => {
    const [name, text] = [nameField.current, textField.current];
    if (busy || name === null || text === null) return;
    setTrouble(undefined);
    setErrors({});
    if (name.value.trim() === "") {
      setErrors({ name: "Give the task a name." });
      name.focus();
      return;
    }
    setBusy(true);
    try {
      await actions.create({ name: name.value.trim(), description: text.value.trim() });
      name.value = text.value = "";
      name.focus();
    } catch (error) {
      if (error instanceof SessionEnded) return;
      const fields = fieldErrors(error);
      if (Object.keys(fields).length > 0) setErrors(fields);
      else setTrouble(explain(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <section class="card create" aria-labelledby="create-title">
      <h2 id="create-title">New task</h2>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <label class="field">
          <span>Name</span>
          <input
            ref={nameField}
            name="name"
            type="text"
            maxLength={200}
            required
            autoComplete="off"
            placeholder="Data Processing Job"
            aria-invalid={errors.name !== undefined}
            aria-describedby={errors.name === undefined ? undefined : "name-error"}
          />
        </label>
        <FieldError id="name-error" text={errors.name} />
        <label class="field">
          <span>Description <small>optional</small></span>
          <textarea
            ref={textField}
            name="description"
            rows={3}
            maxLength={2000}
            placeholder="Process large dataset"
            aria-invalid={errors.description !== undefined}
            aria-describedby={errors.description === undefined ? undefined : "description-error"}
          />
        </label>
        <FieldError id="description-error" text={errors.description} />
        {trouble && <Trouble {...trouble} />}
        <Button look="primary" type="submit" busy={busy}>Create Task</Button>
      </form>
    </section>
  );
}

function FieldError({ id, text }: { id: string; text: string | undefined }) {
  return text === undefined ? null : <p class="field-error" id={id} role="alert">{text}</p>;
}

function Trouble({ title, text, requestId }: Explanation) {
  return (
    <div class="box tone-red" role="alert">
      <div>
        <p class="box-text">{title}</p>
        {text !== undefined && <p class="box-advice">{text}</p>}
        {requestId !== undefined && <p class="request-id">Request id: <code>{requestId}</code></p>}
      </div>
    </div>
  );
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
