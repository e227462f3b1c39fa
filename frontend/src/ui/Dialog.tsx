import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

export interface DialogProps {
  /** The id of the heading inside. */
  title: string;
  children: (close: () => void) => ComponentChildren;
  onClose: () => void;
  /** A firm dialog stays until one of its buttons is pressed. */
  firm?: boolean;
  wide?: boolean;
}

/** Modal and native: focus is kept inside, Escape closes, focus goes back. */
export function Dialog({ title, children, onClose, firm = false, wide = false }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    if (dialog.current?.open === false) dialog.current.showModal();
  });
  const close = () => dialog.current?.close();
  const closed = () => {
    if (dialog.current?.open === false) onClose(); // the event comes late: it may be open again
  };
  return (
    <dialog
      ref={dialog}
      class={`dialog ${wide ? "dialog--wide" : ""}`}
      aria-labelledby={title}
      onClose={closed}
      onCancel={(event) => firm && event.preventDefault()}
      onClick={(event) => !firm && event.target === dialog.current && close()}
    >
      <div class="dialog-body">{children(close)}</div>
    </dialog>
  );
}
