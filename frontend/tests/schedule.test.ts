import { describe, expect, it } from "vitest";

import { readTask } from "../src/tasks/form";
import { nextRuns } from "../src/tasks/nextRuns";
import { scheduleBadge } from "../src/tasks/Schedule";

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
