import { useRef } from "preact/hooks";

import type { Task } from "../api/types";
import { useApp } from "../app";
import { t } from "../texts/later";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Stop } from "../ui/icons";

/** Asks before runs are cancelled; the reason is kept with each. */
export function CancelDialog({ tasks, onClose }: { tasks: readonly Task[]; onClose: () => void }) {
  const { actions } = useApp();
  const reason = useRef<HTMLInputElement>(null);
  const [only] = tasks;
  if (only === undefined) return null;
  const confirm = (close: () => void) => () => {
    const text = reason.current?.value.trim() ?? "";
    close();
    void actions.cancel(tasks, text);
  };
  return (
    <Dialog title="cancel-title" onClose={onClose}>
      {(close) => (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            confirm(close)();
          }}
        >
          <div class="dialog-icon tone-gray"><Stop class="icon" /></div>
          <h2 id="cancel-title">{t("cancel.title", { count: tasks.length })}</h2>
          <p>{tasks.length === 1 && <strong class="wrap" dir="auto">{only.name}</strong>} {t("cancel.text", { count: tasks.length })}</p>
          <label class="field">
            <span>{t("cancel.reason")} <small>{t("create.optional")}</small></span>
            <input ref={reason} type="text" dir="auto" maxLength={500} autoComplete="off" />
          </label>
          <div class="dialog-actions">
            <Button look="quiet" onClick={close}>{t("cancel.keep")}</Button>
            <Button look="red" type="submit">{t("cancel.confirm", { count: tasks.length })}</Button>
          </div>
        </form>
      )}
    </Dialog>
  );
}
