import { beforeEach, describe, expect, it } from "vitest";

import { Auth, SessionEnded } from "../src/auth";
import { ServerClock } from "../src/clock";
import { CLIENT, FakeBrowser, FakeIssuer, ISSUER } from "./stand-ins";

let issuer: FakeIssuer;
let browser: FakeBrowser;
let auth: Auth;

beforeEach(() => {
  issuer = new FakeIssuer();
  browser = new FakeBrowser(issuer.fetch);
  auth = newPage();
});

function newPage(): Auth {
  return new Auth({ issuer: new URL(ISSUER), clientId: CLIENT }, browser, new ServerClock(browser.now));
}

/** The authorization server sends the browser back with a code. */
async function comeBack(changes: Record<string, string> = {}): Promise<void> {
  const asked = browser.lastRequest();
  issuer.nonce = asked.get("nonce") ?? "";
  const answer = new URLSearchParams({ code: "the-code", state: asked.get("state") ?? "", iss: ISSUER, ...changes });
  browser.open(`/tasks?${answer.toString()}`);
  auth = newPage();
  await auth.start();
}

async function refuse(error: string): Promise<void> {
  const state = browser.lastRequest().get("state") ?? "";
  browser.open(`/tasks?${new URLSearchParams({ error, state, iss: ISSUER }).toString()}`);
  auth = newPage();
  await auth.start();
}

async function signIn(): Promise<void> {
  await auth.start();
  await auth.signIn();
  await comeBack();
}

describe("signing in", () => {
  it("shows the way in at once where no sign-in is known", async () => {
    await auth.start();
    expect(auth.session.value).toEqual({ kind: "signedOut" });
    expect(browser.left).toEqual([]);
  });

  it("asks for a code with PKCE, state and nonce, and never for offline_access", async () => {
    await auth.signIn();
    const asked = browser.lastRequest();
    expect(asked.get("response_type")).toBe("code");
    expect(asked.get("code_challenge_method")).toBe("S256");
    expect(asked.get("code_challenge")).toMatch(/^[\w-]{43}$/);
    expect(asked.get("state")).toMatch(/^[\w-]{43}$/);
    expect(asked.get("nonce")).toMatch(/^[\w-]{43}$/);
    expect(asked.get("scope")).toBe("openid profile");
    expect(asked.has("prompt")).toBe(false);
  });

  it("redeems the code with the verifier and knows the person", async () => {
    await signIn();
    expect(auth.session.value).toEqual({ kind: "signedIn", name: "Alice Archer", subject: "alice" });
    expect(issuer.requests[0]?.get("code")).toBe("the-code");
    expect(issuer.requests[0]?.get("code_verifier")).toMatch(/^[\w-]{43}$/);
    expect(await auth.accessToken()).toBe("access-1");
  });

  it("strips the code from the address before it redeems it", async () => {
    await auth.signIn();
    const addresses: string[] = [];
    const fetcher = issuer.fetch;
    browser = Object.assign(new FakeBrowser((input, init) => {
      addresses.push(browser.address.href);
      return fetcher(input, init);
    }), { left: browser.left, tabStorage: browser.tabStorage });
    await comeBack();
    expect(addresses.length).toBeGreaterThan(0);
    expect(addresses.join()).not.toContain("code");
    expect(browser.address.search).toBe("");
  });

  it("keeps no token where a script could find it later", async () => {
    await signIn();
    expect(browser.tabStorage.everything() + browser.sharedStorage.everything()).not.toMatch(/access-|refresh-|eyJ/);
    expect(browser.tabStorage.length).toBe(0);
  });

  it("goes back to the address it left from", async () => {
    browser.open("/tasks?persistent_token_id=p1&task_id=task-1");
    await signIn();
    expect(browser.address.search).toBe("?persistent_token_id=p1&task_id=task-1");
  });

  it.each([["another state", { state: "forged" }], ["another issuer", { iss: "https://evil.example" }]])(
    "refuses an answer with %s without redeeming the code", async (_, forged) => {
      await auth.signIn();
      await comeBack(forged);
      expect(auth.session.value).toMatchObject({ kind: "signedOut", notice: expect.any(String) as string });
      expect(issuer.requests).toEqual([]);
      expect(browser.address.search).toBe("");
    });

  it("refuses an answer that nobody asked for", async () => {
    browser.open("/tasks?code=stolen&state=whatever");
    await auth.start();
    expect(auth.session.value).toEqual({ kind: "signedOut", notice: "stale" });
    expect(issuer.requests).toEqual([]);
    expect(browser.address.href).not.toContain("stolen");
  });

  it("refuses an ID token with another nonce", async () => {
    await auth.signIn();
    const state = browser.lastRequest().get("state") ?? "";
    issuer.nonce = "another";
    browser.open(`/tasks?code=c&state=${state}&iss=${encodeURIComponent(ISSUER)}`);
    auth = newPage();
    await auth.start();
    expect(auth.session.value.kind).toBe("signedOut");
    await expect(auth.accessToken()).rejects.toBeInstanceOf(SessionEnded);
  });

  it("refuses plain http to another machine, and allows it on this one", async () => {
    for (const [url, notice] of [["http://login.example/", "insecure"], ["http://localhost:1/", "unreachable"]] as const) {
      browser = new FakeBrowser(() => Promise.reject(new TypeError("refused")));
      auth = new Auth({ issuer: new URL(url), clientId: CLIENT }, browser, new ServerClock(browser.now));
      await auth.signIn();
      expect(auth.session.value).toMatchObject({ notice });
    }
  });
});

describe("restoring after a reload", () => {
  it("asks the authorization server without a prompt, at the top level, and returns to the same address", async () => {
    await signIn();
    browser.open("/tasks?task_id=task-1&persistent_token_id=p1");
    auth = newPage();
    await auth.start();
    expect(browser.lastRequest().get("prompt")).toBe("none");
    await comeBack();
    expect(auth.session.value.kind).toBe("signedIn");
    expect(browser.address.search).toBe("?task_id=task-1&persistent_token_id=p1");
  });

  it("shows the way in when nobody is signed in there any more, and does not ask again", async () => {
    await signIn();
    auth = newPage();
    await auth.start();
    await refuse("login_required");
    expect(auth.session.value).toEqual({ kind: "signedOut" });
    const asked = browser.left.length;
    auth = newPage();
    await auth.start();
    expect(browser.left).toHaveLength(asked);
  });

  it("remembers that somebody was signed in when the authorization server has a passing trouble", async () => {
    await signIn();
    auth = newPage();
    await auth.start();
    await refuse("temporarily_unavailable");
    expect(auth.session.value).toEqual({ kind: "signedOut", notice: "failed" });
    const asked = browser.left.length;
    auth = newPage();
    await auth.start();
    expect(browser.left).toHaveLength(asked + 1);
  });

  it("says so when a person cancels", async () => {
    await auth.signIn();
    await refuse("access_denied");
    expect(auth.session.value).toEqual({ kind: "signedOut", notice: "cancelled" });
  });
});

describe("staying signed in", () => {
  beforeEach(signIn);

  it("refreshes once for callers that come together, and with the newest refresh token", async () => {
    browser.clock += 290_000;
    const tokens = await Promise.all([auth.accessToken(), auth.accessToken(), auth.accessToken("access-1")]);
    expect(new Set(tokens)).toEqual(new Set(["access-2"]));
    browser.clock += 290_000;
    expect(await auth.accessToken()).toBe("access-3");
    expect(issuer.requests.slice(1).map((form) => form.get("refresh_token"))).toEqual(["refresh-1", "refresh-2"]);
  });

  it("replaces a token that was refused, once", async () => {
    expect(await auth.accessToken("access-1")).toBe("access-2");
    expect(await auth.accessToken("access-1")).toBe("access-2");
    expect(issuer.requests).toHaveLength(2);
  });

  it("goes on with a token that still lives while the authorization server is away", async () => {
    issuer.refreshes = "away";
    browser.clock += 280_000;
    expect(await auth.accessToken()).toBe("access-1");
    browser.clock += 30_000;
    await expect(auth.accessToken()).rejects.toBeInstanceOf(TypeError);
    issuer.refreshes = 200;
    expect(await auth.accessToken()).toBe("access-2");
  });

  it("ends the session when the refresh token is refused", async () => {
    issuer.refreshes = 400;
    browser.clock += 400_000;
    await expect(auth.accessToken()).rejects.toBeInstanceOf(SessionEnded);
    expect(auth.session.value).toEqual({ kind: "ended", name: "Alice Archer", subject: "alice" });
  });

  it("leaves the other tabs signed in when this tab's session has ended", async () => {
    issuer.refreshes = 400;
    browser.clock += 400_000;
    await auth.accessToken().catch(() => undefined);
    const asked = browser.left.length;
    const other = newPage();
    await other.start();
    expect(browser.left).toHaveLength(asked + 1); // it asks without a prompt: somebody is known to be signed in
  });

  it("stays signed in when the authorization server refuses for another reason than the grant", async () => {
    issuer.refreshes = "confused";
    browser.clock += 280_000;
    expect(await auth.accessToken()).toBe("access-1");
    expect(auth.session.value.kind).toBe("signedIn");
  });

  it("signs out at the authorization server too", async () => {
    await auth.signOut();
    const asked = browser.lastRequest();
    expect(browser.left.at(-1)).toContain("/logout?");
    expect(asked.get("id_token_hint")).toMatch(/^eyJ/);
    expect(asked.get("post_logout_redirect_uri")).toBe("https://tasks.example/tasks");
    await expect(auth.accessToken()).rejects.toBeInstanceOf(SessionEnded);
    auth = newPage();
    await auth.start();
    expect(auth.session.value).toEqual({ kind: "signedOut" });
  });

  it("follows a sign-out in another tab", () => {
    browser.sharedStorage.clear();
    auth.onSharedStorage(null);
    expect(auth.session.value.kind).toBe("signedOut");
  });
});
