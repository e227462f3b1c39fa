import { useEffect } from "preact/hooks";

import type { Grant } from "../api/types";
import { useApp } from "../app";
import { moment, timestamp } from "../dates";
import type { Range } from "../lanes/geometry";
import { language, t } from "../texts/later";
import { now } from "../tick";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { Time } from "../ui/Time";
import { TroubleBox } from "../ui/TroubleBox";
import { LanePicture } from "./LanePicture";
import { nameOf, type Access } from "./view";
import { grantBadge, mandateOf, reasonOf } from "./words";

export interface LaneRowProps {
  access: Access;
  range: Range;
  onRevoke: (grants: readonly Grant[]) => void;
  /** The level of its heading. */
  heading?: "h2" | "h3";
}

/** One grant: its name, its lane, and in words what it is and what it was used for. */
export function LaneRow({ access, range, onRevoke, heading: Heading = "h3" }: LaneRowProps) {
  const { trails, troubles, work, access: actions, consents } = useApp();
  const { grant, tasks } = access;
  const id = grant.persistentTokenId;
  useEffect(() => trails.ensure(grant), [grant]);
  const trouble = troubles.of(id, grant.status);
  const reason = reasonOf(access, now.value);
  const busy = work.busy.value.has(id);
  const renewable = access.group === "attention" || (access.group === "inUse" && grant.status === "active");
  return (
    <article class="lane" data-row data-grant-id={id} data-status={grant.status} aria-labelledby={`grant-${id}`}>
      <div class="lane-name">
        <Heading id={`grant-${id}`} dir="auto"><a href={`/access/${id}`} data-row-toggle>{nameOf(access, moment(grant.createdAt, language.value))}</a></Heading>
        <Badge {...grantBadge(grant.status)} />
      </div>
      <LanePicture access={access} range={range} />
      <div class="lane-words">
        <AccessWords access={access} />
        {reason !== undefined && <p key={reason} class="lane-reason">{reason}</p>}
      </div>
      <div class="lane-actions">
        {renewable && tasks.length > 0 && (
          <Button small look={access.group === "attention" ? "purple" : "quiet"} busy={busy} describedBy={`grant-${id}`} onClick={() => void consents.request(tasks.map((task) => task.id), grant.status === "active" ? id : undefined)}>
            {t("access.renew", { count: tasks.length })}
          </Button>
        )}
        {(grant.status === "active" || grant.status === "failed") && (
          <Button small look="quiet" busy={busy} describedBy={`grant-${id}`} onClick={() => void actions.check(grant)}>{t("access.check")}</Button>
        )}
        {(grant.status === "active" || grant.status === "pending") && (
          <Button small look="quiet" busy={busy} describedBy={`grant-${id}`} onClick={() => onRevoke([grant])}>{t("access.revoke")}</Button>
        )}
      </div>
      {trouble && <div class="lane-trouble"><TroubleBox trouble={trouble} onDismiss={() => troubles.clear(id)} /></div>}
    </article>
  );
}

/** Who may act for whom, how often it was used and by what, and until when. */
export function AccessWords({ access }: { access: Access }) {
  const { grant, end } = access;
  return <p key={`${grant.status} ${grant.uses} ${end ?? ""}`}>{mandateOf(grant)} <Uses access={access} /> {grant.status === "active" && <Until end={end} />}</p>;
}

function Until({ end }: { end: number | undefined }) {
  return <>{end === undefined ? t("access.noEnd") : t("access.goodUntil", { when: timestamp(new Date(end).toISOString(), now.value, language.value) })}</>;
}

/** "Used 14 times, last 2 minutes ago by Nightly export, Attempt 14." */
function Uses({ access: { grant, tasks } }: { access: Access }) {
  const { trails } = useApp();
  const { taskId, attempt } = trails.of(grant.persistentTokenId)?.lines.find(({ event, outcome }) => event === "token.issued" && outcome === "ok") ?? {};
  const by = tasks.find(({ id }) => id === taskId);
  if (grant.uses === 0) return <>{t("access.unused")}</>;
  return (
    <>
      {grant.maxUses === undefined ? t("access.uses", { count: grant.uses }) : t("access.usesOf", { count: grant.uses, most: grant.maxUses })}
      {grant.lastUsedAt !== undefined && <> {t("access.last")} <Time at={grant.lastUsedAt} ago />{by && <> {t("access.lastBy")} <a href={`/tasks/${by.id}`} dir="auto">{by.name}</a>{attempt !== undefined && attempt !== null && `, ${t("attempt.name", { number: attempt })}`}</>}.</>}
    </>
  );
}
