/** The way to the consent page and back: what is kept of it is the pending id alone, linked before we leave. */
import { isLoopback } from "../browser";

/** How the vault's callback sends the browser back to /tasks. */
export type ConsentReturn =
  | { kind: "granted"; persistentTokenId: string; taskId: string | undefined }
  | { kind: "refused"; code: string; taskId: string | undefined };

const ID = /^[\w-]{1,64}$/;
const CODE = /^[a-z_]{1,40}$/;

export function readReturn(search: URLSearchParams): ConsentReturn | undefined {
  const taskId = matching(search.get("task_id"), ID);
  const persistentTokenId = matching(search.get("persistent_token_id"), ID);
  if (persistentTokenId !== undefined) return { kind: "granted", persistentTokenId, taskId };
  const code = search.get("error");
  return code === null ? undefined : { kind: "refused", code: matching(code, CODE) ?? "unknown", taskId };
}

/** The same address without what `readReturn` reads. */
export function withoutReturn(url: URL): string {
  const rest = new URL(url);
  for (const name of ["persistent_token_id", "task_id", "error"]) rest.searchParams.delete(name);
  return rest.pathname + rest.search;
}

/** Refuses to send the browser anywhere but to a web page over TLS, or on this machine. */
export function consentPage(consentUrl: string): string {
  const url = new URL(consentUrl);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url))) {
    throw new Error("the consent page is not at a safe address");
  }
  return url.href;
}

function matching(value: string | null, pattern: RegExp): string | undefined {
  return value !== null && pattern.test(value) ? value : undefined;
}
