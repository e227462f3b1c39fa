/** A sign-in that has left for the authorization server: what is kept of it, and the request it leaves with. */
import * as oauth from "oauth4webapi";

import { kept, pathOf, type Browser } from "./browser";

export interface Flight {
  state: string;
  nonce: string;
  verifier: string;
  returnTo: string;
  silent: boolean;
}

const FLIGHT = "login-in-flight";

/** The address to leave for: an authorization request with PKCE (RFC 7636); its flight is kept in this tab. */
export async function takeOff(browser: Browser, endpoint: string, client: { id: string; redirectUri: string }, silent: boolean): Promise<string> {
  const flight: Flight = {
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    verifier: oauth.generateRandomCodeVerifier(),
    returnTo: pathOf(browser.url()),
    silent,
  };
  const url = new URL(endpoint);
  const parameters = {
    client_id: client.id,
    redirect_uri: client.redirectUri,
    response_type: "code",
    scope: "openid profile",
    state: flight.state,
    nonce: flight.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(flight.verifier),
    code_challenge_method: "S256",
    ...(silent && { prompt: "none" }),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  browser.tabStorage.setItem(FLIGHT, JSON.stringify(flight));
  return url.href;
}

/** The flight of this tab, if there is one; it lands once. */
export function land(browser: Browser): Flight | undefined {
  const flight = kept(browser.tabStorage, FLIGHT, { state: "", nonce: "", verifier: "", returnTo: "", silent: true });
  browser.tabStorage.removeItem(FLIGHT);
  return flight as Flight | undefined;
}
