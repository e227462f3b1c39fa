import { describe, expect, it } from "vitest";

import type { TaskStatus, TokenStatus } from "../src/api/types";
import { changes } from "../src/tasks/changes";
import { grantsOnlyUsedBy, viewOf } from "../src/tasks/view";
import { task } from "./stand-ins";

const startable: TaskStatus[] = ["pending", "failed", "cancelled"];
const underWay: TaskStatus[] = ["waiting", "queued", "running"];
const unusable: (TokenStatus | undefined)[] = [undefined, "pending", "failed"];

function withToken(status: TaskStatus, token: TokenStatus | undefined) {
  return task({ status, ...(token && { persistentTokenId: "p1", offlineTokenStatus: token }) });
}

describe("badges (R17, R18)", () => {
  it.each([
    ["pending", "Pending", "gray"],
    ["queued", "Queued", "purple"],
    ["running", "Running", "blue"],
    ["completed", "Completed", "green"],
    ["failed", "Failed", "red"],
    ["cancelled", "Cancelled", "gray"],
  ] as const)("a %s task is “%s” in %s", (status, label, tone) => {
    expect(viewOf(task({ status })).status).toMatchObject({ label, tone });
  });

  it("a completed task has a check mark", () => {
    expect(viewOf(task({ status: "completed" })).status.icon).toBe("check");
  });

  it.each([["pending", "yellow"], ["active", "green"], ["failed", "red"]] as const)("a %s token is %s", (token, tone) => {
    expect(viewOf(withToken("pending", token)).token).toMatchObject({ label: `Token ${token}`, tone });
  });

  it("a state of a later version of the service is shown by its own word", () => {
    expect(viewOf(task({ status: "dreaming" as "pending", offlineTokenStatus: "frozen" as "active" }))).toMatchObject({
      status: { label: "dreaming", tone: "gray" }, token: { label: "frozen", tone: "gray" },
    });
  });

  it("a task without a token has no token badge", () => {
    expect(viewOf(task()).token).toBeUndefined();
  });
});

describe("buttons (R20)", () => {
  it.each(startable.flatMap((status) => unusable.map((token) => [status, token] as const)))(
    "a %s task with token %s offers the request, not the execution", (status, token) => {
      expect(viewOf(withToken(status, token))).toMatchObject({ canRequestToken: true, canExecute: false });
    });

  it.each(startable)("a %s task with an active token offers the execution only", (status) => {
    expect(viewOf(withToken(status, "active"))).toMatchObject({ canRequestToken: false, canExecute: true });
  });

  it.each(unusable)("a completed task with token %s offers the request, so that it can be run again", (token) => {
    expect(viewOf(withToken("completed", token))).toMatchObject({ canRequestToken: true, canExecute: false, canRunAgain: false });
    expect(viewOf(withToken("completed", token)).hint).toBeDefined();
  });

  it("a completed task with an active token is run again, without a button that looks like its first execution", () => {
    expect(viewOf(withToken("completed", "active"))).toMatchObject({ canRequestToken: false, canExecute: false, canRunAgain: true });
  });

  it.each(underWay)("a %s task offers neither", (status) => {
    for (const token of [...unusable, "active"] as const) {
      expect(viewOf(withToken(status, token))).toMatchObject({ canRequestToken: false, canExecute: false });
    }
  });
});

describe("hints (R22)", () => {
  it.each([
    [undefined, "Task needs offline token. Please request consent first."],
    ["pending", "Waiting for user to grant consent"],
    ["failed", "Token request failed. Please try again."],
  ] as const)("with token %s it says “%s”", (token, text) => {
    expect(viewOf(withToken("pending", token)).hint?.text).toBe(text);
  });

  it("says nothing where nothing is missing", () => {
    expect(viewOf(withToken("pending", "active")).hint).toBeUndefined();
    expect(viewOf(withToken("running", "failed")).hint).toBeUndefined();
  });
});

describe("progress and outcome (R19, R21)", () => {
  it("a running task shows whole percent within bounds", () => {
    for (const [progress, shown] of [[40, 40], [undefined, 0], [33.4, 33], [140, 100], [-1, 0]] as const) {
      expect(viewOf(task({ status: "running", ...(progress !== undefined && { progress }) })).progress).toBe(shown);
    }
  });

  it("no other task shows progress", () => {
    expect(viewOf(task({ status: "completed", progress: 100 })).progress).toBeUndefined();
  });

  it("a completed task shows its result in green, a failed one its error in red", () => {
    expect(viewOf(task({ status: "completed", result: "Done" })).outcome).toEqual({ tone: "green", text: "Done" });
    expect(viewOf(task({ status: "failed", error: "Broken" })).outcome).toEqual({ tone: "red", text: "Broken" });
  });

  it("a failed task with a usable token says how to go on", () => {
    const view = viewOf(task({ status: "failed", error: "Broken", offlineTokenStatus: "active" }));
    expect(view.outcome?.advice).toMatch(/execute the task again/);
  });
});

describe("the grants offered for revocation", () => {
  const mine = task({ persistentTokenId: "p1", offlineTokenStatus: "active" });

  it("are those that only the going tasks use", () => {
    const other = task({ id: "task-2", persistentTokenId: "p2", offlineTokenStatus: "active" });
    const sharing = task({ id: "task-3", persistentTokenId: "p1", offlineTokenStatus: "active" });
    expect(grantsOnlyUsedBy([mine], [mine, other])).toEqual(["p1"]);
    expect(grantsOnlyUsedBy([mine], [mine, sharing])).toEqual([]);
    expect(grantsOnlyUsedBy([mine, sharing], [mine, other, sharing])).toEqual(["p1"]);
  });

  it("are none for a task without one, or whose one has failed", () => {
    expect(grantsOnlyUsedBy([task()], [task()])).toEqual([]);
    const failed = task({ persistentTokenId: "p1", offlineTokenStatus: "failed" });
    expect(grantsOnlyUsedBy([failed], [failed])).toEqual([]);
  });
});

describe("what is said of a change", () => {
  it("names new tasks, status and token, and is silent about progress", () => {
    const before = [task(), task({ id: "task-2", name: "Report", status: "running", progress: 10 })];
    const after = [
      task({ id: "task-3", name: "Import" }),
      task({ status: "completed", offlineTokenStatus: "active" }),
      task({ id: "task-2", name: "Report", status: "running", progress: 20 }),
    ];
    expect(changes(before, after)).toEqual([
      "New task: Import",
      "Data Processing completed",
      "Data Processing has an active offline token",
    ]);
  });

  it("tells a change of many tasks as a number", () => {
    const before = Array.from({ length: 10 }, (_, number) => task({ id: `task-${number}` }));
    expect(changes(before, before.map((old) => ({ ...old, status: "queued" })))).toEqual(["10 tasks changed"]);
  });
});

describe("why a task waits, or does not go on", () => {
  it("is the reason of the last attempt and the time of the next", () => {
    const retry = { maxAttempts: 5, backoff: 10, maxBackoff: 600 };
    const view = viewOf(task({ status: "waiting", waitReason: "retry", statusReason: "The vault did not answer.", nextAttemptAt: "2025-01-18T12:01:00Z", retry }));
    expect(view.status).toMatchObject({ label: "Retrying", tone: "yellow" });
    expect(view.note).toEqual({
      tone: "yellow", text: "The last attempt failed; it is tried again, 5 attempts at most.", advice: "The vault did not answer.", nextAttemptAt: "2025-01-18T12:01:00Z",
    });
  });

  it("is what the task waits for", () => {
    expect(viewOf(task({ status: "waiting", waitReason: "dependency" })).note?.text).toBe("Waits for tasks that it depends on.");
    expect(viewOf(task({ status: "queued" })).note?.text).toBe("Waits for a worker.");
  });

  it("is the reason that somebody gave for cancelling", () => {
    expect(viewOf(task({ status: "cancelled", statusReason: "wrong file" })).note?.text).toBe("Cancelled: wrong file");
    expect(viewOf(task({ status: "cancelled" })).note?.text).toBe("Cancelled.");
  });

  it("offers to cancel what is under way, and to run again what is completed and has access", () => {
    const offered = (changes: Parameters<typeof task>[0]) => {
      const { canCancel, canRunAgain } = viewOf(task(changes));
      return [canCancel, canRunAgain];
    };
    for (const status of ["waiting", "queued", "running"] as const) expect(offered({ status })).toEqual([true, false]);
    expect(offered({ status: "completed", offlineTokenStatus: "active" })).toEqual([false, true]);
    expect(offered({ status: "completed", offlineTokenStatus: "failed" })).toEqual([false, false]);
    for (const status of ["pending", "failed", "cancelled"] as const) expect(offered({ status, offlineTokenStatus: "active" })).toEqual([false, false]);
  });
});
