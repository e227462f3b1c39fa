/**
 * Signing in and staying signed in: authorization code with PKCE (RFC 6749, RFC 7636, OpenID Connect Core 1.0) and
 * RP-initiated logout. Tokens live in this object only, so a reload restores them from the authorization server's own
 * session by a top-level request with `prompt=none`. `offline_access` is never asked for: that token is the vault's.
 */
import { signal } from "@preact/signals";
import * as oauth from "oauth4webapi";

import type { Browser } from "./browser";
import type { ServerClock } from "./clock";
import type { Config } from "./config";
import { land, takeOff, type Flight } from "./flight";
import { Issuer } from "./issuer";

export type Session =
  | { kind: "starting" }
  | { kind: "leaving" }
  | { kind: "signedOut"; notice?: Notice }
  | { kind: "signedIn"; name: string; subject: string }
  /** The page stays as it was, under a dialog. notice: why signing in again did not work. */
  | { kind: "ended"; name: string; subject: string; notice?: Notice };

/** Why nobody is signed in; `notice.…` in the texts. */
export type Notice =
  | "stale"
  | "cancelled"
  | "failed"
  | "elsewhere"
  | "unreachable"
  | "hostName"
  | "insecure"
  | "offline";

/** There is no session any more: a person has to sign in. */
export class SessionEnded extends Error {}

interface Tokens {
  access: string;
  refresh: string | undefined;
  id: string | undefined;
  lifetime: number;
  expiresAt: number;
}

const SIGNED_IN = "was-signed-in";
const START_PAGE = "/tasks";
/** The answers to `prompt=none` that mean: nobody is signed in there (OpenID Connect Core 1.0, 3.1.2.6). */
const NOBODY = new Set(["login_required", "interaction_required", "consent_required", "account_selection_required"]);

export class Auth {
  readonly session = signal<Session>({ kind: "starting" });
  private tokens: Tokens | undefined;
  private refreshing: Promise<string> | undefined;
  private readonly issuer: Issuer;

  constructor(
    private readonly config: Config,
    private readonly browser: Browser,
    private readonly clock: ServerClock,
  ) {
    this.issuer = new Issuer(config.issuer, browser);
  }

  private get client(): oauth.Client {
    const skew = Math.round(this.clock.offset.value / 1000);
    return { client_id: this.config.clientId, [oauth.clockTolerance]: 120, [oauth.clockSkew]: skew };
  }

  /** Takes the answer out of the address if the page was called with one, else restores what the tab had before. */
  async start(): Promise<void> {
    const { searchParams } = this.browser.url();
    if (searchParams.has("state") && (searchParams.has("code") || searchParams.has("error"))) {
      await this.finish(searchParams);
    } else {
      await this.restore();
    }
  }

  async signIn(): Promise<void> {
    await this.depart(false);
  }

  /** Ends the session here and at the authorization server (OpenID Connect RP-Initiated Logout 1.0). */
  async signOut(): Promise<void> {
    const idToken = this.tokens?.id;
    this.forget();
    this.session.value = { kind: "leaving" };
    const endpoint = await this.issuer.discover().then((as) => as.end_session_endpoint, () => undefined);
    if (endpoint === undefined) {
      this.session.value = { kind: "signedOut" };
      return;
    }
    const url = new URL(endpoint);
    url.searchParams.set("client_id", this.config.clientId);
    url.searchParams.set("post_logout_redirect_uri", this.redirectUri());
    if (idToken !== undefined) url.searchParams.set("id_token_hint", idToken);
    this.browser.leaveFor(url.href);
  }

  /**
   * An access token with some life left. Pass the one the API has just refused to get another. All callers share one
   * refresh, since a rotated refresh token must not be used twice.
   */
  async accessToken(refused?: string): Promise<string> {
    const held = this.tokens;
    if (held === undefined) throw new SessionEnded();
    const life = held.access === refused ? 0 : held.expiresAt - this.browser.now();
    if (life > Math.min(30_000, held.lifetime / 4)) return held.access;
    this.refreshing ??= this.refresh(held).finally(() => (this.refreshing = undefined));
    return this.refreshing.catch((error: unknown) => {
      if (error instanceof SessionEnded || life <= 0) throw error;
      return held.access; // the authorization server is away, and this one is still good
    });
  }

  /**
   * Drops this tab's tokens. The page stays, under a dialog that offers to sign in again. The other tabs are told
   * nothing: each has tokens of its own.
   */
  end(): void {
    const before = this.session.value;
    this.tokens = undefined;
    if (before.kind === "signedIn") this.session.value = { ...before, kind: "ended" };
  }

  /** Leaves the page of a session that has ended for the landing page. */
  leave(): void {
    this.forget();
    this.session.value = { kind: "signedOut" };
  }

  /** For the `storage` event: another tab has signed out. */
  onSharedStorage(key: string | null): void {
    const gone = this.browser.sharedStorage.getItem(SIGNED_IN) === null;
    if (!gone || (key !== SIGNED_IN && key !== null) || this.tokens === undefined) return;
    this.forget();
    this.session.value = { kind: "signedOut", notice: "elsewhere" };
  }

  /** notice: shown when nobody is known to be signed in. */
  private async restore(notice?: Notice): Promise<void> {
    if (this.browser.sharedStorage.getItem(SIGNED_IN) === null) {
      this.session.value = { kind: "signedOut", ...(notice && { notice }) };
    } else {
      await this.depart(true);
    }
  }

  private async depart(silent: boolean): Promise<void> {
    const before = this.session.value;
    if (before.kind !== "ended") this.session.value = { kind: "leaving" };
    try {
      const url = await this.authorizationUrl(silent);
      this.browser.leaveFor(url);
    } catch {
      const notice = await this.issuer.diagnose();
      this.session.value = before.kind === "ended" ? { ...before, notice } : { kind: "signedOut", notice };
    }
  }

  private async authorizationUrl(silent: boolean): Promise<string> {
    const { authorization_endpoint: endpoint } = await this.issuer.discover();
    if (endpoint === undefined) throw new Error("the authorization server has no authorization endpoint");
    return takeOff(this.browser, endpoint, { id: this.config.clientId, redirectUri: this.redirectUri() }, silent);
  }

  private async finish(answer: URLSearchParams): Promise<void> {
    const flight = land(this.browser);
    this.browser.replacePath(flight?.returnTo ?? START_PAGE); // before anything else: the code must not stay in sight
    if (flight?.state !== answer.get("state")) {
      await this.restore("stale"); // the Back button leads to an answer that was used; so does a forged link
      return;
    }
    try {
      await this.redeem(answer, flight);
    } catch (error) {
      this.session.value = await this.afterFailure(error, flight);
    }
  }

  private async redeem(answer: URLSearchParams, flight: Flight): Promise<void> {
    const { client, issuer } = this;
    const [as, none, uri] = [await issuer.discover(), oauth.None(), this.redirectUri()];
    const code = oauth.validateAuthResponse(as, client, answer, flight.state);
    const exchange = [as, client, none, code, uri, flight.verifier, issuer.options()] as const;
    const response = await oauth.authorizationCodeGrantRequest(...exchange);
    const checks = { expectedNonce: flight.nonce, requireIdToken: true };
    const granted = await oauth.processAuthorizationCodeResponse(as, client, response, checks);
    const claims = oauth.getValidatedIdTokenClaims(granted);
    this.tokens = this.received(granted);
    this.browser.sharedStorage.setItem(SIGNED_IN, "yes");
    this.session.value = { kind: "signedIn", name: displayName(claims), subject: claims?.sub ?? "" };
  }

  private async afterFailure(error: unknown, flight: Flight): Promise<Session> {
    if (error instanceof oauth.AuthorizationResponseError) {
      if (flight.silent && NOBODY.has(error.error)) {
        this.forget(); // the next visit need not ask
        return { kind: "signedOut" };
      }
      return { kind: "signedOut", notice: error.error === "access_denied" ? "cancelled" : "failed" };
    }
    return { kind: "signedOut", notice: isTransport(error) ? await this.issuer.diagnose() : "failed" };
  }

  private async refresh(held: Tokens): Promise<string> {
    try {
      if (held.refresh === undefined) throw new SessionEnded();
      const as = await this.issuer.discover();
      const options = this.issuer.options();
      const response = await oauth.refreshTokenGrantRequest(as, this.client, oauth.None(), held.refresh, options);
      const granted = await oauth.processRefreshTokenResponse(as, this.client, response);
      if (this.tokens !== held) throw new SessionEnded(); // signed out meanwhile
      this.tokens = this.received(granted, held);
      return this.tokens.access;
    } catch (error) {
      const refused = error instanceof oauth.ResponseBodyError && error.error === "invalid_grant";
      if (!refused && !(error instanceof SessionEnded)) throw error;
      if (this.tokens === held) this.end();
      throw new SessionEnded();
    }
  }

  private received(granted: oauth.TokenEndpointResponse, before?: Tokens): Tokens {
    const lifetime = (granted.expires_in ?? 60) * 1000;
    return {
      access: granted.access_token,
      refresh: granted.refresh_token ?? before?.refresh,
      id: granted.id_token ?? before?.id,
      lifetime,
      expiresAt: this.browser.now() + lifetime,
    };
  }

  private redirectUri(): string {
    return new URL(START_PAGE, this.browser.url()).href;
  }

  private forget(): void {
    this.tokens = undefined;
    this.browser.sharedStorage.removeItem(SIGNED_IN);
  }
}

function displayName(claims: oauth.IDToken | undefined): string {
  const named = [claims?.name, claims?.preferred_username, claims?.sub].find((value) => typeof value === "string");
  return typeof named === "string" ? named : "";
}

const isTransport = (error: unknown): boolean => error instanceof TypeError || error instanceof DOMException;
