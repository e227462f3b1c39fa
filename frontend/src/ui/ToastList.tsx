import { useEffect, useState } from "preact/hooks";

import { useApp } from "../app";
import { t } from "../texts";
import type { Toast } from "../toasts";
import { Check, Cross } from "./icons";

const SHOWN_FOR = 6_000;

/** What succeeded; it is said by the page's one status line too. */
export function ToastList() {
  const { toasts } = useApp();
  return (
    <section class="toasts" aria-label={t("toasts.label")}>
      {toasts.shown.value.map((toast) => (
        <ToastItem key={toast.id} toast={toast} onDismiss={() => toasts.dismiss(toast.id)} />
      ))}
    </section>
  );
}

function ToastItem({ toast, onDismiss }: { toast: Toast; onDismiss: () => void }) {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (held) return undefined;
    const timer = setTimeout(onDismiss, SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [held]);
  return (
    <div
      class="toast"
      data-toast="success"
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocusIn={() => setHeld(true)}
      onFocusOut={() => setHeld(false)}
    >
      <Check class="icon" />
      <p dir="auto">{toast.title}</p>
      <button type="button" class="icon-button" aria-label={t("action.dismiss", { title: toast.title })} title={t("action.close")} onClick={onDismiss}>
        <Cross class="icon" />
      </button>
    </div>
  );
}
