import { useState } from "preact/hooks";

import type { Grant } from "../api/types";
import { useApp } from "../app";
import { nextOf } from "../lanes/coming";
import { rangeFor, RANGES, type Range } from "../lanes/geometry";
import { t } from "../texts/later";
import { now } from "../tick";
import { Button } from "../ui/Button";
import { Shield } from "../ui/icons";
import { OtherTroubles } from "../ui/OtherTroubles";
import { Words } from "../ui/Words";
import { AccessTable } from "./AccessTable";
import { AxisLabels } from "./LanePicture";
import { LaneRow } from "./LaneRow";
import { RevokeDialog } from "./RevokeDialog";
import { useAccess, useGrantWatch } from "./useAccess";
import { GROUPS, type Access, type Group } from "./view";

/** So many lanes of a group are drawn at first. */
const MANY = 20;

/** The offline access that this person has given away, as lanes over time. */
export function AccessPage() {
  const { grants } = useApp();
  const all = useAccess();
  const [chosen, setRange] = useState<Range>();
  const range = chosen ?? rangeFor(grants.rows.value ?? [], now.value, nextOf(all.flatMap(({ tasks }) => tasks)));
  const [revoking, setRevoking] = useState<readonly Grant[]>();
  useGrantWatch();
  const loaded = grants.rows.value !== undefined;
  const live = all.filter(({ grant }) => grant.status === "active").length;
  return (
    <main class="page access-page" id="main">
      <div class="page-head">
        <div>
          <h1 id="page-title" tabIndex={-1}>{t("access.title")}</h1>
          <p><Words text={loaded ? t("access.summary", { count: live }) : t("access.loading")} /></p>
        </div>
        <RangeSwitch range={range} onChange={setRange} />
      </div>
      <section class="sheet lanes" aria-labelledby="page-title" aria-busy={!loaded}>
        <OtherTroubles />
        {loaded && all.length === 0 && <NoAccess />}
        {all.length > 0 && <AxisLabels range={range} now={now.value} />}
        {GROUPS.map((group) => (
          <GroupOfLanes key={group} group={group} all={all.filter((access) => access.group === group)} range={range} onRevoke={setRevoking} />
        ))}
        {all.length > 0 && <AccessTable all={all} />}
      </section>
      {revoking && <RevokeDialog grants={revoking} onClose={() => setRevoking(undefined)} />}
    </main>
  );
}

function RangeSwitch({ range, onChange }: { range: Range; onChange: (range: Range) => void }) {
  return (
    <div class="segments" role="group" aria-label={t("access.range")}>
      {(Object.keys(RANGES) as Range[]).map((name) => (
        <button key={name} type="button" aria-pressed={range === name} onClick={() => onChange(name)}>{t(`range.${name}`)}</button>
      ))}
    </div>
  );
}

interface GroupProps {
  group: Group;
  all: readonly Access[];
  range: Range;
  onRevoke: (grants: readonly Grant[]) => void;
}

function GroupOfLanes({ group, all, range, onRevoke }: GroupProps) {
  const { store } = useApp();
  const [open, setOpen] = useState(group !== "ended");
  const [every, setEvery] = useState(false);
  if (all.length === 0) return null;
  const shown = every ? all : all.slice(0, MANY);
  return (
    <section class={`lane-group lane-group--${group}`} aria-labelledby={`group-${group}`} data-group={group}>
      <header>
        <h2 id={`group-${group}`}>
          {group === "ended"
            ? <button type="button" class="group-toggle" aria-expanded={open} onClick={() => setOpen(!open)}>{t(`group.${group}`)} <span class="chip-count">{all.length}</span></button>
            : <>{t(`group.${group}`)} <span class="chip-count">{all.length}</span></>}
        </h2>
        {group === "unused" && <p>{t(store.linked.complete ? "group.unused.text" : "group.unused.unsure")}</p>}
        {group === "unused" && store.linked.complete && <Button small look="quiet" onClick={() => onRevoke(all.map(({ grant }) => grant))}>{t("group.revokeAll", { count: all.length })}</Button>}
      </header>
      {open && shown.map((access) => <LaneRow key={access.grant.persistentTokenId} access={access} range={range} onRevoke={onRevoke} />)}
      {open && shown.length < all.length && <Button small look="quiet" onClick={() => setEvery(true)}>{t("group.showAll", { count: all.length })}</Button>}
    </section>
  );
}

function NoAccess() {
  return (
    <div class="empty">
      <div class="empty-icon"><Shield class="icon" /></div>
      <h2>{t("access.none")}</h2>
      <p>{t("access.none.text")}</p>
      <a class="button button--primary" href="/tasks">{t("unknown.go")}</a>
    </div>
  );
}
