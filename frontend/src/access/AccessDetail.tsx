import { useEffect, useState } from "preact/hooks";

import { useApp } from "../app";
import { moment } from "../dates";
import { nextOf } from "../lanes/coming";
import { rangeFor } from "../lanes/geometry";
import { viewOf } from "../tasks/view";
import { language, t } from "../texts/later";
import { now } from "../tick";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { Download } from "../ui/icons";
import { Time } from "../ui/Time";
import { AuditTable } from "./AuditTable";
import { Rename } from "./Rename";
import { End } from "./End";
import { AxisLabels } from "./LanePicture";
import { LaneRow } from "./LaneRow";
import { RevokeDialog } from "./RevokeDialog";
import { Tickets } from "./Tickets";
import { useAccess, useGrantWatch } from "./useAccess";
import { nameOf, type Access } from "./view";

/** One grant: its lane, its facts, the tasks that use it, and its whole audit trail. */
export function AccessDetail({ params }: { params?: Record<string, string> }) {
  const { grants } = useApp();
  useGrantWatch();
  const access = useAccess().find(({ grant }) => grant.persistentTokenId === params?.id);
  if (grants.rows.value === undefined) return <main class="page" id="main" aria-busy="true"><p class="page-wait">{t("access.loading")}</p></main>;
  if (access !== undefined) return <KnownAccess key={access.grant.persistentTokenId} access={access} />;
  return (
    <main class="page" id="main">
      <div class="sheet empty">
        <h1 id="page-title" tabIndex={-1}>{t("access.gone")}</h1>
        <p>{t("access.gone.text")}</p>
        <a class="button button--primary" href="/access">{t("access.all")}</a>
      </div>
    </main>
  );
}

function KnownAccess({ access }: { access: Access }) {
  const { trails } = useApp();
  const { grant } = access;
  const [revoking, setRevoking] = useState(false);
  const range = rangeFor([grant], now.value, nextOf(access.tasks));
  useEffect(() => trails.ensure(grant), [grant]);
  return (
    <main class="page access-detail" id="main">
      <div class="page-head">
        <div>
          <a class="back" href="/access">{t("access.back")}</a>
          <h1 id="page-title" tabIndex={-1} class="wrap" dir="auto">{nameOf(access, moment(grant.createdAt, language.value))}</h1>
          <Rename grant={grant} />
        </div>
      </div>
      <section class="sheet lanes" aria-label={t("access.lane")}>
        <AxisLabels range={range} now={now.value} />
        <LaneRow access={access} range={range} onRevoke={() => setRevoking(true)} heading="h2" />
      </section>
      <div class="columns">
        <Facts access={access} />
        <Tasks access={access} />
      </div>
      {grant.status === "active" && <Tickets grant={grant} />}
      <Trail access={access} />
      {revoking && <RevokeDialog grants={[grant]} onClose={() => setRevoking(false)} />}
    </main>
  );
}

function Facts({ access }: { access: Access }) {
  const { grant } = access;
  const when = (at: string | undefined) => (at === undefined ? "—" : <Time at={at} />);
  return (
    <section class="sheet panel" aria-labelledby="facts">
      <h2 id="facts">{t("access.facts")}</h2>
      <dl class="facts">
        {grant.askedBy && <div><dt>{t("fact.askedBy")}</dt><dd dir="auto">{grant.askedBy.name}</dd></div>}
        <div><dt>{t("fact.services")}</dt><dd>{grant.services.join(", ")}</dd></div>
        <div><dt>{t("fact.scopes")}</dt><dd>{grant.scopes.join(" ") || "—"}</dd></div>
        <div><dt>{t("fact.provider")}</dt><dd>{grant.provider}</dd></div>
        {grant.account && <div><dt>{t("fact.account")}</dt><dd class="wrap">{grant.account.subject} · {grant.account.issuer}</dd></div>}
        <div><dt>{t("fact.type")}</dt><dd>{t(`type.${grant.tokenType}`)}</dd></div>
        <div><dt>{t("fact.asked")}</dt><dd>{when(grant.createdAt)}</dd></div>
        <div><dt>{t("fact.granted")}</dt><dd>{when(grant.activatedAt)}</dd></div>
        <div><dt>{t("fact.used")}</dt><dd>{when(grant.lastUsedAt)}</dd></div>
        <div><dt>{t("fact.refreshed")}</dt><dd>{when(grant.lastRefreshedAt)}</dd></div>
        <div><dt>{t("fact.end")}</dt><dd><End access={access} /></dd></div>
        {grant.maxUses !== undefined && <div><dt>{t("fact.left")}</dt><dd>{Math.max(0, grant.maxUses - grant.uses)}</dd></div>}
        <div><dt>{t("fact.id")}</dt><dd><code>{grant.persistentTokenId}</code></dd></div>
      </dl>
    </section>
  );
}

function Tasks({ access: { tasks } }: { access: Access }) {
  const { store } = useApp();
  return (
    <section class="sheet panel" aria-labelledby="users">
      <h2 id="users">{t("access.tasks")} <span class="chip-count">{tasks.length}</span></h2>
      {tasks.length === 0 && <p class="soft">{t(store.linked.complete ? "access.tasks.none" : "revoke.unsure")}</p>}
      <ul class="users">
        {tasks.map((task) => (
          <li key={task.id}><Badge {...viewOf(task).status} /> <a href={`/tasks/${task.id}`} dir="auto">{task.name}</a></li>
        ))}
      </ul>
    </section>
  );
}

function Trail({ access: { grant } }: { access: Access }) {
  const { access: actions } = useApp();
  return (
    <section class="sheet panel" aria-labelledby="trail">
      <div class="panel-head">
        <h2 id="trail">{t("audit.title")}</h2>
        <Button small look="quiet" onClick={() => void actions.exportAudit(grant, "csv")}><Download class="icon" /> CSV</Button>
        <Button small look="quiet" onClick={() => void actions.exportAudit(grant, "ndjson")}><Download class="icon" /> NDJSON</Button>
      </div>
      <AuditTable grant={grant} />
    </section>
  );
}
