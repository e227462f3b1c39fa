/** When the tasks that use a grant run by themselves next. */
import { useEffect, useState } from "preact/hooks";

import type { Task } from "../api/types";

/** Runs of one task that a lane shows. */
const MOST = 100;

type NextRuns = typeof import("../tasks/nextRuns").nextRuns;

/** Moments of scheduled runs until `to`, as far as they are known. calculate: makes them of a cron expression. */
export function comingRuns(tasks: readonly Task[], from: number, to: number, calculate: NextRuns | undefined): readonly number[] {
  return tasks.flatMap(({ schedule }) => {
    if (schedule?.status !== "active" || !schedule.nextRunAt) return [];
    const next = Date.parse(schedule.nextRunAt);
    if (!schedule.cron || calculate === undefined) return next <= to ? [next] : [];
    return calculated(calculate, schedule.cron, schedule.timezone, from).filter((at) => at <= to);
  });
}

function calculated(calculate: NextRuns, cron: string, timezone: string, from: number): readonly number[] {
  try {
    return calculate(cron, timezone, MOST, new Date(from)).map((run) => run.getTime());
  } catch {
    return []; // an expression or a zone that this browser does not know: the schedule itself is on the page of its task
  }
}

/** The same, for a component; cron expressions need a part that is fetched. */
export function useComing(tasks: readonly Task[], from: number, to: number): readonly number[] {
  const [part, setPart] = useState<{ nextRuns: NextRuns }>();
  const repeated = tasks.some(({ schedule }) => schedule?.status === "active" && schedule.cron);
  useEffect(() => {
    if (repeated) import("../tasks/nextRuns").then(setPart, () => undefined);
  }, [repeated]);
  return comingRuns(tasks, from, to, part?.nextRuns);
}

/** The next run of each task that has one. */
export function nextOf(tasks: readonly Task[]): readonly number[] {
  return tasks.flatMap(({ schedule }) => (schedule?.nextRunAt ? [Date.parse(schedule.nextRunAt)] : []));
}
