/** Short messages over the page. Errors stay until they are dismissed; the rest goes by itself. */
import { signal } from "@preact/signals";

export interface Toast {
  id: number;
  tone: "success" | "error";
  title: string;
  text?: string;
  requestId?: string;
  action?: { label: string; run: () => void };
}

export class Toasts {
  readonly shown = signal<readonly Toast[]>([]);
  private last = 0;

  /** A message that says the same as one on show takes its place. */
  show(toast: Omit<Toast, "id">): void {
    const others = this.shown.value.filter(({ title, text }) => title !== toast.title || text !== toast.text);
    this.shown.value = [...others, { ...toast, id: ++this.last }];
  }

  dismiss(id: number): void {
    this.shown.value = this.shown.value.filter((toast) => toast.id !== id);
  }
}
