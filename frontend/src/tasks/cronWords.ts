/** A cron expression in words: "every weekday at 07:30". Only what can be said in one clear sentence. */
import { language, t } from "../texts/later";

const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
/** More clock times than these are no sentence any more. */
const MOST_TIMES = 4;

/** The rule in the page's language; undefined when its five fields have no short sentence: the next runs tell then. */
export function cronWords(cron: string): string | undefined {
  const fields = cron.trim().toUpperCase().split(/\s+/);
  const [minute, hour, date, month, day] = fields;
  if (fields.length !== 5 || minute === undefined || hour === undefined || date === undefined || month === undefined || day === undefined) return undefined;
  const days = daysOf(date, day);
  const rule = days && ruleOf(minute, hour, days);
  if (rule === undefined || month === "*") return rule;
  const months = valuesOf(month, 1, 12, MONTHS)?.map((number) => nameOf(new Date(Date.UTC(2023, number - 1, 1)), "month"));
  return months && t("cron.in", { rule, months: listed(months) });
}

/** The days, and whether they are all days. A rule for both dates and days of the week is no short sentence. */
function daysOf(date: string, day: string): { words: string; every: boolean } | undefined {
  if (date === "*" && day === "*") return { words: t("cron.daily"), every: true };
  if (date === "*") {
    const values = valuesOf(day, 0, 7, DAYS)?.map((number) => number % 7);
    const numbers = values && [...new Set(values)].sort((a, b) => ((a + 6) % 7) - ((b + 6) % 7));
    if (numbers === undefined) return undefined;
    if (numbers.length === 7) return { words: t("cron.daily"), every: true };
    if (numbers.join() === "1,2,3,4,5") return { words: t("cron.weekdays"), every: false };
    return { words: t("cron.days", { days: listed(numbers.map((number) => nameOf(new Date(Date.UTC(2023, 0, 1 + number)), "weekday"))) }), every: false };
  }
  if (day !== "*") return undefined;
  if (date === "L") return { words: t("cron.lastDay"), every: false };
  const dates = valuesOf(date, 1, 31, []);
  return dates && { words: t("cron.dates", { dates: listed(dates.map((number) => t("cron.date", { number: String(number) }))) }), every: false };
}

function ruleOf(minute: string, hour: string, days: { words: string; every: boolean }): string | undefined {
  const often = intervalOf(minute, hour);
  if (often !== undefined) return days.every ? often : t("cron.on", { rule: often, days: days.words });
  const minutes = valuesOf(minute, 0, 59, []);
  const hours = valuesOf(hour, 0, 23, []);
  if (minutes === undefined || hours === undefined || minutes.length * hours.length > MOST_TIMES) return undefined;
  const two = (number: number) => String(number).padStart(2, "0");
  return t("cron.at", { days: days.words, times: listed(hours.flatMap((one) => minutes.map((other) => `${two(one)}:${two(other)}`))) });
}

/** Every so many minutes or hours, when they divide the hour or the day: else the pauses are not equal. */
function intervalOf(minute: string, hour: string): string | undefined {
  const minutes = stepOf(minute, 60);
  if (minutes !== undefined) return hour === "*" ? t("cron.minutes", { count: minutes }) : undefined;
  const hours = stepOf(hour, 24);
  const [at, ...more] = valuesOf(minute, 0, 59, []) ?? [];
  return hours === undefined || at === undefined || more.length > 0 ? undefined : t("cron.hours", { count: hours, minute: String(at) });
}

function stepOf(field: string, whole: number): number | undefined {
  const step = field === "*" ? 1 : Number(/^\*\/(\d+)$/.exec(field)?.[1]);
  return step > 0 && step < whole && whole % step === 0 ? step : undefined;
}

/** The values of a list of numbers, names and ranges, ascending; undefined for anything else. */
function valuesOf(field: string, least: number, most: number, names: readonly string[]): readonly number[] | undefined {
  const read = (word: string) => (names.includes(word) ? names.indexOf(word) + (names === MONTHS ? 1 : 0) : /^\d+$/.test(word) ? Number(word) : NaN);
  const values = new Set<number>();
  for (const part of field.split(",")) {
    const [from = NaN, to = from, ...rest] = part.split("-").map(read);
    if (!(from >= least && from <= to && to <= most) || rest.length > 0) return undefined;
    for (let value = from; value <= to; value += 1) values.add(value);
  }
  return [...values].sort((a, b) => a - b);
}

const nameOf = (at: Date, what: "weekday" | "month"): string => new Intl.DateTimeFormat(language.value, { [what]: "long", timeZone: "UTC" }).format(at);
const listed = (words: readonly string[]): string => new Intl.ListFormat(language.value).format(words);
