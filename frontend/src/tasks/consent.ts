/** The way to the consent page and back: what is kept of it is the pending id, and what it is for. Never a token. */
import { isLoopback, kept, pathOf } from "../browser";

/** How the vault's callback sends the browser back to /tasks. */
export type ConsentReturn =
  | { kind: "granted"; persistentTokenId: string; taskId: string | undefined }
  | { kind: "refused"; code: string; taskId: string | undefined };

/** A consent that this tab has left for. */
export interface Plan {
  persistentTokenId: string;
  /** Who has left; nobody else may go on with it. */
  subject: string;
  /** The tasks that shall use the grant. */
  taskIds: readonly string[];
  /** The grants that it replaces. */
  replaces: readonly string[];
  /** The path to come back to. */
  returnTo: string;
}

const PLAN = "consent-in-flight";
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
  return pathOf(rest);
}

export function keepPlan(storage: Storage, plan: Plan): void {
  storage.setItem(PLAN, JSON.stringify(plan));
}

/** The plan of the consent that this tab has left for; it is good for one return. */
export function takePlan(storage: Storage): Plan | undefined {
  const plan = kept(storage, PLAN, { persistentTokenId: "", subject: "", taskIds: [""], replaces: [""], returnTo: "" });
  storage.removeItem(PLAN);
  return plan as Plan | undefined;
}

/** Refuses to send the browser anywhere but to a web page over TLS, or on this machine. base: of an address that is a path. */
export function consentPage(consentUrl: string, base?: URL): string {
  const url = new URL(consentUrl, base);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url))) {
    throw new Error("the consent page is not at a safe address");
  }
  return url.href;
}

function matching(value: string | null, pattern: RegExp): string | undefined {
  return value !== null && pattern.test(value) ? value : undefined;
}
