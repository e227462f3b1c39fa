/** Short messages of success over the page. They go by themselves, and there are never more than a few. */
import { signal } from "@preact/signals";

export interface Toast {
  id: number;
  title: string;
}

const MOST = 3;

export class Toasts {
  readonly shown = signal<readonly Toast[]>([]);
  private last = 0;

  /** A message that says the same as one on show takes its place; the oldest makes room. */
  show(title: string): void {
    const others = this.shown.value.filter((toast) => toast.title !== title);
    this.shown.value = [...others, { title, id: ++this.last }].slice(-MOST);
  }

  dismiss(id: number): void {
    this.shown.value = this.shown.value.filter((toast) => toast.id !== id);
  }
}
