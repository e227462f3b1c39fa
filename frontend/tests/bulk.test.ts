import { beforeEach, describe, expect, it } from "vitest";

import { Api } from "../src/api/client";
import type { App } from "../src/app";
import type { Bulk } from "../src/rows";
import { runBulk } from "../src/tasks/bulk";
import { scripted, task } from "./stand-ins";
import { refused, wired } from "./wired";

const BATCH = "POST /api/tasks/batch";

let page: ReturnType<typeof wired>;
let sent: Record<string, unknown>[];
let steps: unknown[];

beforeEach(() => {
  sent = [];
  steps = [];
});

/** The page over a service that answers with one step after the other. */
function serve(...answers: unknown[]): App {
  page = wired({});
  const api = new Api(async (request) => {
    sent.push(JSON.parse(await request.clone().text()) as Record<string, unknown>);
    return scripted({ [BATCH]: answers[sent.length - 1] }, [])(request);
  });
  page.rows.bulk.subscribe((bulk: Bulk | undefined) => bulk && steps.push([bulk.done, bulk.most]));
  return { ...page, api } as unknown as App;
}

const done = (...ids: string[]) => ids.map((id) => ({ id, status: "deleted" }));
const many = Array.from({ length: 150 }, (_, number) => `task-${number}`);

describe("an action on many tasks", () => {
  it("is sent by the hundred, and says how far it is", async () => {
    const app = serve({ results: done(...many.slice(0, 100)) }, { results: done(...many.slice(100)) });
    expect(await runBulk(app, "delete", { ids: many })).toBe(true);
    expect(sent.map(({ ids }) => (ids as string[]).length)).toEqual([100, 50]);
    expect(steps).toEqual([[0, 150], [100, 150], [150, 150]]);
    expect(page.rows.bulk.value).toBeUndefined();
    expect(page.toasts.shown.value[0]?.title).toBe("150 tasks were deleted.");
  });

  it("by filter goes on with the server's cursor to the end", async () => {
    const app = serve({ results: done("task-1"), nextCursor: "c1", remaining: 7 }, { results: done("task-2") });
    await runBulk(app, "delete", { filter: { status: ["failed"] } });
    expect(sent).toEqual([
      { action: "delete", reason: "", limit: 100, filter: { status: ["failed"] } },
      { action: "delete", reason: "", limit: 100, filter: { status: ["failed"] }, cursor: "c1" },
    ]);
    expect(steps).toEqual([[0, undefined], [1, 8], [2, 2]]);
  });

  it("tells why some tasks stay as they were: in their rows, and in all", async () => {
    const problem = { title: "Conflict", status: 409, code: "task_not_executable", detail: "It is running." };
    const app = serve({ results: [{ id: "task-1", status: "needs_consent" }, { id: "task-2", problem }, { id: "task-3", status: "executing" }] });
    page.store.rows.value = [task()];
    expect(await runBulk(app, "execute", { ids: ["task-1", "task-2", "task-3"] })).toBe(false);
    expect(page.troubles.rows.value.get("task-1")?.title).toBe("Task needs offline token. Please request consent first.");
    expect(page.troubles.rows.value.has("task-2")).toBe(true);
    expect(page.troubles.others.value[0]?.title).toBe("2 tasks stay as they were");
    expect(page.toasts.shown.value[0]?.title).toBe("1 task is now running.");
  });

  it("tells the most frequent of a thousand reasons, and counts the others", async () => {
    const because = (number: number) => ({ title: `Reason ${number}.`, status: 409, code: `c${number}` });
    const results = Array.from({ length: 1000 }, (_, number) => ({ id: `task-${number}`, problem: because(Math.min(number, 990)) }));
    expect(await runBulk(serve({ results }), "execute", { filter: {} })).toBe(false);
    const [told] = page.troubles.others.value;
    expect(told?.title).toBe("1,000 tasks stay as they were");
    expect(told?.text).toBe("10 × Reason 990 · 1 × Reason 0 · 1 × Reason 1 · 1 × Reason 2 · 1 × Reason 3 · 986 other reasons.");
  });

  it("stops when the person says so, and can go on", async () => {
    const app = serve({ results: done("task-1"), nextCursor: "c1", remaining: 7 }, { results: done("task-2") });
    let stopped = false;
    page.rows.bulk.subscribe((bulk) => {
      if (bulk?.done !== 1 || stopped) return;
      stopped = true;
      page.rows.bulk.value = { ...bulk, stop: true };
    });
    await runBulk(app, "delete", { filter: {} });
    expect(sent).toHaveLength(1);
    const [said] = page.troubles.others.value;
    expect(said?.title).toContain("You have stopped it");
    said?.action?.run();
    await expect.poll(() => sent[1]?.cursor).toBe("c1");
  });

  it("that is interrupted says how it ended, and goes on where it was", async () => {
    const app = serve({ results: done("task-1"), nextCursor: "c1", remaining: 7 }, refused("storage_unavailable", 503), { results: done("task-2") });
    await runBulk(app, "delete", { filter: {} });
    const [said] = page.troubles.others.value;
    expect(said?.title).toBe("It ended before all tasks were done");
    said?.action?.run();
    await expect.poll(() => sent[2]?.cursor).toBe("c1");
  });

  it("is one at a time", async () => {
    const app = serve({ results: done("task-1") });
    await Promise.all([runBulk(app, "delete", { ids: ["task-1"] }), runBulk(app, "delete", { ids: ["task-1"] })]);
    expect(sent).toHaveLength(1);
  });
});
