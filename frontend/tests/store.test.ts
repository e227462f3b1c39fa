import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Api } from "../src/api/client";
import { Status } from "../src/status";
import { addressOf, type TaskQuery } from "../src/tasks/query";
import { TaskStore } from "../src/tasks/store";
import { json, scripted, task } from "./stand-ins";

const LIST = "GET /api/tasks?sort=-createdAt&limit=100&counts=true&lastRuns=true";
const LINKED = "GET /api/tasks?limit=1000";
const plain: TaskQuery = { filter: "all", text: "", sort: "newest" };
const counts = { total: 200, pending: 200, waiting: 0, queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0, needsConsent: 200, scheduled: 0 };

let answers: Record<string, unknown>;
let calls: string[];
let status: Status;
let store: TaskStore;

beforeEach(() => {
  vi.useFakeTimers();
  calls = [];
  answers = {
    [LIST]: { tasks: [task({ id: "task-1" }), task({ id: "task-2" })], nextCursor: "c1", counts },
    [`GET /api/tasks?cursor=c1&sort=-createdAt&limit=100&counts=true&lastRuns=true`]: { tasks: [task({ id: "task-3" })], counts },
    [LINKED]: { tasks: [task({ id: "task-1", persistentTokenId: "p1" })], nextCursor: "c9" },
    "GET /api/tasks/task-2": task({ id: "task-2", name: "Alone" }),
    "GET /api/tasks/task-9": json(404, { title: "Not found", status: 404, code: "task_not_found" }),
  };
  status = new Status();
  store = new TaskStore(new Api(scripted(answers, calls)), status);
});

afterEach(() => {
  store.forget();
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(10);
const ids = () => store.rows.value?.map(({ id }) => id);

describe("the tasks in sight", () => {
  it("are not asked for before a page shows them", async () => {
    store.watch();
    await settle();
    expect(calls).toEqual([LINKED]);
    expect(store.linked.complete).toBe(false);
  });

  it("are the page that is shown, and nothing else is asked for again and again", async () => {
    store.watch();
    store.show({ list: plain });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(ids()).toEqual(["task-1", "task-2"]);
    expect(store.counts.value?.total).toBe(200);
    expect(calls.filter((call) => call === LIST).length).toBeGreaterThan(3);
    expect(calls.filter((call) => call === LINKED)).toHaveLength(1);
  });

  it("are no list while those of a single task are still there", async () => {
    store.watch();
    store.show({ taskId: "task-2" });
    await settle();
    expect(store.rows.value).toHaveLength(1);
    expect(store.listed).toBeUndefined();
    store.show({ list: plain });
    await settle();
    expect(store.listed).toHaveLength(2);
  });

  it("keep what only a list tells of them when their own answers come between", async () => {
    answers[LIST] = { tasks: [task({ id: "task-2", lastRuns: ["failed", "completed"] })], counts };
    store.watch();
    store.show({ list: plain });
    await settle();
    answers[LIST] = new Error("no answer");
    store.put(task({ id: "task-2", name: "Linked" }));
    expect(store.find("task-2")).toMatchObject({ name: "Linked", lastRuns: ["failed", "completed"] });
    store.put(task({ id: "task-4" }));
    expect(store.find("task-4")).not.toHaveProperty("lastRuns");
  });

  it("stay until those of the next page are there, which is not told as news", async () => {
    store.watch();
    store.show({ list: plain });
    await settle();
    store.show({ list: { ...plain, after: "c1" } });
    expect([ids(), store.late.value]).toEqual([["task-1", "task-2"], true]);
    await settle();
    expect([ids(), store.late.value, store.next.value]).toEqual([["task-3"], false, undefined]);
    expect(status.text.value).toBe("");
    expect(store.pageBefore("c1")).toBe("");
    expect(store.pageBefore("from elsewhere")).toBeUndefined();
  });

  it("begin anew when a cursor does not hold", async () => {
    const lost = addressOf({ ...plain, after: "old" });
    expect(lost).toBe("/tasks?after=old");
    answers["GET /api/tasks?cursor=old&sort=-createdAt&limit=100&counts=true&lastRuns=true"] = json(422, { title: "No", status: 422, code: "cursor_invalid" });
    store.watch();
    store.show({ list: { ...plain, after: "old" } });
    await settle();
    expect(ids()).toEqual(["task-1", "task-2"]);
  });

  it("are one, on the page of a task: known at once, and gone when the server says so", async () => {
    store.watch();
    store.show({ list: plain });
    await settle();
    store.show({ taskId: "task-2" });
    expect(ids()).toEqual(["task-2"]);
    await settle();
    expect(store.rows.value?.[0]?.name).toBe("Alone");
    store.show({ taskId: "task-9" });
    expect(store.rows.value).toBeUndefined();
    await settle();
    expect(store.rows.value).toEqual([]);
  });

  it("have a new task at the top of the plain list only", async () => {
    store.watch();
    store.show({ list: plain });
    await settle();
    store.put(task({ id: "task-4" }));
    expect(ids()).toEqual(["task-4", "task-1", "task-2"]);
    store.show({ list: { ...plain, filter: "failed" } });
    store.put(task({ id: "task-5" }));
    expect(ids()).not.toContain("task-5");
    expect(store.isOnTop).toBe(false);
  });

  it("are forgotten with their person", async () => {
    store.watch();
    store.show({ list: plain });
    await settle();
    store.forget();
    expect([store.rows.value, store.counts.value, store.next.value, store.linked.rows.value]).toEqual([undefined, undefined, undefined, undefined]);
    store.watch();
    store.show({ list: plain });
    await settle();
    expect(ids()).toEqual(["task-1", "task-2"]);
  });
});

describe("a task that is not in sight", () => {
  it("is asked for when it is needed", async () => {
    expect((await store.reach("task-2"))?.name).toBe("Alone");
    expect(await store.reach("task-9")).toBeUndefined();
  });
});

describe("the users of grants", () => {
  it("are asked of the server, for a few grants at once", async () => {
    answers["GET /api/tasks?persistentTokenId=p1&limit=100"] = { tasks: [task({ id: "task-7" })] };
    expect((await store.usersOf(["p1"]))?.map(({ id }) => id)).toEqual(["task-7"]);
    expect(await store.usersOf(Array.from({ length: 21 }, (_, number) => `p${number}`))).toBeUndefined();
  });
});
