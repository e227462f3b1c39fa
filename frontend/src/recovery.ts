/**
 * What to say when something went wrong, and the one thing to offer next. The API's own messages are shown as they
 * are; codes decide what can be done about them.
 */
import { ApiError } from "./api/http";
import type { Execution } from "./api/types";
import { maybe, t, type TextKey } from "./texts";

export type NextStep = "requestToken" | "retry";

export interface Explanation {
  title: string;
  text?: string;
  requestId?: string;
  next?: NextStep;
}

/** Codes whose next step is not: try again if the server had trouble. */
const NEXT: Record<string, NextStep> = { token_not_found: "requestToken", rate_limited: "retry" };

/** online: false when this machine knows that it has no network. */
export function explain(error: unknown, online = true): Explanation {
  if (error instanceof ApiError) return explainProblem(error);
  if (error instanceof SyntaxError) return { title: t("problem.no_json"), text: t("advice.no_json"), next: "retry" };
  const kind = online ? "noAnswer" : "offline";
  return { title: t(`problem.${kind}`), text: t(`advice.${kind}`), next: "retry" };
}

function explainProblem({ problem, retryAfter }: ApiError): Explanation {
  const { code, detail, requestId, status } = problem;
  const next = NEXT[code] ?? (status >= 500 ? "retry" : undefined);
  const text = [detail, maybe(`advice.${code}`), waitAdvice(retryAfter)].filter(Boolean).join(" ");
  return {
    title: maybe(`problem.${code}`) ?? problem.title,
    ...(text !== "" && { text }),
    ...(requestId !== undefined && { requestId }),
    ...(next && { next }),
  };
}

/** Answers of `execute` that start nothing ("Error Handling" of the document); undefined when it is executing. */
export function explainExecution({ status, message }: Execution): Explanation | undefined {
  switch (status) {
    case "executing":
      return undefined;
    case "needs_consent":
      return { title: message, next: "requestToken" };
    case "waiting_consent":
      return { title: message, text: t("advice.waiting_consent"), next: "requestToken" };
    case "token_failed":
      return { title: message, text: t("advice.token_failed"), next: "requestToken" };
  }
}

/** The `error` code with which the vault's callback sends the browser back. */
export function explainReturn(code: string): Explanation {
  const title = maybe(`return.${code}`);
  const text = title === undefined ? t("return.other.text", { code }) : t(`return.${code}.text` as TextKey);
  return { title: title ?? t("return.other"), text, next: "requestToken" };
}

function waitAdvice(retryAfter: number | undefined): string | undefined {
  if (retryAfter === undefined || retryAfter === 0) return undefined;
  return t("advice.wait", { seconds: Math.ceil(retryAfter / 1000) });
}
