import { describe, expect, it } from "vitest";

import { equal, reuse } from "../src/data/reuse";
import { Drafts } from "../src/drafts";
import { addressOf, readQuery, select, type TaskQuery } from "../src/tasks/query";
import { FakeStorage, task } from "./stand-ins";

const id = (row: { id: string }) => row.id;

describe("rows that are equal", () => {
  it("keep their objects, and the list too when all are", () => {
    const before = [task(), task({ id: "task-2" })];
    expect(reuse(before, structuredClone(before), id)).toBe(before);
    const after = reuse(before, [task(), task({ id: "task-2", progress: 10 })], id);
    expect(after[0]).toBe(before[0]);
    expect(after[1]).not.toBe(before[1]);
  });

  it("are a new list in another order", () => {
    const before = [task(), task({ id: "task-2" })];
    expect(reuse(before, [...before].reverse(), id).map(id)).toEqual(["task-2", "task-1"]);
  });

  it("are compared by all that they have", () => {
    expect(equal({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] })).toBe(true);
    expect(equal({ a: 1 }, { a: 1, b: undefined })).toBe(false);
    expect(equal([1], [1, 2])).toBe(false);
    expect(equal(null, {})).toBe(false);
  });
});

describe("the list of tasks", () => {
  const all = [
    task({ id: "task-1", name: "Report 10", status: "completed", createdAt: "2025-01-03T00:00:00Z" }),
    task({ id: "task-2", name: "Report 9", status: "running", offlineTokenStatus: "active", createdAt: "2025-01-02T00:00:00Z" }),
    task({ id: "task-3", name: "Export", description: "the report", createdAt: "2025-01-01T00:00:00Z" }),
  ];
  const plain: TaskQuery = { filter: "all", text: "", sort: "newest" };
  const ids = (query: Partial<TaskQuery>) => select(all, { ...plain, ...query }).tasks.map(id);

  it("is the server's own, untouched, by default", () => expect(select(all, plain).tasks).toBe(all));

  it("is filtered by what matters, and counts it", () => {
    expect(ids({ filter: "needsYou" })).toEqual(["task-3"]);
    expect(ids({ filter: "done" })).toEqual(["task-1"]);
    expect(select(all, plain).counts).toEqual({ all: 3, needsYou: 1, running: 1, failed: 0, done: 1, scheduled: 0 });
  });

  it("is searched in names and descriptions, and the counts follow", () => {
    expect(ids({ text: " REPORT " })).toEqual(["task-1", "task-2", "task-3"]);
    expect(select(all, { ...plain, text: "report 9" }).counts.all).toBe(1);
  });

  it("is sorted by age, by name as people count, and by status", () => {
    expect(ids({ sort: "oldest" })).toEqual(["task-3", "task-2", "task-1"]);
    expect(ids({ sort: "name" })).toEqual(["task-3", "task-2", "task-1"]);
    expect(ids({ sort: "status" })).toEqual(["task-2", "task-3", "task-1"]);
  });

  it("has an address that says the same, and ignores what it does not know", () => {
    for (const query of [plain, { filter: "failed", text: "a & b", sort: "name" } as const]) {
      expect(readQuery(new URL(addressOf(query), "https://tasks.example").searchParams)).toEqual(query);
    }
    expect(readQuery(new URLSearchParams("status=<b>&sort=x"))).toEqual(plain);
  });
});

describe("a draft", () => {
  it("is its author's, and nobody else's", () => {
    const storage = new FakeStorage();
    new Drafts(storage).keep("alice", { name: "Half", description: "" });
    expect(new Drafts(storage).of("alice")).toMatchObject({ name: "Half" });
    expect(new Drafts(storage).of("bob")).toBeUndefined();
    expect(storage.length).toBe(0);
  });

  it("is gone once it was sent", () => {
    const storage = new FakeStorage();
    new Drafts(storage).keep("alice", { name: "Half", description: "" });
    new Drafts(storage).keep("alice", { name: "", description: "" });
    expect(storage.length).toBe(0);
  });
});
