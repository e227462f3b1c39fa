/**
 * The picture of a grant over time, as numbers: a lane is WIDTH units wide, `now` stands at three quarters of it, uses are
 * ticks to the left, its end is a wall, and scheduled runs are ticks to the right. Whatever else happens at a moment is one
 * more kind of mark.
 */
import type { AuditLine, Grant } from "../api/types";
import { endOf } from "../access/view";

export const WIDTH = 1000;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How much of the past a lane shows, in milliseconds. */
export const RANGES = { hour: HOUR, day: DAY, week: 7 * DAY, month: 30 * DAY } as const;
export type Range = keyof typeof RANGES;
/** A lane shows so much more of the past than of the future. */
const AHEAD = 3;

export interface Axis {
  from: number;
  to: number;
  now: number;
}

/** use: a token was given; failure: it was refused, or the grant failed; run, broken: a run to come, with and without access. */
export interface Mark {
  at: number;
  kind: "use" | "failure" | "run" | "broken";
}

export interface Lane {
  /** From where to where the grant lives, in units; undefined when that is not in the picture. */
  line: { from: number; to: number } | undefined;
  /** True when no end is known: the line goes on beyond the picture. */
  open: boolean;
  /** Where it ends, when that is in the picture. */
  wall: number | undefined;
  /** Units at which there is a mark of the kind. */
  marks: Readonly<Record<Mark["kind"], readonly number[]>>;
}

/** The shortest range in which every live grant has its beginning, and the next run its place, up to a week. next: moments. */
export function rangeFor(grants: readonly Grant[], now: number, next: readonly number[] = []): Range {
  const begins = grants.filter(({ status }) => status === "active").map((grant) => Date.parse(grant.activatedAt ?? grant.createdAt));
  const soonest = Math.min(...next.filter((at) => at > now));
  const ahead = Number.isFinite(soonest) ? (soonest - now) * AHEAD : 0;
  const age = Math.max(now - Math.min(now, ...begins), ahead);
  if (age < RANGES.hour) return "hour";
  return age < RANGES.day ? "day" : "week";
}

export function axisOf(range: Range, now: number): Axis {
  const past = RANGES[range];
  return { from: now - past, to: now + past / AHEAD, now };
}

/** Where a moment stands, in units; not limited to the picture. */
export function unitAt(axis: Axis, at: number): number {
  return ((at - axis.from) / (axis.to - axis.from)) * WIDTH;
}

export function laneOf(grant: Grant, marks: readonly Mark[], axis: Axis): Lane {
  const begin = Date.parse(grant.activatedAt ?? grant.createdAt);
  const end = grant.status === "active" ? endOf(grant) : lastOf(grant, marks, axis);
  const shown = marks.filter(({ at }) => at >= axis.from && at <= axis.to);
  const of = (kind: Mark["kind"]) => distinct(shown.filter((mark) => mark.kind === kind).map(({ at }) => unitAt(axis, at)));
  return {
    line: end !== undefined && end < axis.from ? undefined : { from: clamp(unitAt(axis, begin)), to: clamp(end === undefined ? WIDTH : unitAt(axis, end)) },
    open: end === undefined,
    wall: end !== undefined && end >= axis.from && end <= axis.to ? clamp(unitAt(axis, end)) : undefined,
    marks: { use: of("use"), failure: of("failure"), run: of("run"), broken: of("broken") },
  };
}

const FAILURES = new Set(["grant.failed", "grant.expired", "consent.denied", "consent.failed"]);

/** The lines of an audit that are worth a mark. */
export function marksOf(lines: readonly AuditLine[]): readonly Mark[] {
  return lines.flatMap(({ at, event, outcome }): Mark[] => {
    const moment = Date.parse(at);
    if (event === "token.issued") return [{ at: moment, kind: outcome === "ok" ? "use" : "failure" }];
    return FAILURES.has(event) ? [{ at: moment, kind: "failure" }] : [];
  });
}

/** The consent forecast: each run to come, with the access that lasts until then, or without it. end: that of the access. */
export function forecastOf(runs: readonly number[], status: Grant["status"], end: number | undefined): readonly Mark[] {
  const lasts = (at: number) => status === "active" && (end === undefined || at <= end);
  return runs.map((at) => ({ at, kind: lasts(at) ? "run" : "broken" }));
}

/** Moments with a label under the axis: round ones in the person's zone, some five of them. */
export function roundMoments(axis: Axis): readonly number[] {
  const step = [5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY, 2 * DAY, 7 * DAY].find((size) => (axis.to - axis.from) / size <= 7) ?? 14 * DAY;
  const zone = new Date(axis.now).getTimezoneOffset() * MINUTE;
  const first = Math.ceil((axis.from - zone) / step) * step + zone;
  const moments: number[] = [];
  for (let at = first; at < axis.to; at += step) moments.push(at);
  return moments;
}

/** When a grant that is over was: its last sign of life. */
function lastOf({ lastUsedAt, lastRefreshedAt, activatedAt, createdAt }: Grant, marks: readonly Mark[], axis: Axis): number {
  const known = [lastUsedAt, lastRefreshedAt, activatedAt, createdAt].filter((at) => at !== undefined).map((at) => Date.parse(at));
  return Math.min(axis.now, Math.max(...known, ...marks.map(({ at }) => at).filter((at) => at <= axis.now)));
}

/** Marks closer than a unit are one. */
function distinct(units: readonly number[]): readonly number[] {
  return [...new Set(units.map((unit) => Math.round(unit)))].sort((a, b) => a - b);
}

const clamp = (unit: number): number => Math.min(WIDTH, Math.max(0, Math.round(unit)));
