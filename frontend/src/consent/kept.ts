/**
 * What the vault's callback gives the page so that a person can confirm an account: it is in the address's fragment,
 * which reaches no server. It is taken out of the address before anything else happens, and kept in this tab, so that
 * signing in does not lose it.
 */
import { kept, type Browser } from "../browser";

export interface Kept {
  persistentTokenId: string;
  secret: string;
}

export const CONFIRM_PATH = "/consent/confirm";
const KEPT = "consent-to-confirm";
const ID = /^[\w-]{1,64}$/;
const SECRET = /^[\w-]{1,100}$/;

/** Call it before the page signs in. */
export function keepConfirmation(browser: Browser): void {
  const { pathname, hash } = browser.url();
  if (pathname !== CONFIRM_PATH || hash === "") return;
  browser.replacePath(CONFIRM_PATH);
  const given = new URLSearchParams(hash.slice(1));
  const [persistentTokenId, secret] = [given.get("id") ?? "", given.get("secret") ?? ""];
  if (ID.test(persistentTokenId) && SECRET.test(secret)) {
    browser.tabStorage.setItem(KEPT, JSON.stringify({ persistentTokenId, secret } satisfies Kept));
  }
}

export function keptConfirmation(storage: Storage): Kept | undefined {
  return kept(storage, KEPT, { persistentTokenId: "", secret: "" }) as Kept | undefined;
}

export function forgetConfirmation(storage: Storage): void {
  storage.removeItem(KEPT);
}
