import { useApp } from "../app";
import { format, timestamp } from "../dates";
import { useComing } from "../lanes/coming";
import { axisOf, forecastOf, laneOf, marksOf, roundMoments, unitAt, WIDTH, type Lane, type Range } from "../lanes/geometry";
import { language, t } from "../texts/later";
import { now } from "../tick";
import type { Access } from "./view";

const MIDDLE = 22;
const TICK = 13;
/** Units from *now* within which the label of another moment would stand under that of *now*. */
const NEAR = 90;

/** A grant over time. What it shows is said in words beside it and in the table beneath. */
export function LanePicture({ access, range }: { access: Access; range: Range }) {
  const { trails } = useApp();
  const { grant, end, tasks } = access;
  const axis = axisOf(range, now.value);
  const coming = useComing(tasks, axis.now, axis.to);
  const trail = trails.of(grant.persistentTokenId);
  const lane = laneOf(grant, [...marksOf(trail?.lines ?? []), ...forecastOf(coming, grant.status, end)], axis);
  const ends = end !== undefined && grant.status === "active";
  const { use, failure, run, broken } = lane.marks;
  const foreseen = run.length + broken.length > 0 ? ` ${t("lane.foreseen", { count: run.length + broken.length, broken: broken.length })}` : "";
  const said = t("lane.said", { count: use.length, failures: failure.length }) + foreseen;
  const words = ends ? `${said} ${t("lane.ends", { when: timestamp(new Date(end).toISOString(), now.value, language.value) })}` : said;
  return (
    <div class={`lane-picture lane-picture--${grant.status}`} style={{ "--now": `${unitAt(axis, axis.now) / 10}%`, "--wall": lane.wall === undefined ? "100%" : `${lane.wall / 10}%` }}>
      <svg viewBox={`0 0 ${WIDTH} ${2 * MIDDLE}`} preserveAspectRatio="none" role="img" aria-label={words}>
        <Strokes lane={lane} />
      </svg>
      {lane.wall !== undefined && <span class={`lane-wall ${ends ? "" : "lane-wall--over"}`} aria-hidden="true" />}
      <span class="lane-now" aria-hidden="true" />
      {ends && lane.wall === undefined && run.length === 0 && <span class="lane-end" aria-hidden="true">{t("lane.until", { when: format(language.value, { dateStyle: "medium" }).format(end) })}</span>}
      {lane.open && grant.status === "active" && run.length === 0 && <span class="lane-end" aria-hidden="true">{t("lane.openEnd")}</span>}
    </div>
  );
}

function Strokes({ lane: { line, marks } }: { lane: Lane }) {
  const ticks = (units: readonly number[], size: number) => units.map((unit) => `M${unit} ${MIDDLE - size}V${MIDDLE + size}`).join("");
  return (
    <>
      {line && <path class="lane-line" d={`M${line.from} ${MIDDLE}H${line.to}`} />}
      {line && line.from > 0 && <path class="lane-start" d={`M${line.from} ${MIDDLE - 5}V${MIDDLE + 5}`} />}
      {marks.use.length > 0 && <path class="lane-use" d={ticks(marks.use, TICK)} />}
      {marks.run.length > 0 && <><path class="lane-run" d={ticks(marks.run, TICK - 3)} /><path class="lane-run-core" d={ticks(marks.run, TICK - 3)} /></>}
      {marks.broken.length > 0 && <path class="lane-failure" d={ticks(marks.broken, TICK)} />}
      {marks.failure.length > 0 && <path class="lane-failure" d={ticks(marks.failure, TICK + 3)} />}
    </>
  );
}

/** The shared time axis above the lanes. */
export function AxisLabels({ range, now: at }: { range: Range; now: number }) {
  const axis = axisOf(range, at);
  const hours = range === "hour" || range === "day";
  const words = format(language.value, hours ? { timeStyle: "short" } : { day: "numeric", month: "short" });
  const here = unitAt(axis, axis.now);
  const moments = roundMoments(axis).filter((moment) => Math.abs(unitAt(axis, moment) - here) > NEAR && unitAt(axis, moment) < 960 && unitAt(axis, moment) > 25);
  return (
    <div class="axis" aria-hidden="true">
      <div class="axis-scale">
        {moments.map((moment) => <span key={moment} class={moment > axis.now ? "axis-later" : ""} style={{ "--at": `${unitAt(axis, moment) / 10}%` }}>{words.format(moment)}</span>)}
        <span class="axis-now" style={{ "--at": `${here / 10}%` }}>{t("lane.now")}</span>
      </div>
    </div>
  );
}
