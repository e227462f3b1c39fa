/** Times as people read them. All input is RFC 3339, all output is in the person's own zone and language. */

const DAY = 24 * 60 * 60 * 1000;

/** "Today, 12:36:29" · "Yesterday, 09:05:00" · "18 Jan 2025, 12:00"; an em dash for what is no time. */
export function timestamp(iso: string, now: number, locale?: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return "—";
  const clock = new Intl.DateTimeFormat(locale, { timeStyle: "medium" }).format(time);
  if (sameDay(time, new Date(now))) return `Today, ${clock}`;
  if (sameDay(time, new Date(now - DAY))) return `Yesterday, ${clock}`;
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(time);
}

/** "10 s" · "2 min 5 s" · "1 h 3 min"; undefined unless both times are known and in order. */
export function duration(from: string | undefined, to: string | undefined): string | undefined {
  if (from === undefined || to === undefined) return undefined;
  const seconds = Math.round((Date.parse(to) - Date.parse(from)) / 1000);
  if (Number.isNaN(seconds) || seconds < 0) return undefined;
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return join(minutes, "min", seconds % 60, "s");
  return join(Math.floor(minutes / 60), "h", minutes % 60, "min");
}

function join(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

function sameDay(a: Date, b: Date): boolean {
  return a.toDateString() === b.toDateString();
}
