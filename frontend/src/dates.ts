/** Times as people read them. All input is RFC 3339, all output is in the person's own zone and in the page's language. */
import { t } from "./texts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const made = new Map<string, Intl.DateTimeFormat>();

/** "12:36" today · "Yesterday, 09:05" · "18 Jan 2025, 12:00"; an em dash for what is no time. */
export function timestamp(iso: string, now: number, locale?: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return "—";
  const clock = format(locale, { timeStyle: "short" }).format(time);
  if (sameDay(time, new Date(now))) return t("time.today", { clock });
  if (sameDay(time, new Date(now - DAY))) return t("time.yesterday", { clock });
  if (sameDay(time, new Date(now + DAY))) return t("time.tomorrow", { clock });
  return format(locale, { dateStyle: "medium", timeStyle: "short" }).format(time);
}

/** "18 Jan 2025, 12:00", whatever today is. */
export function moment(iso: string, locale?: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? "—" : format(locale, { dateStyle: "medium", timeStyle: "short" }).format(time);
}

/** To the second, with the zone. */
export function exact(iso: string, locale?: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? "—" : format(locale, { dateStyle: "full", timeStyle: "long" }).format(time);
}

/** "2 minutes ago", "in 3 days". */
export function relative(iso: string, now: number, locale?: string): string {
  const away = Date.parse(iso) - now;
  if (Number.isNaN(away)) return "—";
  const size = Math.abs(away);
  const words = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  if (size < 10 * SECOND) return t("time.now");
  if (size < 55 * SECOND) return words.format(Math.round(away / (10 * SECOND)) * 10, "second");
  if (size < HOUR) return words.format(Math.round(away / MINUTE) || Math.sign(away), "minute");
  if (size < DAY) return words.format(Math.round(away / HOUR), "hour");
  return words.format(Math.round(away / DAY), "day");
}

/** "10 s" · "2 min 5 s" · "1 h 3 min"; undefined unless both times are known and in order. */
export function duration(from: string | undefined, to: string | undefined): string | undefined {
  if (from === undefined || to === undefined) return undefined;
  const seconds = (Date.parse(to) - Date.parse(from)) / SECOND;
  return Number.isNaN(seconds) || seconds < -0.5 ? undefined : length(seconds);
}

/** "10 s" · "2 min 5 s" · "1 h 3 min", for whole seconds. */
export function length(exactly: number): string {
  const seconds = Math.max(0, Math.round(exactly));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return join(minutes, "min", seconds % 60, "s");
  return join(Math.floor(minutes / 60), "h", minutes % 60, "min");
}

export function format(locale: string | undefined, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale ?? ""} ${JSON.stringify(options)}`;
  const known = made.get(key) ?? new Intl.DateTimeFormat(locale, options);
  made.set(key, known);
  return known;
}

function join(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

function sameDay(a: Date, b: Date): boolean {
  return a.toDateString() === b.toDateString();
}
