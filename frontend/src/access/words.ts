/** What the pages of access say of a grant. */
import type { Grant, GrantStatus } from "../api/types";
import type { Badge, BadgeIcon, Tone } from "../tasks/view";
import { maybe, t } from "../texts/later";
import { breaksRuns, SOON, type Access } from "./view";

const BADGES: Record<GrantStatus, readonly [Tone, BadgeIcon]> = {
  pending: ["yellow", "dot"],
  active: ["green", "check"],
  failed: ["red", "cross"],
  revoked: ["gray", "cross"],
  expired: ["gray", "cross"],
};

export function grantBadge(status: GrantStatus): Badge {
  const [tone, icon] = (BADGES as Partial<typeof BADGES>)[status] ?? ["gray", "dot"];
  return { label: maybe(`grant.${status}`) ?? status, tone, icon };
}

/** Why it needs the person, or why it has ended. */
export function reasonOf({ grant, group, end, tasks }: Access, now: number): string | undefined {
  const { status, failure } = grant;
  if (status === "failed") return maybe(`failure.${failure ?? ""}`) ?? t("failure.other");
  if (status === "pending") return t(group === "ended" ? "access.neverGranted" : "access.waits");
  if (status !== "active") return group === "attention" ? t("access.endedInUse") : undefined;
  if (group !== "attention") return undefined;
  if (breaksRuns(tasks, end)) return t("access.breaksRuns");
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
