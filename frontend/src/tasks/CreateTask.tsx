import type { RefObject } from "preact";
import { useRef, useState } from "preact/hooks";

import { useApp } from "../app";
import { SessionEnded } from "../auth";
import { t } from "../texts";
import type { Explanation } from "../recovery";
import { Button } from "../ui/Button";
import { Field } from "../ui/Field";
import { TroubleBox } from "../ui/TroubleBox";
import { useChunk } from "../ui/useChunk";
import { fieldErrors, MORE, readTask, valuesOf, type FieldErrors } from "./form";

export function CreateTask({ nameField }: { nameField: RefObject<HTMLInputElement | null> }) {
  const { auth, drafts } = useApp();
  const form = useRef<HTMLFormElement>(null);
  const session = auth.session.value;
  const subject = "subject" in session ? session.subject : "";
  const [draft] = useState(() => drafts.of(subject) ?? {});
  const keep = () => form.current && drafts.keep(subject, valuesOf(form.current));
  const { errors, trouble, busy, round, submit } = useSubmit(form, keep);
  const [more, setMore] = useState(() => MORE.some((field) => draft[field]));
  const wrongBelow = Object.keys(errors).some((field) => field !== "name" && field !== "description");
  const below = useChunk(more || wrongBelow, () => import("./MoreFields"));
  return (
    <section class="sheet create" aria-labelledby="create-title">
      <h2 id="create-title">{t("create.title")}</h2>
      <form
        ref={form}
        noValidate
        onInput={keep}
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Field name="name" label={t("create.name")} error={errors.name}>
          {(props) => <input {...props} ref={nameField} type="text" dir="auto" maxLength={200} required autoComplete="off" defaultValue={draft.name ?? ""} placeholder={t("create.name.example")} />}
        </Field>
        <Field name="description" label={t("create.description")} optional error={errors.description}>
          {(props) => <textarea {...props} dir="auto" rows={3} maxLength={2000} defaultValue={draft.description ?? ""} placeholder={t("create.description.example")} />}
        </Field>
        <details class="more" open={more || wrongBelow} onToggle={(event) => setMore(event.currentTarget.open)}>
          <summary>{t("create.more")}</summary>
          {below && <below.MoreFields key={round} draft={round === 0 ? draft : {}} errors={errors} />}
        </details>
        {trouble && <TroubleBox trouble={trouble} />}
        <Button look="primary" type="submit" busy={busy}>{t("create.submit")}</Button>
      </form>
    </section>
  );
}

/** Creates the task that stands in the form; what is wrong with it is told at its fields, of which the first gets the focus. */
function useSubmit(form: RefObject<HTMLFormElement | null>, keep: () => void) {
  const { actions, work } = useApp();
  const [errors, setErrors] = useState<FieldErrors>({});
  const [trouble, setTrouble] = useState<Explanation>();
  const [busy, setBusy] = useState(false);
  const sending = useRef(false); // at once: a double click comes before the next rendering
  const [round, setRound] = useState(0);
  const refuse = (found: FieldErrors) => {
    setErrors(found);
    requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
  };
  const submit = async () => {
    const fields = form.current;
    if (sending.current || fields === null) return;
    setTrouble(undefined);
    setErrors({});
    const read = readTask(valuesOf(fields));
    if ("errors" in read) {
      refuse(read.errors);
      return;
    }
    setBusy((sending.current = true));
    try {
      await actions.create(read.task);
      for (const field of fields.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>("input, textarea")) field.value = "";
      setRound((before) => before + 1); // the fields below begin anew
      requestAnimationFrame(keep);
      fields.querySelector("input")?.focus();
    } catch (error) {
      if (error instanceof SessionEnded) return;
      const found = fieldErrors(error);
      if (Object.keys(found).length > 0) refuse(found);
      else setTrouble(work.explain(error));
    } finally {
      setBusy((sending.current = false));
    }
  };
  return { errors, trouble, busy, round, submit };
}
