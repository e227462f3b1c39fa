/** Which rows of the list are open, which are selected, and how far an action on many tasks is. */
import { batch, signal } from "@preact/signals";

export interface Bulk {
  action: "execute" | "cancel" | "delete";
  done: number;
  /** Tasks in all, at most; undefined until the server has said so. */
  most: number | undefined;
  /** True when the person wants no further step. */
  stop: boolean;
}

export class Rows {
  readonly open = signal<ReadonlySet<string>>(new Set());
  readonly selected = signal<ReadonlySet<string>>(new Set());
  /** True when all tasks that match are meant, those on other pages too. */
  readonly whole = signal(false);
  readonly bulk = signal<Bulk | undefined>(undefined);

  toggle(id: string): void {
    this.open.value = toggled(this.open.value, id);
  }

  unfold(...ids: string[]): void {
    this.open.value = new Set([...this.open.value, ...ids]);
  }

  select(id: string): void {
    this.choose(toggled(this.selected.value, id));
  }

  /** Selects these and no others. */
  choose(ids: Iterable<string>): void {
    batch(() => {
      this.selected.value = new Set(ids);
      this.whole.value = false;
    });
  }

  /** For a row that is gone. */
  drop(id: string): void {
    this.open.value = without(this.open.value, id);
    this.selected.value = without(this.selected.value, id);
  }

  forget(): void {
    this.open.value = new Set();
    this.choose([]);
  }
}

const without = (set: ReadonlySet<string>, id: string): ReadonlySet<string> => new Set([...set].filter((other) => other !== id));
const toggled = (set: ReadonlySet<string>, id: string): ReadonlySet<string> => (set.has(id) ? without(set, id) : new Set(set).add(id));
