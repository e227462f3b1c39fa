/** What the page shows of a grant: its name, its group, what it is used for and until when. */
import type { Grant, GrantStatus, Task } from "../api/types";
import { maybe, t } from "../texts";
import type { Badge, BadgeIcon, Tone } from "../tasks/view";

export const GROUPS = ["attention", "inUse", "unused", "ended"] as const;
export type Group = (typeof GROUPS)[number];

export interface Access {
  grant: Grant;
  group: Group;
  /** The tasks that use it, as far as the list has them. */
  tasks: readonly Task[];
  /** Milliseconds since the epoch; undefined when nobody knows of an end. */
  end: number | undefined;
}

const DAY = 24 * 60 * 60 * 1000;
/** A grant that is used and ends within this time needs its person. */
const SOON = 2 * DAY;
const FEW_USES = 3;

const BADGES: Record<GrantStatus, readonly [Tone, BadgeIcon]> = {
  pending: ["yellow", "dot"],
  active: ["green", "check"],
  failed: ["red", "cross"],
  revoked: ["gray", "cross"],
  expired: ["gray", "cross"],
};

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
    const end = endOf(grant);
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
  const endsSoon = end !== undefined && end - now < SOON;
  const nearlyUsedUp = maxUses !== undefined && maxUses - uses <= FEW_USES;
  return endsSoon || nearlyUsedUp ? "attention" : "inUse";
}

export function grantBadge(status: GrantStatus): Badge {
  const [tone, icon] = BADGES[status];
  return { label: t(`grant.${status}`), tone, icon };
}

/** What it is called: by its own name, else after the tasks that use it or the day on which it was asked for. day: as people read it. */
export function nameOf({ grant, tasks }: Access, day: string): string {
  if (grant.name !== undefined) return grant.name;
  const [first] = tasks;
  if (first === undefined) return t("access.nameless", { day });
  return tasks.length === 1 ? first.name : t("access.nameMany", { name: first.name, count: tasks.length - 1 });
}

/** Why it needs the person, or why it has ended. */
export function reasonOf({ grant, group, end }: Access, now: number): string | undefined {
  const { status, failure } = grant;
  if (status === "failed") return maybe(`failure.${failure ?? ""}`) ?? t("failure.other");
  if (status === "pending") return t(group === "ended" ? "access.neverGranted" : "access.waits");
  if (status !== "active") return group === "attention" ? t("access.endedInUse") : undefined;
  if (group !== "attention") return undefined;
  return end !== undefined && end - now < SOON ? t("access.endsSoon") : t("access.nearlyUsedUp");
}

/** Who may use it and for what, as one sentence. */
export function mandateOf({ services, scopes, status }: Grant): string {
  if (status === "pending") return t("access.mandateAsked", { services: services.join(", ") });
  if (status !== "active") return t("access.mandateEnded", { services: services.join(", "), count: services.length });
  return t("access.mandate", { services: services.join(", "), scopes: scopesOf({ scopes }), count: services.length });
}

/** What it is for, as people read it. */
export function scopesOf({ scopes }: Pick<Grant, "scopes">): string {
  const shown = scopes.filter((scope) => scope !== "openid" && scope !== "offline_access");
  return shown.length === 0 ? t("access.identity") : shown.join(", ");
}
