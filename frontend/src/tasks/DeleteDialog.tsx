import { useState } from "preact/hooks";

import type { Task } from "../api/types";
import { useApp } from "../app";
import { t } from "../texts/later";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Trash } from "../ui/icons";
import { useLoaded } from "../ui/useLoaded";
import { focusNext } from "./focus";
import { grantsOf, grantsOnlyUsedBy } from "./view";

export interface DeleteDialogProps {
  tasks: readonly Task[];
  onClose: () => void;
  onDone?: () => void;
}

/** Asks before tasks go, and whether the access that no other task uses goes with them. */
export function DeleteDialog({ tasks, onClose, onDone }: DeleteDialogProps) {
  const { actions, store } = useApp();
  const [revoke, setRevoke] = useState(true);
  const { data: users } = useLoaded(() => store.usersOf(grantsOf(tasks)), []);
  const grants = users === undefined ? [] : grantsOnlyUsedBy(tasks, users);
  const [only] = tasks;
  if (only === undefined) return null;
  const running = tasks.filter(({ status }) => status === "running").length;
  const confirm = (close: () => void) => () => {
    close();
    focusNext(tasks.map(({ id }) => id));
    onDone?.();
    void actions.remove(tasks, revoke ? grants : []);
  };
  return (
    <Dialog title="delete-title" onClose={onClose}>
      {(close) => (
        <>
          <div class="dialog-icon tone-red"><Trash class="icon" /></div>
          <h2 id="delete-title">{t("delete.title", { count: tasks.length })}</h2>
          <p>
            {tasks.length === 1 && <strong class="wrap" dir="auto">{only.name}</strong>} {t("delete.text", { count: tasks.length })}
            {running > 0 && ` ${t("delete.running", { count: running })}`}
          </p>
          {grants.length > 0 && (
            <label class="check">
              <input type="checkbox" checked={revoke} onChange={() => setRevoke(!revoke)} />
              <span>
                <strong>{t("delete.revoke", { count: grants.length })}</strong>
                <small>{t("delete.revoke.text")}</small>
              </span>
            </label>
          )}
          <div class="dialog-actions">
            <Button look="quiet" onClick={close}>{t("action.cancel")}</Button>
            <Button look="red" onClick={confirm(close)}>{t("action.delete")}</Button>
          </div>
        </>
      )}
    </Dialog>
  );
}
