/**
 * What to say when something went wrong, and the one thing to offer next. The API's own messages are shown as they
 * are; codes decide what can be done about them.
 */
import { ApiError } from "./api/http";
import type { Execution } from "./api/types";

export type NextStep = "requestToken" | "retry";

export interface Explanation {
  title: string;
  text?: string;
  requestId?: string;
  next?: NextStep;
}

const UNREACHABLE: Explanation = {
  title: "No answer from the server",
  text: "Check your connection. Nothing was lost; try again in a moment.",
  next: "retry",
};

/** Codes that deserve more than the server's own sentence. */
const BY_CODE: Record<string, { title: string; next?: NextStep }> = {
  task_not_found: { title: "This task no longer exists" },
  task_not_executable: { title: "This task can't be executed now" },
  task_not_linkable: { title: "This task can't take another token now" },
  token_not_found: { title: "This offline token no longer exists", next: "requestToken" },
  vault_unavailable: { title: "The token vault is not available", next: "retry" },
  service_unavailable: { title: "The service is not available", next: "retry" },
  storage_unavailable: { title: "The service is not available", next: "retry" },
  provider_unavailable: { title: "The authorization server is not available", next: "retry" },
  rate_limited: { title: "Too many requests", next: "retry" },
  forbidden: { title: "You may not do this" },
  invalid_input: { title: "Please check what you entered" },
};

export function explain(error: unknown): Explanation {
  if (!(error instanceof ApiError)) return UNREACHABLE;
  const { code, title, detail, requestId, status } = error.problem;
  const known = BY_CODE[code] ?? { title, ...(status >= 500 && { next: "retry" as const }) };
  const text = [detail, waitAdvice(error.retryAfter)].filter(Boolean).join(" ");
  return { ...known, ...(text !== "" && { text }), ...(requestId !== undefined && { requestId }) };
}

/** Answers of `execute` that start nothing ("Error Handling" of the document); undefined when it is executing. */
export function explainExecution({ status, message }: Execution): Explanation | undefined {
  switch (status) {
    case "executing":
      return undefined;
    case "needs_consent":
      return { title: message, next: "requestToken" };
    case "waiting_consent":
      return { title: message, text: "Complete the consent at the authorization server.", next: "requestToken" };
    case "token_failed":
      return { title: message, text: "Request a new token to go on.", next: "requestToken" };
  }
}

const RETURNS: Record<string, { title: string; text: string }> = {
  consent_denied: { title: "Consent was not granted", text: "Without it the task can't work for you. You can ask again at any time." },
  consent_expired: { title: "The consent request has expired", text: "It is good for ten minutes. Please request the offline token again." },
  consent_invalid: { title: "This consent link is not valid", text: "It was used already, or opened in another browser. Please request the offline token again." },
  wrong_user: { title: "A different person gave the consent", text: "Sign in at the authorization server as the same person as here, then request the offline token again." },
  provider_unavailable: { title: "The authorization server is not available", text: "No token was stored. Please try again in a moment." },
  provider_error: { title: "The authorization server refused the request", text: "No token was stored. Please request the offline token again." },
  internal_error: { title: "Something went wrong on our side", text: "No token was stored. Please request the offline token again." },
};

/** The `error` code with which the vault's callback sends the browser back. */
export function explainReturn(code: string): Explanation {
  const known = RETURNS[code] ?? { title: "The offline token was not granted", text: `The reason given is “${code}”.` };
  return { ...known, next: "requestToken" };
}

function waitAdvice(retryAfter: number | undefined): string | undefined {
  if (retryAfter === undefined || retryAfter === 0) return undefined;
  const seconds = Math.ceil(retryAfter / 1000);
  return `Try again in ${seconds} ${seconds === 1 ? "second" : "seconds"}.`;
}
