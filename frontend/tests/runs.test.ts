import { beforeEach, describe, expect, it } from "vitest";

import { Api } from "../src/api/client";
import type { LogLine, Run, RunRecord } from "../src/api/types";
import { linesOf, RunHistory } from "../src/tasks/history";
import { attemptBadge, barsOf, linesFrom, longestOf, runBadge } from "../src/tasks/runs";
import { refused } from "./wired";
import { scripted } from "./stand-ins";

const AT = (second: number) => new Date(Date.UTC(2025, 0, 18, 12, 0, second)).toISOString();
const run = (changes: Partial<Run> = {}): Run => ({ number: 1, cause: "user", status: "completed", createdAt: AT(0), failures: 0, crashes: 0, startedAt: AT(2), completedAt: AT(10), ...changes });
const line = (n: number, level: LogLine["level"] = "info"): LogLine => ({ attempt: 1, at: AT(n), level, message: `Line ${n}` });
const record = (changes: Partial<RunRecord> = {}): RunRecord => ({ ...run(), attempts: [], log: [], ...changes }) as RunRecord;

let answers: Record<string, unknown>;
let calls: string[];
let history: RunHistory;

beforeEach(() => {
  answers = {};
  calls = [];
  history = new RunHistory(new Api(scripted(answers, calls)));
});

const RUNS = "GET /api/tasks/t/runs";
const LOG = (after: number) => `GET /api/tasks/t/runs/1?logAfter=${after}`;

describe("the runs of a task", () => {
  it("are the latest page, to which older ones are added and stay", async () => {
    answers[RUNS] = { runs: [run({ number: 3 }), run({ number: 2 })], next: 2 };
    answers[`${RUNS}?before=2`] = { runs: [run({ number: 1 })] };
    await history.refresh("t");
    await history.older("t");
    answers[RUNS] = { runs: [run({ number: 4, status: "running" }), run({ number: 3 })], next: 3 };
    await history.refresh("t");
    expect(history.runsOf("t")?.runs.map(({ number }) => number)).toEqual([4, 3, 2, 1]);
    expect(history.runsOf("t")?.next).toBeUndefined();
  });

  it("keep their objects while they are equal", async () => {
    answers[RUNS] = { runs: [run()] };
    await history.refresh("t");
    const before = history.runsOf("t")?.runs;
    await history.refresh("t");
    expect(history.runsOf("t")?.runs).toBe(before);
  });

  it("that could not be loaded say so until they are", async () => {
    answers[RUNS] = refused("service_unavailable", 503);
    await history.refresh("t");
    expect(history.hasFailed("t")).toBe(true);
    answers[RUNS] = { runs: [] };
    await history.refresh("t");
    expect(history.hasFailed("t")).toBe(false);
  });

  it("are asked for by one request at a time, and once more when asked meanwhile", async () => {
    answers[RUNS] = { runs: [] };
    await Promise.all([history.refresh("t"), history.refresh("t"), history.refresh("t")]);
    expect(calls).toEqual([RUNS, RUNS]);
  });

  it("of the person before are not kept, also when their answer comes late", async () => {
    answers[RUNS] = { runs: [run()] };
    const late = history.refresh("t");
    history.forget();
    await late;
    expect(history.runsOf("t")).toBeUndefined();
  });
});

describe("the log of a run", () => {
  it("grows by pages, and its last page is asked for again", async () => {
    answers[LOG(0)] = record({ log: [line(1), line(2)], logNext: 2 });
    answers[LOG(2)] = record({ log: [line(3)] });
    await history.refreshRun("t", 1);
    await history.moreLog("t", 1);
    answers[LOG(2)] = record({ log: [line(3), line(4)] });
    await history.refreshRun("t", 1);
    const open = history.run("t", 1);
    expect(open && linesOf(open).map(({ message }) => message)).toEqual(["Line 1", "Line 2", "Line 3", "Line 4"]);
    expect(calls).toEqual([LOG(0), LOG(2), LOG(2)]);
  });

  it("is shown from a level on", () => {
    const lines = [line(1, "debug"), line(2), line(3, "warning"), line(4, "error")];
    expect(linesFrom(lines, "debug")).toHaveLength(4);
    expect(linesFrom(lines, "warning").map(({ level }) => level)).toEqual(["warning", "error"]);
  });
});

describe("the bars of a run", () => {
  const now = Date.parse(AT(20));

  it("share an axis as long as the longest run", () => {
    expect(longestOf([run(), run({ status: "running", completedAt: null })], now)).toBe(20_000);
    expect(longestOf([run({ completedAt: AT(0), startedAt: AT(0) })], now)).toBe(1_000);
  });

  it("show the wait and the work of a closed run", () => {
    expect(barsOf(run(), undefined, 20_000, now)).toEqual([{ from: 0, to: 50, kind: "wait" }, { from: 10, to: 50, kind: "completed" }]);
  });

  it("show each attempt of an open run, the pauses between them as waiting", () => {
    const attempt = { persistentTokenId: "p1", requestId: "r", queuedAt: AT(0) };
    const attempts = [{ ...attempt, attempt: 2, startedAt: AT(10) }, { ...attempt, attempt: 1, startedAt: AT(2), endedAt: AT(4), outcome: "failed" as const }];
    expect(barsOf(run({ status: "running", completedAt: null }), attempts as RunRecord["attempts"], 20_000, now)).toEqual([
      { from: 0, to: 100, kind: "wait" }, { from: 10, to: 20, kind: "failed" }, { from: 50, to: 100, kind: "running" },
    ]);
  });

  it("stay on the axis when clocks disagree", () => {
    const [wait] = barsOf(run({ status: "running", completedAt: null }), undefined, 1_000, Date.parse(AT(-3600)));
    expect(wait).toEqual({ from: 0, to: 0, kind: "wait" });
  });
});

describe("badges", () => {
  it("tell a run that waits for its next attempt from one that waits for others", () => {
    expect(runBadge(run({ status: "waiting", waitReason: "retry" }))).toEqual({ label: "Retrying", tone: "yellow", icon: "again" });
    expect(runBadge(run({ status: "waiting", waitReason: "dependency" }))).toEqual({ label: "Waiting", tone: "purple", icon: "dot" });
  });

  it.each([["crashed", "Worker died", "red"], ["requeued", "Handed over", "yellow"], ["token_failed", "Token refused", "red"]] as const)(
    "say how an attempt ended: %s", (outcome, label, tone) => expect(attemptBadge(outcome, true)).toMatchObject({ label, tone }));

  it("tell an attempt that is under way from one that waits for a worker", () => {
    expect(attemptBadge(undefined, true).label).toBe("Running");
    expect(attemptBadge(undefined, false).label).toBe("Queued");
  });
});
