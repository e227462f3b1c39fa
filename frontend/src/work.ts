/** Actions under way: one per row at a time, each with its outcome told in that row. */
import { signal } from "@preact/signals";

import { SessionEnded } from "./auth";
import type { Browser } from "./browser";
import { explain, type Explanation } from "./recovery";
import { t } from "./texts";
import type { Trouble, Troubles } from "./troubles";

export interface Row {
  id: string;
  /** Its state now, if it is there. */
  state: () => string | undefined;
  /** What can be offered when a new token is needed. */
  requestToken?: () => void;
}

export class Work {
  /** Rows with an action under way. */
  readonly busy = signal<ReadonlySet<string>>(new Set());

  constructor(
    private readonly troubles: Troubles,
    private readonly browser: Browser,
  ) {}

  /**
   * Runs `work` for a row unless something is under way there; true when it went well. A row stays busy when the work
   * answers "leaving": the browser goes off the page.
   */
  async attempt(row: Row, work: () => Promise<unknown>): Promise<boolean> {
    if (this.busy.value.has(row.id)) return false;
    this.mark(row.id, true);
    this.troubles.clear(row.id);
    let leaving = false;
    try {
      leaving = (await work()) === "leaving";
      return true;
    } catch (error) {
      if (!(error instanceof SessionEnded)) this.report(row, this.explain(error), () => void this.attempt(row, work));
      return false;
    } finally {
      if (!leaving) this.mark(row.id, false);
    }
  }

  /** Puts an explanation into its row. */
  report(row: Row, { next, ...said }: Explanation, again?: () => void): void {
    const state = row.state();
    let action: Trouble["action"];
    if (next === "retry" && again) action = { label: t("action.retry"), run: again };
    if (next === "requestToken" && row.requestToken) action = { label: t("action.requestToken"), run: row.requestToken };
    this.troubles.set(row.id, { ...said, ...(action && { action }), ...(state !== undefined && { state }) });
  }

  explain(error: unknown): Explanation {
    return explain(error, this.browser.online());
  }

  /** For a page that the browser kept and shows again: nothing is under way in it. */
  settle(): void {
    this.busy.value = new Set();
  }

  private mark(id: string, busy: boolean): void {
    const others = [...this.busy.value].filter((other) => other !== id);
    this.busy.value = new Set(busy ? [...others, id] : others);
  }
}
