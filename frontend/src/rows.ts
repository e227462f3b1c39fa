/** Which rows of the list are open, and which are selected. */
import { signal } from "@preact/signals";

export class Rows {
  readonly open = signal<ReadonlySet<string>>(new Set());
  readonly selected = signal<ReadonlySet<string>>(new Set());

  toggle(id: string): void {
    this.open.value = toggled(this.open.value, id);
  }

  unfold(...ids: string[]): void {
    this.open.value = new Set([...this.open.value, ...ids]);
  }

  select(id: string): void {
    this.selected.value = toggled(this.selected.value, id);
  }

  /** For a row that is gone. */
  drop(id: string): void {
    this.open.value = without(this.open.value, id);
    this.selected.value = without(this.selected.value, id);
  }

  forget(): void {
    this.open.value = new Set();
    this.selected.value = new Set();
  }
}

const without = (set: ReadonlySet<string>, id: string): ReadonlySet<string> => new Set([...set].filter((other) => other !== id));
const toggled = (set: ReadonlySet<string>, id: string): ReadonlySet<string> => (set.has(id) ? without(set, id) : new Set(set).add(id));
