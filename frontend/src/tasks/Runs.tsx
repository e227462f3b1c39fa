import { useEffect, useState } from "preact/hooks";

import type { Run, RunRecord, Task } from "../api/types";
import { useApp } from "../app";
import { length } from "../dates";
import { t } from "../texts/later";
import { now } from "../tick";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { Unfold } from "../ui/icons";
import { Time } from "../ui/Time";
import { RunDetail } from "./RunDetail";
import { RunStrip } from "./RunStrip";
import { barsOf, endOfRun, longestOf, runBadge } from "./runs";

/** Runs of the strip, at most. */
const IN_STRIP = 20;
/** A run is asked for until so many milliseconds after its end: the last lines of its log come a moment later. */
const SETTLES = 10_000;

/** The runs of a task, the latest first and open; each opens to its attempts, its log and its result. */
export function Runs({ task }: { task: Task }) {
  const { history, work, consents } = useApp();
  const known = history.runsOf(task.id);
  const tick = useTick(task, known === undefined);
  useEffect(() => void history.refresh(task.id), [task, tick]);
  return (
    <section class="sheet panel runs" aria-labelledby="runs" aria-busy={known === undefined}>
      <h2 id="runs">{t("runs.title")}</h2>
      {known === undefined && <p class="soft">{t(history.hasFailed(task.id) ? "runs.failed" : "runs.loading")}</p>}
      {known?.runs.length === 0 && <p class="soft">{t("runs.none")}</p>}
      {known !== undefined && known.runs.length > 1 && <RunStrip runs={known.runs.slice(0, IN_STRIP)} />}
      {known !== undefined && known.runs.length > 0 && <RunList task={task} runs={known.runs} tick={tick} />}
      {known?.next !== undefined && (
        <Button small look="quiet" busy={work.busy.value.has(task.id)} onClick={() => void work.attempt(consents.row(task.id), () => history.older(task.id))}>{t("runs.older")}</Button>
      )}
    </section>
  );
}

/** Moves every few seconds for as long as something is to come. */
function useTick(task: Task, unknown: boolean): number {
  const { clock } = useApp();
  const settled = task.completedAt !== undefined && now.value + clock.offset.value - Date.parse(task.completedAt) > SETTLES;
  const resting = task.status === "pending" || settled;
  return unknown || !resting ? now.value : 0;
}

function RunList({ task, runs, tick }: { task: Task; runs: readonly Run[]; tick: number }) {
  const { clock } = useApp();
  const latest = runs[0]?.number;
  const [toggled, setToggled] = useState<ReadonlyMap<number, boolean>>(new Map());
  const longest = longestOf(runs, now.value + clock.offset.value);
  return (
    <>
      <div class="run-axis" aria-hidden="true"><span>{t("runs.asked")}</span><span>{length(longest / 2000)}</span><span>{length(longest / 1000)}</span></div>
      {runs.map((run) => {
        const open = toggled.get(run.number) ?? run.number === latest;
        const toggle = () => setToggled(new Map(toggled).set(run.number, !open));
        return <RunRow key={run.number} task={task} run={run} latest={run.number === latest} open={open} longest={longest} tick={run.number === latest ? tick : 0} onToggle={toggle} />;
      })}
    </>
  );
}

interface RunRowProps {
  task: Task;
  run: Run;
  latest: boolean;
  open: boolean;
  longest: number;
  tick: number;
  onToggle: () => void;
}

function RunRow({ task, run, latest, open, longest, tick, onToggle }: RunRowProps) {
  const { history, clock } = useApp();
  useEffect(() => {
    if (open) void history.refreshRun(task.id, run.number);
  }, [open, run, tick]);
  const opened = open ? history.run(task.id, run.number) : undefined;
  const serverNow = now.value + clock.offset.value;
  return (
    <article class="run" data-run={run.number} data-run-status={run.status} aria-labelledby={`run-${run.number}`}>
      <h3 class="run-head">
        <button type="button" id={`run-${run.number}`} class="run-toggle" aria-expanded={open} aria-controls={`run-body-${run.number}`} onClick={onToggle}>
          <Unfold class="icon row-unfold" /> {t("runs.run", { number: run.number })}
        </button>
      </h3>
      <div class="run-badge"><Badge {...runBadge(run)} /></div>
      <p class="run-cause soft">{t(`cause.${run.cause}`)}, <Time at={run.createdAt} /></p>
      <RunBars run={run} record={opened?.record} longest={longest} at={serverNow} />
      <p class="run-took">{length((endOfRun(run, serverNow) - Date.parse(run.createdAt)) / 1000)}</p>
      <div id={`run-body-${run.number}`} class="run-body">
        {open && opened === undefined && <p class="soft" aria-busy="true">{t(history.hasFailed(task.id, run.number) ? "runs.failed" : "runs.loading")}</p>}
        {opened && <RunDetail task={task} open={opened} told={latest && run.status === task.status} />}
      </div>
    </article>
  );
}

/** What the bars show is said by the badge, the times and the attempts. */
function RunBars({ run, record, longest, at }: { run: Run; record: RunRecord | undefined; longest: number; at: number }) {
  return (
    <div class="run-bars" aria-hidden="true">
      {barsOf(run, record?.attempts, longest, at).map(({ from, to, kind }, index) => (
        <i key={index} class={`run-bar run-bar--${kind}`} style={{ "--from": `${from}%`, "--size": `${to - from}%` }} />
      ))}
    </div>
  );
}
