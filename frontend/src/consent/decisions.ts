/** What a person decides about a consent: whether a service may ask on, whether an account is theirs. */
import { signal } from "@preact/signals";

import type { Api } from "../api/client";
import { ApiError } from "../api/http";
import type { Grant } from "../api/types";
import type { Browser } from "../browser";
import type { Work } from "../work";
import { consentPage } from "../tasks/consent";
import { forgetConfirmation, keptConfirmation } from "./kept";

const START_PAGE = "/tasks";

export class Decisions {
  /** The grant that the page is about; null when it is nobody's, or another person's. */
  readonly grant = signal<Grant | null | undefined>(undefined);

  constructor(
    private readonly api: Api,
    private readonly work: Work,
    private readonly browser: Browser,
  ) {}

  /** Looks at the grant whose account waits to be confirmed in this tab. */
  async lookAtKept(): Promise<void> {
    const kept = keptConfirmation(this.browser.tabStorage);
    if (kept === undefined) this.grant.value = null;
    else await this.look(kept.persistentTokenId);
  }

  /** The account is the person's: the vault redeems the code, and the browser goes on. */
  async confirm(grant: Grant): Promise<void> {
    const kept = keptConfirmation(this.browser.tabStorage);
    if (kept?.persistentTokenId !== grant.persistentTokenId) return;
    await this.attempt(grant.persistentTokenId, async () => {
      const { location } = await this.api.confirmConsent(kept.persistentTokenId, kept.secret);
      forgetConfirmation(this.browser.tabStorage);
      return this.leave(location);
    });
  }

  /** It is not: the pending grant ends, and the code is never redeemed. */
  async deny(grant: Grant): Promise<void> {
    await this.attempt(grant.persistentTokenId, async () => {
      await this.api.revokeToken(grant.persistentTokenId);
      forgetConfirmation(this.browser.tabStorage);
      return this.leave(START_PAGE);
    });
  }

  /** Goes on to the authorization server, for a service that has asked. */
  async begin(grant: Grant): Promise<void> {
    await this.attempt(grant.persistentTokenId, async () => {
      const { consentUrl } = await this.api.beginConsent(grant.persistentTokenId);
      return this.leave(consentPage(consentUrl));
    });
  }

  /** The service may not: it is told, and the browser goes back to it. */
  async decline(grant: Grant): Promise<void> {
    await this.attempt(grant.persistentTokenId, async () => {
      const { location } = await this.api.declineConsent(grant.persistentTokenId);
      return this.leave(location);
    });
  }

  /** Looks at a grant that a service has asked for. */
  async look(id: string): Promise<void> {
    this.grant.value = undefined;
    await this.attempt(id, async () => {
      this.grant.value = await this.api.findGrant(id).catch((error: unknown) => {
        if (error instanceof ApiError && error.problem.status === 404) return null; // the page says what that means
        throw error;
      });
    });
  }

  private leave(location: string): "leaving" {
    consentPage(location, this.browser.url()); // refuses what is no web page
    this.browser.leaveFor(location);
    return "leaving";
  }

  private attempt(id: string, work: () => Promise<unknown>): Promise<boolean> {
    return this.work.attempt({ id, state: () => undefined }, work);
  }
}
