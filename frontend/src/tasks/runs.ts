/** What the page shows of runs, attempts and log lines. */
import type { AttemptOutcome, LogLevel, LogLine, Run, RunRecord } from "../api/types";
import { maybe, t } from "../texts/later";
import { statusBadge, type Badge, type BadgeIcon, type Tone } from "./view";

/** What a bar stands for: waiting for a worker or the next attempt, an attempt under way, or one that has ended. */
export type BarKind = "wait" | "running" | AttemptOutcome;

/** A stretch of the axis, in percent. */
export interface Bar {
  from: number;
  to: number;
  kind: BarKind;
}

const UNDER_WAY = new Set(["waiting", "queued", "running"]);
const OUTCOMES: Record<AttemptOutcome, readonly [Tone, BadgeIcon]> = {
  completed: ["green", "check"],
  failed: ["red", "cross"],
  token_failed: ["red", "cross"],
  cancelled: ["gray", "cross"],
  requeued: ["yellow", "again"],
  crashed: ["red", "cross"],
};

export const runBadge = (run: Run | RunRecord): Badge => statusBadge(run.status, run.waitReason ?? undefined);

export function attemptBadge(outcome: AttemptOutcome | undefined, started: boolean): Badge {
  if (outcome === undefined) return { label: t(started ? "status.running" : "status.queued"), tone: started ? "blue" : "purple", icon: "spin" };
  const [tone, icon] = (OUTCOMES as Partial<typeof OUTCOMES>)[outcome] ?? ["gray", "dot"];
  return { label: maybe(`attempt.${outcome}`) ?? outcome, tone, icon };
}

/** When it ended; `now` while it is under way. Milliseconds since the epoch. */
export function endOfRun(run: Run | RunRecord, now: number): number {
  const begin = Date.parse(run.createdAt);
  if (UNDER_WAY.has(run.status)) return Math.max(begin, now);
  return Math.max(begin, Date.parse(run.completedAt ?? run.startedAt ?? run.createdAt));
}

/** The length of the axis that all runs share, in milliseconds: that of the longest one, a second at least. */
export function longestOf(runs: readonly Run[], now: number): number {
  return Math.max(1000, ...runs.map((run) => endOfRun(run, now) - Date.parse(run.createdAt)));
}

/** A run on the axis, which begins when the run was asked for. attempts: known when the run is open. */
export function barsOf(run: Run | RunRecord, attempts: RunRecord["attempts"] | undefined, longest: number, now: number): readonly Bar[] {
  const begin = Date.parse(run.createdAt);
  const end = endOfRun(run, now);
  const at = (moment: number) => Math.min(100, Math.max(0, ((moment - begin) / longest) * 100));
  const bars: Bar[] = [{ from: 0, to: at(end), kind: "wait" }];
  if (attempts === undefined) {
    if (run.startedAt) bars.push({ from: at(Date.parse(run.startedAt)), to: at(end), kind: kindOf(run) });
    return bars;
  }
  for (const { startedAt, endedAt, outcome } of [...attempts].reverse()) {
    if (startedAt) bars.push({ from: at(Date.parse(startedAt)), to: at(endedAt ? Date.parse(endedAt) : end), kind: outcome ?? "running" });
  }
  return bars;
}

/** How a run stands, as the kind of its last bar. */
export function kindOf({ status, waitReason }: Run | RunRecord): BarKind {
  if (status === "completed" || status === "failed" || status === "cancelled") return status;
  return waitReason === "retry" ? "failed" : status === "running" ? "running" : "wait";
}

export const LEVELS = ["debug", "info", "warning", "error"] as const satisfies readonly LogLevel[];

/** The lines that matter at least so much. */
export function linesFrom(lines: readonly LogLine[], level: LogLevel): readonly LogLine[] {
  const least = LEVELS.indexOf(level);
  return lines.filter((line) => LEVELS.indexOf(line.level) >= least);
}
