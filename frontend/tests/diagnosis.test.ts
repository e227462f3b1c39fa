import { describe, expect, it, vi } from "vitest";

import { Auth } from "../src/auth";
import { ServerClock } from "../src/clock";
import { CLIENT, FakeBrowser, FakeIssuer, ISSUER } from "./stand-ins";

describe("why the authorization server can't be asked", () => {
  const diagnosis = async (answer: () => Promise<Response>, online = true) => {
    const browser = new FakeBrowser((_, init) => (init?.mode === "no-cors" ? answer() : Promise.reject(new TypeError("refused"))));
    browser.connected = online;
    const auth = new Auth({ issuer: new URL(ISSUER), clientId: CLIENT }, browser, new ServerClock(browser.now));
    await auth.signIn();
    return auth.session.value;
  };
  const opaque = () => Promise.resolve(Object.defineProperty(new Response(), "type", { value: "opaque" }));
  const nobody = () => Promise.reject<Response>(new TypeError("refused"));

  it("is its absence, when nothing answers there", async () => expect(await diagnosis(nobody)).toMatchObject({ notice: "unreachable" }));
  it("is this machine's network, when there is none", async () => expect(await diagnosis(nobody, false)).toMatchObject({ notice: "offline" }));
  it("is this page's host name, when it answers but not to this page", async () => expect(await diagnosis(opaque)).toMatchObject({ notice: "hostName" }));
});

describe("a session that has ended", () => {
  it("keeps its page when signing in again does not work, and says why", async () => {
    const browser = new FakeBrowser(() => Promise.reject(new TypeError("refused")));
    browser.connected = false;
    const auth = new Auth({ issuer: new URL(ISSUER), clientId: CLIENT }, browser, new ServerClock(browser.now));
    auth.session.value = { kind: "ended", name: "Alice Archer", subject: "alice" };
    await auth.signIn();
    expect(auth.session.value).toEqual({ kind: "ended", name: "Alice Archer", subject: "alice", notice: "offline" });
  });
});

describe("a clock that is wrong by an hour", () => {
  it("does not keep anybody from signing in", async () => {
    const issuer = new FakeIssuer();
    const browser = new FakeBrowser(issuer.fetch);
    browser.clock = Date.now() + 3_600_000; // FakeIssuer signs by the real time
    vi.setSystemTime(browser.clock);
    const clock = new ServerClock(browser.now);
    clock.observe(new Response(null, { headers: { Date: new Date(browser.clock - 3_600_000).toUTCString() } }));
    issuer.clock = -3_600_000;
    const auth = new Auth({ issuer: new URL(ISSUER), clientId: CLIENT }, browser, clock);
    await auth.signIn();
    const asked = browser.lastRequest();
    issuer.nonce = asked.get("nonce") ?? "";
    browser.open(`/tasks?${new URLSearchParams({ code: "c", state: asked.get("state") ?? "", iss: ISSUER }).toString()}`);
    await auth.start();
    vi.useRealTimers();
    expect(auth.session.value.kind).toBe("signedIn");
  });
});
