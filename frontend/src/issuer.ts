/** The authorization server: its metadata, fetched once, and how requests to it are made. */
import * as oauth from "oauth4webapi";

import { isLoopback, type Browser } from "./browser";

const TIMEOUT = 15_000;

export class Issuer {
  /** Whether tokens may travel to it: over TLS, or without leaving this machine. */
  readonly safe: boolean;
  private readonly loopback: boolean;
  private metadata: Promise<oauth.AuthorizationServer> | undefined;

  constructor(
    private readonly url: URL,
    private readonly browser: Browser,
  ) {
    this.loopback = isLoopback(url);
    this.safe = this.loopback || url.protocol === "https:";
  }

  /** A failure is not remembered: the next call asks again. */
  discover(): Promise<oauth.AuthorizationServer> {
    this.metadata ??= oauth
      .discoveryRequest(this.url, { algorithm: "oidc", ...this.options() })
      .then((response) => oauth.processDiscoveryResponse(this.url, response))
      .catch((error: unknown) => {
        this.metadata = undefined;
        throw error;
      });
    return this.metadata;
  }

  /** Why it could not be asked. A request whose answer may not be read tells a server that is there from none. */
  async diagnose(): Promise<"insecure" | "offline" | "hostName" | "unreachable"> {
    if (!this.safe || !("subtle" in crypto)) return "insecure"; // `subtle` is in secure contexts only
    if (!this.browser.online()) return "offline";
    const known = await this.discover().then(() => true, () => false);
    if (known) return "unreachable"; // it has come back meanwhile
    const request = { mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) } as const;
    return this.browser.fetch(this.url, request).then(({ type }) => (type === "opaque" ? "hostName" : "unreachable"), () => "unreachable");
  }

  options() {
    return {
      [oauth.customFetch]: this.browser.fetch as (url: string, init: object) => Promise<Response>,
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- deprecated to stand out; development on loopback only
      [oauth.allowInsecureRequests]: this.loopback,
      signal: AbortSignal.timeout(TIMEOUT),
    };
  }
}
