/**
 * Errors, where they belong: in the row of the task or the grant that they are about. What has no row (it is gone, or
 * was never there) stands above the list, named. An error goes when it is mended, replaced or dismissed.
 */
import { signal } from "@preact/signals";

export interface Trouble {
  title: string;
  text?: string;
  requestId?: string;
  action?: { label: string; run: () => void };
  /** The state of the row that the error is about: it is shown for as long as the row is in it. */
  state?: string;
}

/** So many errors stand above a list; older ones go. */
const MOST = 4;

export class Troubles {
  readonly rows = signal<ReadonlyMap<string, Trouble>>(new Map());
  readonly others = signal<readonly (Trouble & { id: number })[]>([]);
  private last = 0;

  /** The error of a row that is in `state` now. */
  of(id: string, state?: string): Trouble | undefined {
    const found = this.rows.value.get(id);
    return found?.state === undefined || found.state === state ? found : undefined;
  }

  set(id: string, trouble: Trouble): void {
    this.rows.value = new Map(this.rows.value).set(id, trouble);
  }

  clear(id: string): void {
    if (this.rows.value.has(id)) this.rows.value = new Map([...this.rows.value].filter(([other]) => other !== id));
  }

  /** Stands above the list. One that says the same is replaced. */
  tell(trouble: Trouble): void {
    const others = this.others.value.filter(({ title, text }) => title !== trouble.title || text !== trouble.text);
    this.others.value = [...others, { ...trouble, id: ++this.last }].slice(-MOST);
  }

  dismiss(id: number): void {
    this.others.value = this.others.value.filter((trouble) => trouble.id !== id);
  }

  forget(): void {
    this.rows.value = new Map();
    this.others.value = [];
  }
}
