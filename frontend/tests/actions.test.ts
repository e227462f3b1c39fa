import { beforeEach, describe, expect, it } from "vitest";

import { Api } from "../src/api/client";
import { ApiError } from "../src/api/http";
import { SessionEnded } from "../src/auth";
import { Status } from "../src/status";
import { REQUEST_TOKEN, TaskActions } from "../src/tasks/actions";
import { TaskStore } from "../src/tasks/store";
import { Toasts } from "../src/toasts";
import { FakeBrowser, scripted, task } from "./stand-ins";

const CONSENT_URL = "https://login.example/auth";
const LINK = "POST /api/tasks/task-1/link-persistent-id";
const EXECUTE = "POST /api/tasks/task-1/execute";

let answers: Record<string, unknown>;
let calls: string[];
let browser: FakeBrowser;
let store: TaskStore;
let toasts: Toasts;
let status: Status;
let actions: TaskActions;

beforeEach(() => {
  calls = [];
  answers = {
    "POST /api/auth/manager/offline-consent": { consentUrl: CONSENT_URL, persistentTokenId: "p1" },
    [LINK]: task({ persistentTokenId: "p1", offlineTokenStatus: "pending" }),
    "DELETE /api/tasks/task-1": {},
    "DELETE /api/auth/manager/tokens/p1": {},
  };
  const api = new Api(scripted(answers, calls));
  browser = new FakeBrowser(() => Promise.reject(new TypeError("not used")));
  status = new Status();
  toasts = new Toasts();
  store = new TaskStore(api, status);
  store.tasks.value = [task()];
  actions = new TaskActions(api, store, toasts, status, browser);
});

function refused(code: string, state = 500): ApiError {
  return new ApiError({ title: "Trouble", status: state, code, requestId: "r-1" }, undefined);
}

const shown = () => toasts.shown.value[0];

describe("requesting a token", () => {
  it("links the pending id before it leaves for consent", async () => {
    await actions.requestToken("task-1");
    expect(calls).toEqual(['POST /api/auth/manager/offline-consent {"taskId":"task-1"}', `${LINK} {"persistentTokenId":"p1"}`]);
    expect(browser.left).toEqual([CONSENT_URL]);
    expect(store.find("task-1")?.offlineTokenStatus).toBe("pending");
  });

  it("stays busy while the browser leaves, until the page is shown again", async () => {
    await actions.requestToken("task-1");
    expect(actions.busy.value.has("task-1")).toBe(true);
    actions.settle();
    expect(actions.busy.value.has("task-1")).toBe(false);
  });

  it("does not leave when the id could not be linked, and offers another try", async () => {
    answers[LINK] = refused("internal_error");
    await actions.requestToken("task-1");
    expect(browser.left).toEqual([]);
    expect(shown()).toMatchObject({ tone: "error", requestId: "r-1", action: { label: "Try again" } });
    expect(actions.busy.value.size).toBe(0);
  });

  it("does not leave for an unsafe address", async () => {
    answers["POST /api/auth/manager/offline-consent"] = { consentUrl: "javascript:alert(1)", persistentTokenId: "p1" };
    await actions.requestToken("task-1");
    expect(browser.left).toEqual([]);
    expect(shown()?.tone).toBe("error");
  });
});

describe("coming back from consent", () => {
  it("links the granted id again, says that the token is active, and cleans the address", async () => {
    answers[LINK] = task({ persistentTokenId: "p1", offlineTokenStatus: "active" });
    browser.open("/tasks?persistent_token_id=p1&task_id=task-1");
    await actions.comeBack(true);
    expect(calls).toEqual([`${LINK} {"persistentTokenId":"p1"}`]);
    expect(browser.address.search).toBe("");
    expect(store.find("task-1")?.offlineTokenStatus).toBe("active");
    expect(shown()?.title).toContain("Offline token active");
  });

  it("keeps a granted id in the address until somebody is signed in", async () => {
    browser.open("/tasks?persistent_token_id=p1&task_id=task-1");
    await actions.comeBack(false);
    expect(calls).toEqual([]);
    expect(browser.address.search).not.toBe("");
  });

  it("says why consent failed and offers to ask again", async () => {
    browser.open("/tasks?error=consent_denied&task_id=task-1");
    await actions.comeBack(true);
    expect(browser.address.search).toBe("");
    expect(shown()).toMatchObject({ title: "Consent was not granted", action: { label: REQUEST_TOKEN } });
    shown()?.action?.run();
    await expect.poll(() => calls[0]).toContain("offline-consent");
  });

  it("does nothing at an ordinary address", async () => {
    await actions.comeBack(true);
    expect(calls).toEqual([]);
    expect(toasts.shown.value).toEqual([]);
  });
});

describe("executing", () => {
  it("says what the API says", async () => {
    answers[EXECUTE] = { status: "executing", message: "Task is now running", taskId: "task-1" };
    await actions.execute("task-1");
    expect(shown()).toMatchObject({ tone: "success", title: "Task is now running" });
    expect(status.text.value).toBe("Task is now running");
  });

  it("shows the API's message when the token failed, and offers a new one", async () => {
    const message = "Token request failed. Please try again.";
    answers[EXECUTE] = { status: "token_failed", message, taskId: "task-1" };
    await actions.execute("task-1");
    expect(shown()).toMatchObject({ tone: "error", title: message, action: { label: REQUEST_TOKEN } });
  });

  it("happens once, however often it is clicked", async () => {
    answers[EXECUTE] = { status: "executing", message: "ok", taskId: "task-1" };
    await Promise.all([actions.execute("task-1"), actions.execute("task-1")]);
    expect(calls).toHaveLength(1);
  });

  it("is silent when the session is over: the page shows the way in", async () => {
    answers[EXECUTE] = new SessionEnded();
    await actions.execute("task-1");
    expect(toasts.shown.value).toEqual([]);
  });
});

describe("deleting", () => {
  it("removes the task and leaves its grant alone", async () => {
    await actions.remove(task(), undefined);
    expect(calls).toEqual(["DELETE /api/tasks/task-1"]);
    expect(store.tasks.value).toEqual([]);
  });

  it("revokes the grant after the task is gone, when asked to", async () => {
    await actions.remove(task(), "p1");
    expect(calls).toEqual(["DELETE /api/tasks/task-1", "DELETE /api/auth/manager/tokens/p1"]);
  });

  it("says when the task went and the grant did not, and tries only the grant again", async () => {
    answers["DELETE /api/auth/manager/tokens/p1"] = refused("internal_error");
    await actions.remove(task(), "p1");
    expect(shown()?.title).toContain("was not revoked");
    shown()?.action?.run();
    await expect.poll(() => calls).toHaveLength(3);
    expect(calls.at(-1)).toBe("DELETE /api/auth/manager/tokens/p1");
  });

  it("keeps the task when it could not be deleted", async () => {
    answers["DELETE /api/tasks/task-1"] = refused("internal_error");
    await actions.remove(task(), "p1");
    expect(store.tasks.value).toHaveLength(1);
    expect(calls).toHaveLength(1);
  });
});

describe("toasts", () => {
  it("with the same message replace each other", () => {
    toasts.show({ tone: "error", title: "a" });
    toasts.show({ tone: "error", title: "b" });
    toasts.show({ tone: "error", title: "a" });
    expect(toasts.shown.value.map(({ title }) => title)).toEqual(["b", "a"]);
  });
});
