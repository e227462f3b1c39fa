import { beforeEach, describe, expect, it } from "vitest";

import { grant, task } from "./stand-ins";
import { refused, wired } from "./wired";

const CONSENT_URL = "https://login.example/auth";
const CONSENT = 'POST /api/auth/manager/offline-consent {"taskId":"task-1"}';
const MANY = 'POST /api/auth/manager/offline-consent {"taskIds":["task-1","task-2"]}';
const LINK = "POST /api/tasks/task-1/link-persistent-id";
const LINK_2 = "POST /api/tasks/task-2/link-persistent-id";
const GRANTS = "GET /api/auth/manager/tokens";
const USERS = "GET /api/tasks?persistentTokenId=p1&limit=100";
const NEW = '{"persistentTokenId":"p9"}';

let answers: Record<string, unknown>;
let page: ReturnType<typeof wired>;

beforeEach(() => {
  answers = {
    "POST /api/auth/manager/offline-consent": { consentUrl: CONSENT_URL, persistentTokenId: "p9" },
    [LINK]: task({ persistentTokenId: "p9", offlineTokenStatus: "pending" }),
    [LINK_2]: task({ id: "task-2", persistentTokenId: "p9", offlineTokenStatus: "pending" }),
    "DELETE /api/auth/manager/tokens/p1": {},
    [GRANTS]: { tokens: [] },
    [USERS]: { tasks: [] },
  };
  page = wired(answers);
});

const inRow = () => page.troubles.rows.value.get("task-1");

/** The browser comes back from the consent page. */
async function comeBack(query: string): Promise<void> {
  page.browser.open(`/tasks?${query}`);
  const arrival = page.consents.takeReturn();
  if (arrival !== undefined) await page.consents.arrive(arrival);
}

describe("requesting a token", () => {
  it("links the pending id before it leaves for consent", async () => {
    await page.consents.request(["task-1"]);
    expect(page.calls).toEqual([CONSENT, `${LINK} ${NEW}`]);
    expect(page.browser.left).toEqual([CONSENT_URL]);
    expect(page.store.find("task-1")?.offlineTokenStatus).toBe("pending");
  });

  it("for several tasks asks once and links all", async () => {
    page.store.rows.value = [task(), task({ id: "task-2" })];
    await page.consents.request(["task-1", "task-2"]);
    expect(page.calls).toEqual([MANY, `${LINK} ${NEW}`, `${LINK_2} ${NEW}`]);
  });

  it("leaves a working access in place until the new one is granted", async () => {
    page.store.rows.value = [task({ persistentTokenId: "p1", offlineTokenStatus: "active" })];
    await page.consents.request(["task-1"], "p1");
    expect(page.calls).toEqual([CONSENT]);
    expect(page.browser.left).toEqual([CONSENT_URL]);
  });

  it("stays busy while the browser leaves, until the page is shown again", async () => {
    await page.consents.request(["task-1"]);
    expect(page.work.busy.value.has("task-1")).toBe(true);
    page.work.settle();
    expect(page.work.busy.value.has("task-1")).toBe(false);
  });

  it("does not leave when the id could not be linked, and offers another try in the row", async () => {
    answers[LINK] = refused("internal_error");
    await page.consents.request(["task-1"]);
    expect(page.browser.left).toEqual([]);
    expect(inRow()).toMatchObject({ requestId: "r-1", action: { label: "Try again" } });
    expect(page.work.busy.value.size).toBe(0);
  });

  it("does not leave for an unsafe address", async () => {
    answers["POST /api/auth/manager/offline-consent"] = { consentUrl: "javascript:alert(1)", persistentTokenId: "p9" };
    await page.consents.request(["task-1"]);
    expect(page.browser.left).toEqual([]);
    expect(inRow()).toBeDefined();
  });
});

describe("coming back from consent", () => {
  beforeEach(async () => {
    await page.consents.request(["task-1"]);
    page.calls.length = 0;
    page.work.settle();
    answers[LINK] = task({ persistentTokenId: "p9", offlineTokenStatus: "active" });
  });

  it("links the granted id again, says that the token is active, and cleans the address", async () => {
    await comeBack("persistent_token_id=p9&task_id=task-1");
    expect(page.calls).toEqual([`${LINK} ${NEW}`, GRANTS]);
    expect(page.browser.address.search).toBe("");
    expect(page.store.find("task-1")?.offlineTokenStatus).toBe("active");
    expect(page.toasts.shown.value[0]?.title).toContain("Offline token active");
  });

  it("revokes the access that the new one replaces", async () => {
    answers[GRANTS] = { tokens: [grant({ persistentTokenId: "p9", taskId: "task-1" }), grant({ taskId: "task-1" })] };
    await comeBack("persistent_token_id=p9&task_id=task-1");
    expect(page.calls.filter((call) => call.startsWith("DELETE"))).toEqual(["DELETE /api/auth/manager/tokens/p1"]);
  });

  it("leaves the replaced access to another task that lives on it", async () => {
    answers[USERS] = { tasks: [task({ id: "task-2", persistentTokenId: "p1", offlineTokenStatus: "active" })] };
    answers[GRANTS] = { tokens: [grant({ taskId: "task-1" })] };
    await comeBack("persistent_token_id=p9&task_id=task-1");
    expect(page.calls).toContain(USERS);
    expect(page.calls.filter((call) => call.startsWith("DELETE"))).toEqual([]);
  });

  it("finds its task on whatever page of the list it is", async () => {
    page.store.rows.value = [];
    page.store.linked.rows.value = [];
    await comeBack("persistent_token_id=p9&task_id=task-1");
    expect(page.store.find("task-1")?.offlineTokenStatus).toBe("active");
  });

  it("is good for one return", async () => {
    await comeBack("persistent_token_id=p9&task_id=task-1");
    page.calls.length = 0;
    await comeBack("persistent_token_id=p9&task_id=task-1");
    expect(page.calls.filter((call) => call.startsWith("POST"))).toEqual([]);
  });

  it("returns to the page that was left", async () => {
    page.browser.tabStorage.clear();
    page.browser.open("/access?x=1");
    await page.consents.request(["task-1"]);
    page.work.settle();
    await comeBack("persistent_token_id=p9&task_id=task-1");
    expect(page.browser.address.pathname + page.browser.address.search).toBe("/access?x=1");
  });

  it("says in the row why consent failed and offers to ask again", async () => {
    await comeBack("error=consent_denied&task_id=task-1");
    expect(page.browser.address.search).toBe("");
    expect(inRow()).toMatchObject({ title: "Consent was not granted", action: { label: "🔐 Request Offline Token" } });
    inRow()?.action?.run();
    await expect.poll(() => page.calls[0]).toContain("offline-consent");
  });
});

describe("an address that this tab did not leave for", () => {
  it("with a token and a task changes nothing by itself, and offers the link", async () => {
    await comeBack("persistent_token_id=p9&task_id=task-1");
    expect(page.calls).toEqual([]);
    expect(inRow()).toMatchObject({ action: { label: "Use it for this task" } });
    inRow()?.action?.run();
    await expect.poll(() => page.calls).toEqual([`${LINK} ${NEW}`]);
  });

  it("with another token than the one that was left for changes nothing", async () => {
    await page.consents.request(["task-1"]);
    page.calls.length = 0;
    await comeBack("persistent_token_id=p7&task_id=task-1");
    expect(page.calls).toEqual([]);
  });

  it("with an unknown error stands above the list as text", async () => {
    await comeBack("error=%3Cb%3E");
    expect(page.troubles.others.value[0]?.title).toBe("The offline token was not granted");
    expect(page.calls).toEqual([]);
  });

  it("without an answer of the vault is an ordinary address", () => {
    page.browser.open("/tasks?q=report");
    expect(page.consents.takeReturn()).toBeUndefined();
    expect(page.browser.address.search).toBe("?q=report");
  });

  it.each(["persistent_token_id=..%2F..%2Fetc&task_id=%00", "task_id=task-1", "persistent_token_id=", "task_id="])(
    "keeps nothing of %s, which the vault never says", (query) => {
      page.browser.open(`/tasks?q=report&${query}`);
      expect(page.consents.takeReturn()).toBeUndefined();
      expect(page.browser.address.search).toBe("?q=report");
      expect(page.calls).toEqual([]);
    });
});
