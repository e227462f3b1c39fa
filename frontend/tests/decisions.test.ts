/** The two pages of a consent: what is kept of the way back, and what each answer does. */
import { beforeEach, describe, expect, it } from "vitest";

import { keepConfirmation, keptConfirmation } from "../src/consent/kept";
import { grant } from "./stand-ins";
import { refused, wired } from "./wired";

const FIND = "GET /api/auth/manager/tokens/p1";
const CONFIRM = "POST /api/auth/manager/offline-consent/p1/confirm";
const GO_ON = "/tasks?persistent_token_id=p1";

let answers: Record<string, unknown>;
let page: ReturnType<typeof wired>;

beforeEach(() => {
  answers = { [FIND]: grant({ status: "pending" }), [CONFIRM]: { persistentTokenId: "p1", location: GO_ON } };
  page = wired(answers);
});

function comeBack(path = "/consent/confirm#id=p1&secret=s3cret"): void {
  page.browser.open(path);
  keepConfirmation(page.browser);
}

describe("the way back from another authorization server", () => {
  it("takes the secret out of the address and keeps it in this tab only", () => {
    comeBack();
    expect(page.browser.address.href).not.toContain("s3cret");
    expect(keptConfirmation(page.browser.tabStorage)).toEqual({ persistentTokenId: "p1", secret: "s3cret" });
    expect(page.browser.sharedStorage.everything()).not.toContain("s3cret");
  });

  it.each(["/tasks#id=p1&secret=s3cret", "/consent/confirm", "/consent/confirm#id=p1", "/consent/confirm#id=%00&secret=<b>"])(
    "keeps nothing of %s",
    (path) => {
      comeBack(path);
      expect(keptConfirmation(page.browser.tabStorage)).toBeUndefined();
    },
  );

  it("changes nothing before the person has answered", async () => {
    comeBack();
    await page.decisions.lookAtKept();
    expect(page.calls).toEqual([FIND]);
    expect(page.browser.left).toEqual([]);
    expect(page.decisions.grant.value?.status).toBe("pending");
  });

  it("confirms, forgets the secret and goes on where the vault says", async () => {
    comeBack();
    await page.decisions.confirm(grant());
    expect(page.calls).toEqual([`${CONFIRM} {"secret":"s3cret"}`]);
    expect(page.browser.left).toEqual([GO_ON]);
    expect(keptConfirmation(page.browser.tabStorage)).toBeUndefined();
  });

  it("confirms no other grant than the one that came back", async () => {
    comeBack();
    await page.decisions.confirm(grant({ persistentTokenId: "p2" }));
    expect(page.calls).toEqual([]);
  });

  it("ends the pending grant when the account is not the person's", async () => {
    comeBack();
    await page.decisions.deny(grant());
    expect(page.calls).toEqual(["DELETE /api/auth/manager/tokens/p1"]);
    expect(page.browser.left).toEqual(["/tasks"]);
  });

  it("says why it can't be confirmed", async () => {
    comeBack();
    answers[CONFIRM] = refused("confirmation_invalid", 409);
    await page.decisions.confirm(grant());
    expect(page.troubles.of("p1")?.title).toBe("This can't be confirmed any more");
    expect(page.browser.left).toEqual([]);
  });

  it("finds nothing in a tab that has not come back", async () => {
    await page.decisions.lookAtKept();
    expect(page.calls).toEqual([]);
    expect(page.decisions.grant.value).toBeNull();
  });
});

describe("a service that asks", () => {
  const asked = grant({ status: "pending", name: "Notebook", askedBy: { client: "hub", name: "The hub", returnTo: "https://hub.example/hub/" } });
  const BEGIN = "POST /api/auth/manager/offline-consent/p1/begin";
  const DECLINE = "POST /api/auth/manager/offline-consent/p1/decline";

  it("gets nothing from a look at its question", async () => {
    await page.decisions.look("p1");
    expect(page.calls).toEqual([FIND]);
    expect(page.browser.left).toEqual([]);
  });

  it("is answered at the authorization server when the person goes on", async () => {
    answers[BEGIN] = { consentUrl: "https://login.example/auth", persistentTokenId: "p1" };
    await page.decisions.begin(asked);
    expect(page.calls).toEqual([BEGIN]);
    expect(page.browser.left).toEqual(["https://login.example/auth"]);
  });

  it("cannot send the browser to an unsafe consent page", async () => {
    answers[BEGIN] = { consentUrl: "javascript:alert(1)", persistentTokenId: "p1" };
    await page.decisions.begin(asked);
    expect(page.browser.left).toEqual([]);
  });

  it("cannot send the browser to what is no web page", async () => {
    answers[DECLINE] = { persistentTokenId: "p1", location: "javascript:alert(1)" };
    await page.decisions.decline(asked);
    expect(page.browser.left).toEqual([]);
  });

  it("finds no question that is over, or another person's, and that is no error", async () => {
    answers[FIND] = refused("token_not_found", 404);
    await page.decisions.look("p1");
    expect(page.decisions.grant.value).toBeNull();
    expect(page.troubles.of("p1")).toBeUndefined();
    answers[FIND] = refused("audit_unavailable", 503);
    await page.decisions.look("p1");
    expect(page.troubles.of("p1")?.title).toBe("The token vault is not available");
  });

  it("is told a no", async () => {
    answers[DECLINE] = { persistentTokenId: "p1", location: "https://hub.example/hub/?outcome=consent_denied" };
    await page.decisions.decline(asked);
    expect(page.calls).toEqual([DECLINE]);
    expect(page.browser.left).toEqual(["https://hub.example/hub/?outcome=consent_denied"]);
  });

  it("says when it was answered before", async () => {
    answers[BEGIN] = refused("consent_not_open", 409);
    await page.decisions.begin(asked);
    expect(page.troubles.of("p1")?.title).toBe("This was answered before, or has expired");
  });
});
