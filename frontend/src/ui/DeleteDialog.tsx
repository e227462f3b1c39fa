import { useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Task } from "../api/types";
import { Button } from "./Button";
import { Trash } from "./icons";

export interface DeleteDialogProps {
  task: Task;
  /** The grant that no other task uses, offered for revocation. */
  token: string | undefined;
  onConfirm: (revoke: string | undefined) => void;
  onClose: () => void;
}

/** Asks before a task goes. Modal and native: focus is kept inside, Escape closes, focus goes back. */
export function DeleteDialog({ task, token, onConfirm, onClose }: DeleteDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [revoke, setRevoke] = useState(false);
  useLayoutEffect(() => {
    if (dialog.current?.open === false) dialog.current.showModal();
  });
  const closed = () => {
    if (dialog.current?.open === false) onClose(); // the event comes late: it may be open again
  };
  const close = () => dialog.current?.close();
  const confirm = () => {
    close();
    onConfirm(revoke ? token : undefined);
  };
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby="delete-title"
      aria-describedby="delete-text"
      onClose={closed}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div class="dialog-body">
        <div class="dialog-icon tone-red"><Trash /></div>
        <h2 id="delete-title">Delete this task?</h2>
        <p id="delete-text">
          <strong class="wrap">{task.name}</strong> will be gone for good.
          {task.status === "running" && " It is running now and will stop at its next step."}
        </p>
        {token !== undefined && (
          <label class="check">
            <input type="checkbox" checked={revoke} onChange={() => setRevoke(!revoke)} />
            <span>
              <strong>Also revoke its offline access</strong>
              <small>No other task uses it. The vault gives out no more access tokens for it.</small>
            </span>
          </label>
        )}
        <div class="dialog-actions">
          <Button look="quiet" onClick={close}>Cancel</Button>
          <Button look="red" onClick={confirm}>Delete</Button>
        </div>
      </div>
    </dialog>
  );
}
