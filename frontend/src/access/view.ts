/** What the page shows of a grant: its name, its group, what it is used for and until when. */
import type { Grant, Task } from "../api/types";
import { t } from "../texts";

export const GROUPS = ["attention", "inUse", "unused", "ended"] as const;
export type Group = (typeof GROUPS)[number];

export interface Access {
  grant: Grant;
  group: Group;
  /** The tasks that use it, as far as the list has them. */
  tasks: readonly Task[];
  /** Milliseconds since the epoch; undefined when nobody knows of an end, before it has begun, and when it is over. */
  end: number | undefined;
}

const DAY = 24 * 60 * 60 * 1000;
/** A grant that is used and ends within this time needs its person. */
export const SOON = 2 * DAY;
const FEW_USES = 3;

/** All grants with the tasks that use them, in the order of the list. */
export function accessOf(grants: readonly Grant[], tasks: readonly Task[], now: number): readonly Access[] {
  const users = new Map<string | undefined, Task[]>();
  for (const task of tasks) {
    const id = task.persistentTokenId;
    const known = users.get(id);
    if (known === undefined) users.set(id, [task]);
    else known.push(task);
  }
  return grants.map((grant) => {
    const using = users.get(grant.persistentTokenId) ?? [];
    const end = grant.status === "active" ? endOf(grant) : undefined;
    return { grant, tasks: using, end, group: groupOf(grant, using, end, now) };
  });
}

/** When it ends by what is known: its own limit, or what the authorization server has said, unless the vault moves that end. */
export function endOf({ notAfter, expiresAt, keptAlive }: Grant): number | undefined {
  const known = [notAfter, keptAlive ? undefined : expiresAt].filter((at) => at !== undefined).map((at) => Date.parse(at));
  return known.length === 0 ? undefined : Math.min(...known);
}

function groupOf({ status, uses, maxUses }: Grant, tasks: readonly Task[], end: number | undefined, now: number): Group {
  if (status === "revoked" || status === "expired") return tasks.length > 0 ? "attention" : "ended";
  if (status === "failed") return tasks.length > 0 ? "attention" : "ended";
  if (status === "pending") return tasks.length > 0 ? "attention" : "ended";
  if (tasks.length === 0) return "unused";
  if (breaksRuns(tasks, end)) return "attention";
  const endsSoon = end !== undefined && end - now < SOON;
  const nearlyUsedUp = maxUses !== undefined && maxUses - uses <= FEW_USES;
  return endsSoon || nearlyUsedUp ? "attention" : "inUse";
}

/** True when a task's next run comes after the end. */
export function breaksRuns(tasks: readonly Task[], end: number | undefined): boolean {
  return end !== undefined && tasks.some(({ schedule }) => schedule?.nextRunAt && Date.parse(schedule.nextRunAt) > end);
}

/** What it is called: by its own name, else after the tasks that use it or the day on which it was asked for. day: as people read it. */
export function nameOf({ grant, tasks }: Access, day: string): string {
  if (grant.name !== undefined) return grant.name;
  const [first] = tasks;
  if (first === undefined) return t("access.nameless", { day });
  return tasks.length === 1 ? first.name : t("access.nameMany", { name: first.name, count: tasks.length - 1 });
}
