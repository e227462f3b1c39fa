/** One action on many tasks, a hundred for each request: on some, or on all that match a filter. */
import { ApiError } from "../api/http";
import type { BatchAction, BatchResult, TaskFilter } from "../api/types";
import type { App } from "../app";
import { SessionEnded } from "../auth";
import { explain, type Explanation } from "../recovery";
import { t } from "../texts/later";

export type Chosen = { ids: readonly string[] } | { filter: TaskFilter };
export type BulkAction = Exclude<BatchAction, "retry" | "link">;

/** Where a batch goes on. */
interface Rest {
  chosen: Chosen;
  cursor?: string;
  done: number;
}

/** What became of the tasks. left: why some were left as they were, with how many. */
interface Tally {
  done: number;
  left: Map<string, number>;
}

const STEP = 100;
/** So many reasons why tasks were left are told, those of most tasks first; the others are counted. */
const REASONS = 5;
/** Answers of `execute` that start nothing, in the API's words. */
const NOT_STARTED: Record<string, "hint.none" | "hint.pending" | "hint.failed"> = { needs_consent: "hint.none", waiting_consent: "hint.pending", token_failed: "hint.failed" };

/** Does it, tells in `rows.bulk` how far it is, and at the end what became of it. True when no task was left. */
export async function runBulk(app: App, action: BulkAction, chosen: Chosen, reason = "", from?: Rest): Promise<boolean> {
  const { rows, store } = app;
  if (rows.bulk.value !== undefined) return false;
  const tally: Tally = { done: 0, left: new Map() };
  let rest: Rest | undefined = from ?? { chosen, done: 0 };
  rows.bulk.value = { action, done: rest.done, most: sizeOf(rest), stop: false };
  let trouble: Explanation | undefined;
  try {
    while (rest !== undefined && !rows.bulk.value.stop) rest = await step(app, action, reason, rest, tally);
  } catch (error) {
    if (!(error instanceof SessionEnded)) trouble = explain(error, app.browser.online());
  } finally {
    rows.bulk.value = undefined;
    store.refresh();
  }
  const again = rest === undefined ? undefined : () => void runBulk(app, action, chosen, reason, rest);
  tell(app, action, tally, trouble, again);
  return rest === undefined && tally.left.size === 0;
}

async function step(app: App, action: BulkAction, reason: string, rest: Rest, tally: Tally): Promise<Rest | undefined> {
  const { chosen, cursor } = rest;
  const body = { action, reason, limit: STEP, ...(cursor !== undefined && { cursor }) };
  const some = "ids" in chosen ? chosen.ids.slice(0, STEP) : [];
  const answer = await app.api.batch("ids" in chosen ? { ...body, ids: [...some] } : { ...body, filter: chosen.filter });
  for (const result of answer.results) count(app, action, result, tally, "ids" in chosen);
  const done = rest.done + answer.results.length;
  const next: Rest | undefined = "ids" in chosen ? following(chosen.ids.slice(STEP), done) : answer.nextCursor === undefined ? undefined : { chosen, cursor: answer.nextCursor, done };
  const { stop = false } = app.rows.bulk.value ?? {};
  app.rows.bulk.value = { action, done, most: next === undefined ? done : "ids" in chosen ? sizeOf(next) : done + (answer.remaining ?? 0), stop };
  return next;
}

const following = (ids: readonly string[], done: number): Rest | undefined => (ids.length === 0 ? undefined : { chosen: { ids }, done });
const sizeOf = ({ chosen, done }: Rest): number | undefined => ("ids" in chosen ? done + chosen.ids.length : undefined);

/** inSight: the outcome is told in the task's row, too. */
function count(app: App, action: BulkAction, { id, status, problem }: BatchResult, tally: Tally, inSight: boolean): void {
  const hint = NOT_STARTED[status ?? ""];
  const why = problem ? explain(new ApiError(problem, undefined)) : hint && { title: t(hint) };
  if (why === undefined || problem?.code === "task_not_found") {
    tally.done += 1;
    if (action === "delete") {
      app.rows.drop(id);
      app.store.drop(id);
    }
    return;
  }
  tally.left.set(why.title, (tally.left.get(why.title) ?? 0) + 1);
  if (inSight) app.work.report(app.consents.row(id), why);
}

function tell({ toasts, status, troubles }: App, action: BulkAction, tally: Tally, trouble: Explanation | undefined, again: (() => void) | undefined): void {
  if (tally.done > 0) {
    const said = t(`bulk.done.${action}`, { count: tally.done });
    toasts.show(said);
    status.say(said);
  }
  const action_ = again && { action: { label: t("bulk.goOn"), run: again } };
  if (trouble !== undefined) troubles.tell({ title: t("bulk.broken"), text: [trouble.title, trouble.text].filter(Boolean).join(". "), ...action_ });
  else if (again !== undefined) troubles.tell({ title: t("bulk.stopped"), ...action_ });
  if (tally.left.size === 0) return;
  const left = [...tally.left.values()].reduce((sum, number) => sum + number, 0);
  troubles.tell({ title: t("bulk.left", { count: left }), text: reasonsOf(tally) });
}

function reasonsOf({ left }: Tally): string {
  const reasons = [...left].sort(([, one], [, other]) => other - one);
  const told = reasons.slice(0, REASONS).map(([why, count]) => t("bulk.why", { count, why: why.replace(/\.$/, "") }));
  if (reasons.length > REASONS) told.push(t("bulk.whys", { count: reasons.length - REASONS }));
  return told.join(" · ");
}
