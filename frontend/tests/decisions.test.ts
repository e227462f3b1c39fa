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
