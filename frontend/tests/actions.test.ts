import { beforeEach, describe, expect, it } from "vitest";

import { SessionEnded } from "../src/auth";
import { stateOf } from "../src/tasks/view";
import { task } from "./stand-ins";
import { refused, wired } from "./wired";

const EXECUTE = "POST /api/tasks/task-1/execute";

let answers: Record<string, unknown>;
let page: ReturnType<typeof wired>;

beforeEach(() => {
  answers = { "DELETE /api/tasks/task-1": {}, "DELETE /api/auth/manager/tokens/p1": {} };
  page = wired(answers);
});

const inRow = () => page.troubles.rows.value.get("task-1");

describe("executing", () => {
  it("says what the API says", async () => {
    answers[EXECUTE] = { status: "executing", message: "Task is now running", taskId: "task-1" };
    await page.actions.execute("task-1");
    expect(page.toasts.shown.value[0]?.title).toBe("Task is now running");
    expect(page.status.text.value).toBe("Task is now running");
  });

  it("shows the API's message in the row when the token failed, and offers a new one", async () => {
    const message = "Token request failed. Please try again.";
    answers[EXECUTE] = { status: "token_failed", message, taskId: "task-1" };
    await page.actions.execute("task-1");
    expect(inRow()).toMatchObject({ title: message, action: { label: "🔐 Request Offline Token" } });
  });

  it("happens once, however often it is clicked", async () => {
    answers[EXECUTE] = { status: "executing", message: "ok", taskId: "task-1" };
    await Promise.all([page.actions.execute("task-1"), page.actions.execute("task-1")]);
    expect(page.calls).toHaveLength(1);
  });

  it("is silent when the session is over: the page shows the way in", async () => {
    answers[EXECUTE] = new SessionEnded();
    await page.actions.execute("task-1");
    expect(page.toasts.shown.value).toEqual([]);
    expect(inRow()).toBeUndefined();
  });

});

describe("running again", () => {
  it("asks for one more run, and says what the API says", async () => {
    answers["POST /api/tasks/task-1/retry"] = { status: "executing", message: "Task is now running", taskId: "task-1" };
    await page.actions.runAgain("task-1");
    expect(page.toasts.shown.value[0]?.title).toBe("Task is now running");
  });
});

describe("cancelling", () => {
  const CANCEL = (id: string) => `POST /api/tasks/${id}/cancel`;

  it("hands the reason over, and shows the task as the server answers with it", async () => {
    answers[CANCEL("task-1")] = task({ status: "cancelled", statusReason: "wrong file" });
    await page.actions.cancel([task({ status: "running" })], "wrong file");
    expect(page.calls[0]).toBe(`${CANCEL("task-1")} {"reason":"wrong file"}`);
    expect(page.store.find("task-1")).toMatchObject({ status: "cancelled" });
    expect(page.toasts.shown.value[0]?.title).toBe("“Data Processing” was cancelled.");
  });

  it("tells in its row what had ended by itself, and counts the others", async () => {
    answers[CANCEL("task-1")] = refused("task_not_cancellable", 409);
    answers[CANCEL("task-2")] = task({ id: "task-2", status: "cancelled" });
    await page.actions.cancel([task(), task({ id: "task-2" })], "");
    expect(inRow()).toMatchObject({ title: "There is nothing to cancel any more" });
    expect(page.toasts.shown.value.map(({ title }) => title)).toEqual(["1 run was cancelled."]);
  });

  it("is no success when nothing was cancelled", async () => {
    answers[CANCEL("task-1")] = refused("task_not_cancellable", 409);
    await page.actions.cancel([task()], "");
    expect(page.toasts.shown.value).toEqual([]);
  });
});

describe("deleting", () => {
  const linked = task({ persistentTokenId: "p1", offlineTokenStatus: "active" });

  it("removes the task and leaves its grant alone", async () => {
    await page.actions.remove([linked], []);
    expect(page.calls).toEqual(["DELETE /api/tasks/task-1"]);
    expect(page.store.rows.value).toEqual([]);
  });

  it("revokes the grant after the task is gone, when asked to", async () => {
    await page.actions.remove([linked], ["p1"]);
    expect(page.calls).toEqual(["DELETE /api/tasks/task-1", "DELETE /api/auth/manager/tokens/p1"]);
  });

  it("says when the task went and the grant did not, and tries only the grant again", async () => {
    answers["DELETE /api/auth/manager/tokens/p1"] = refused("internal_error");
    await page.actions.remove([linked], ["p1"]);
    expect(page.troubles.others.value[0]?.title).toContain("was not revoked");
    page.troubles.others.value[0]?.action?.run();
    await expect.poll(() => page.calls).toHaveLength(3);
    expect(page.calls.at(-1)).toBe("DELETE /api/auth/manager/tokens/p1");
  });

  it("keeps the task, and its grant, when it could not be deleted", async () => {
    answers["DELETE /api/tasks/task-1"] = refused("internal_error");
    await page.actions.remove([linked], ["p1"]);
    expect(page.store.rows.value).toHaveLength(1);
    expect(page.calls).toHaveLength(1);
    expect(inRow()).toBeDefined();
  });
});

describe("errors", () => {
  it("of a row are shown for as long as the row is in the state that they are about", () => {
    const before = task();
    page.troubles.set("task-1", { title: "Trouble", state: stateOf(before) });
    expect(page.troubles.of("task-1", stateOf(before))?.title).toBe("Trouble");
    expect(page.troubles.of("task-1", stateOf(task({ offlineTokenStatus: "active" })))).toBeUndefined();
  });

  it("without a row are few, however many there were", () => {
    for (let number = 0; number < 1000; number += 1) page.troubles.tell({ title: `Trouble ${number}` });
    expect(page.troubles.others.value.map(({ title }) => title)).toEqual(["Trouble 996", "Trouble 997", "Trouble 998", "Trouble 999"]);
  });
});

describe("toasts", () => {
  it("with the same message replace each other, and are never more than three", () => {
    for (const title of ["a", "b", "a"]) page.toasts.show(title);
    expect(page.toasts.shown.value.map(({ title }) => title)).toEqual(["b", "a"]);
    for (let number = 0; number < 1000; number += 1) page.toasts.show(`Done ${number}`);
    expect(page.toasts.shown.value).toHaveLength(3);
  });
});
