import { describe, expect, it } from "vitest";

import { cronWords } from "../src/tasks/cronWords";
import { readTask } from "../src/tasks/form";
import { nextRuns } from "../src/tasks/nextRuns";
import { scheduleBadge } from "../src/tasks/Schedule";
import { speak } from "../src/texts";

const FROM = new Date("2026-03-27T00:00:00Z");
const iso = (runs: readonly Date[]) => runs.map((run) => run.toISOString());

describe("the next runs of a cron expression", () => {
  it("are read in the time zone, before and after the clocks change", () => {
    expect(iso(nextRuns("30 6 * * *", "Europe/Berlin", 3, FROM)))
      .toEqual(["2026-03-27T05:30:00.000Z", "2026-03-28T05:30:00.000Z", "2026-03-29T04:30:00.000Z"]);
  });

  it("know names and the last day of a month", () => {
    expect(iso(nextRuns("0 8 * * MON", "UTC", 1, FROM))).toEqual(["2026-03-30T08:00:00.000Z"]);
    expect(iso(nextRuns("0 8 L * *", "UTC", 1, FROM))).toEqual(["2026-03-31T08:00:00.000Z"]);
  });

  it.each([["every day", "UTC"], ["0 0 0 * * *", "UTC"], ["61 * * * *", "UTC"], ["0 8 * * *", "Nowhere/City"]])(
    "%s in %s has none", (cron, timezone) => expect(() => nextRuns(cron, timezone, 5, FROM)).toThrow());
});

describe("the schedule in the form", () => {
  it("is once at a time in the person's zone, or cron in a named one", () => {
    const once = readTask({ name: "Report", when: "once", runAt: "2027-01-01T08:00" });
    expect(once).toMatchObject({ task: { schedule: { runAt: new Date(2027, 0, 1, 8).toISOString() } } });
    expect(readTask({ name: "Report", when: "cron", cron: " 30 6 * * MON-FRI ", timezone: "Europe/Berlin" }))
      .toMatchObject({ task: { schedule: { cron: "30 6 * * MON-FRI", timezone: "Europe/Berlin" } } });
    expect(readTask({ name: "Report", when: "" })).toEqual({ task: { name: "Report", description: "" } });
  });

  it.each([[{ when: "once", runAt: "" }, "runAt"], [{ when: "cron", cron: "daily" }, "cron"]])("%j is refused at %s", (fields, wrong) => {
    const read = readTask({ name: "Report", ...fields });
    expect("errors" in read && Object.keys(read.errors)).toEqual([wrong]);
  });
});

describe("a schedule", () => {
  it("that has stopped is a failure to look at", () => {
    expect(scheduleBadge("stopped")).toMatchObject({ label: "Stopped", tone: "red" });
  });
});

describe("a cron expression in words", () => {
  it.each([
    ["30 7 * * MON-FRI", "every weekday at 07:30", "von Montag bis Freitag um 07:30"],
    ["30 7 * * 1-5", "every weekday at 07:30", "von Montag bis Freitag um 07:30"],
    ["0 8,20 * * *", "every day at 08:00 and 20:00", "jeden Tag um 08:00 und 20:00"],
    ["0 8 * * 0-6", "every day at 08:00", "jeden Tag um 08:00"],
    ["15 9 * * sun,wed", "every Wednesday and Sunday at 09:15", "jeden Mittwoch und Sonntag um 09:15"],
    ["0 6 1,15 * *", "on day 1 and 15 of the month at 06:00", "am 1. und 15. des Monats um 06:00"],
    ["0 6 L 3,jun *", "on the last day of the month at 06:00, in March and June", "am letzten Tag des Monats um 06:00, im März und Juni"],
    ["*/15 * * * *", "every 15 minutes", "alle 15 Minuten"],
    ["* * * * 7", "every minute, every Sunday", "jede Minute, jeden Sonntag"],
    ["5 */6 * * *", "every 6 hours, at minute 5", "alle 6 Stunden, zur Minute 5"],
  ])("%s is “%s”", async (cron, english, german) => {
    expect(cronWords(cron)).toBe(english);
    await speak("de");
    expect(cronWords(cron)).toBe(german);
    await speak("en");
  });

  it.each(["*/7 * * * *", "0 8 1 * MON", "0-30 8-18 * * *", "61 8 * * *", "0 8 * * FRI-MON", "0 8 * * 1#2", "0 8 1-2-3 * *", "@daily", ""])(
    "%s has no short sentence: the next runs tell", (cron) => expect(cronWords(cron)).toBeUndefined());
});
