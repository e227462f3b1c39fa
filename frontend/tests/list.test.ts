import { describe, expect, it } from "vitest";

import { equal, reuse } from "../src/data/reuse";
import { Drafts } from "../src/drafts";
import { addressOf, countsOf, filterOf, readQuery, requestOf, type TaskQuery } from "../src/tasks/query";
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
  const plain: TaskQuery = { filter: "all", text: "", sort: "newest" };

  it("asks the server for a page, its filter, its order and the counts", () => {
    expect(requestOf(plain)).toEqual({ sort: "-createdAt", limit: 100, counts: true, lastRuns: true });
    expect(requestOf({ ...plain, filter: "running", text: " report ", sort: "nameDown", after: "c1" })).toEqual({
      status: "running,queued,waiting", search: "report", cursor: "c1", sort: "-name", limit: 100, counts: true, lastRuns: true,
    });
    expect(requestOf({ ...plain, filter: "needsYou" })).toMatchObject({ needsConsent: true });
    expect(requestOf({ ...plain, filter: "scheduled" })).toMatchObject({ schedule: "standing" });
  });

  it("gives a batch the same filter", () => {
    expect(filterOf({ ...plain, filter: "failed", text: "report" })).toEqual({ status: ["failed"], search: "report" });
    expect(filterOf(plain)).toEqual({});
  });

  it("is counted by the server", () => {
    const counts = { total: 10, pending: 1, waiting: 1, queued: 1, running: 2, completed: 3, failed: 1, cancelled: 1, needsConsent: 2, scheduled: 4 };
    expect(countsOf(counts)).toEqual({ all: 10, needsYou: 2, running: 4, failed: 1, done: 3, scheduled: 4 });
  });

  it("has an address that says the same, and ignores what it does not know", () => {
    for (const query of [plain, { filter: "failed", text: "a & b", sort: "name", after: "c_1-x" } as const]) {
      expect(readQuery(new URL(addressOf(query), "https://tasks.example").searchParams)).toEqual(query);
    }
    expect(readQuery(new URLSearchParams("status=<b>&sort=x&after="))).toEqual(plain);
    expect(readQuery(new URLSearchParams("q=a%00b%0Ac")).text).toBe("a b c");
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
