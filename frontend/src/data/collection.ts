/** Rows of one list of the server as last seen, and whether that is still true. */
import { batch, signal } from "@preact/signals";

import { ApiError } from "../api/http";
import { SessionEnded } from "../auth";
import { equal, reuse } from "./reuse";
import { OFTEN, Poller, type Answer, type Failure, type Health } from "./poller";

export interface Wiring<T> {
  load(etag: string | undefined, signal: AbortSignal): Promise<Answer<readonly T[]>>;
  key(row: T): string;
  /** Milliseconds between two requests while nobody looks; as often as possible if not given. */
  seldom?: number;
  /** Called with what the rows were and are, when they differ and there were some before. */
  changed?: (before: readonly T[], after: readonly T[]) => void;
}

export class Collection<T extends object> {
  /** Undefined until the first answer. Equal rows keep their objects. */
  readonly rows = signal<readonly T[] | undefined>(undefined);
  readonly health = signal<Health>({ state: "live" });
  protected viewers = 0;
  private readonly poller: Poller<readonly T[]>;

  constructor(
    private readonly wiring: Wiring<T>,
    page: Document = document,
  ) {
    const source = {
      load: (etag: string | undefined, aborted: AbortSignal) => wiring.load(etag, aborted),
      apply: (rows: readonly T[]) => this.replace(rows),
      pace: () => (this.viewers > 0 ? OFTEN : (wiring.seldom ?? OFTEN)),
      judge,
      report: (health: Health) => this.report(health),
    };
    this.poller = new Poller(source, page);
  }

  /** Asks often until the returned function is called. */
  look(): () => void {
    this.viewers += 1;
    this.refresh();
    return () => (this.viewers -= 1);
  }

  watch(): void {
    this.poller.start();
  }

  /** Stops asking; what is known stays. */
  rest(): void {
    this.poller.stop();
  }

  /** Stops asking and forgets: the next person must not see these rows. */
  forget(): void {
    this.poller.stop();
    batch(() => {
      this.rows.value = undefined;
      this.health.value = { state: "live" };
    });
  }

  refresh(): void {
    this.poller.refresh();
  }

  /** Asks anew, for something else than before. */
  protected restart(): void {
    this.poller.restart();
  }

  find(key: string): T | undefined {
    return this.rows.value?.find((row) => this.wiring.key(row) === key);
  }

  /** Shows a row that the server has just answered with, ahead of the next poll. */
  put(row: T): void {
    const known = this.rows.value;
    const key = this.wiring.key(row);
    if (known !== undefined) {
      const there = known.some((old) => this.wiring.key(old) === key);
      this.replace(there ? known.map((old) => (this.wiring.key(old) === key ? row : old)) : [row, ...known]);
    }
    this.refresh();
  }

  drop(key: string): void {
    this.rows.value = this.rows.value?.filter((row) => this.wiring.key(row) !== key);
    this.refresh();
  }

  protected replace(rows: readonly T[]): void {
    const before = this.rows.value;
    const after = reuse(before, rows, (row) => this.wiring.key(row));
    if (after === before) return;
    this.rows.value = after;
    if (before !== undefined) this.wiring.changed?.(before, after);
  }

  private report(health: Health): void {
    if (!equal(this.health.value, health)) this.health.value = health;
  }
}

function judge(error: unknown): Failure | undefined {
  if (error instanceof SessionEnded) return undefined;
  if (error instanceof ApiError) return { health: { state: "trouble", code: error.problem.code }, retryAfter: error.retryAfter };
  if (error instanceof SyntaxError) return { health: { state: "trouble", code: "no_json" }, retryAfter: undefined };
  return { health: { state: "offline" }, retryAfter: undefined };
}
