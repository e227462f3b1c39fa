import { useComputed } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { useApp } from "../app";
import { equal } from "../data/reuse";
import { healthOf, WaitingRoom, type Report } from "../health";
import { t } from "../texts";
import { now } from "../tick";
import { Warning } from "../ui/icons";
import { Words } from "../ui/Words";

function useHealth(): Report {
  const { store, grants, clock, browser } = useApp();
  const room = useRef(new WaitingRoom());
  const last = useRef<Report | undefined>(undefined);
  return useComputed(() => {
    const rows = store.rows.value ?? [];
    const report = healthOf({
      tasks: store.health.value,
      vault: grants.health.value,
      rows,
      online: browser.online(),
      clockOffset: clock.offset.value,
      workerLate: room.current.late(rows, now.value),
    });
    return (last.current = last.current !== undefined && equal(last.current, report) ? last.current : report);
  }).value;
}

/** How things stand, in the bar. */
export function HealthPill() {
  const { state, text } = useHealth();
  const { status } = useApp();
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) status.say(text);
    first.current = false;
  }, [text]);
  return <span class={`health health--${state}`} data-health={state} title={text}><Words text={text} /></span>;
}

/** What is wrong, and what to do about it; nothing when all is well. */
export function HealthStrip() {
  const { state, text, advice } = useHealth();
  if (state === "live") return null;
  return (
    <aside class="strip" data-strip aria-label={t("health.label")}>
      <Warning class="icon" />
      <p key={text}><strong>{text}</strong> {advice}</p>
    </aside>
  );
}
