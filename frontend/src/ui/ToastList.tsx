import { useEffect, useState } from "preact/hooks";

import { useApp } from "../app";
import type { Toast } from "../toasts";
import { Check, Cross, Warning } from "./icons";

const SHOWN_FOR = 6_000;

/** Errors are alerts; what succeeded is said by the page's one status line. */
export function ToastList() {
  const { toasts } = useApp();
  return (
    <section class="toasts" aria-label="Notifications">
      {toasts.shown.value.map((toast) => (
        <ToastItem key={toast.id} toast={toast} onDismiss={() => toasts.dismiss(toast.id)} />
      ))}
    </section>
  );
}

function ToastItem({ toast, onDismiss }: { toast: Toast; onDismiss: () => void }) {
  const [held, setHeld] = useState(false);
  const error = toast.tone === "error";
  useEffect(() => {
    if (error || held) return undefined;
    const timer = setTimeout(onDismiss, SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [held]);
  const { action } = toast;
  const act = () => {
    onDismiss();
    action?.run();
  };
  return (
    <div
      class={`toast tone-${error ? "red" : "green"}`}
      data-toast={toast.tone}
      role={error ? "alert" : undefined}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocusIn={() => setHeld(true)}
      onFocusOut={() => setHeld(false)}
    >
      <span class="toast-icon">{error ? <Warning /> : <Check />}</span>
      <div class="toast-body">
        <p class="toast-title">{toast.title}</p>
        {toast.text !== undefined && <p>{toast.text}</p>}
        {toast.requestId !== undefined && <p class="request-id">Request id: <code>{toast.requestId}</code></p>}
        {action && <button type="button" class="toast-action" onClick={act}>{action.label}</button>}
      </div>
      <button type="button" class="icon-button" aria-label={`Dismiss: ${toast.title}`} title="Dismiss" onClick={onDismiss}>
        <Cross />
      </button>
    </div>
  );
}
