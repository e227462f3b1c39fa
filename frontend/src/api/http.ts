/**
 * Sends requests to our own API: bearer token, timeout, problem documents (RFC 9457). A refused token is replaced once;
 * when the new one is refused too, the session has ended.
 */
import { SessionEnded } from "../auth";
import { fits } from "./shapes";
import type { Problem } from "./types";

export interface TokenSource {
  accessToken(refused?: string): Promise<string>;
  end(): void;
}

/** The API answered with a problem. */
export class ApiError extends Error {
  constructor(
    readonly problem: Problem,
    /** Milliseconds that the server asks us to wait. */
    readonly retryAfter: number | undefined,
  ) {
    super(problem.detail ?? problem.title);
  }
}

/** No answer came: offline, refused, timed out. */
export class Unreachable extends Error {}

const TIMEOUT = 15_000;
const ERRORS = [{ pointer: "", detail: "" }];

export class Http {
  constructor(
    private readonly fetcher: typeof fetch,
    private readonly auth: TokenSource,
  ) {}

  /** A `fetch` with our bearer token. Throws SessionEnded, Unreachable, or the abort of the request's own signal. */
  readonly fetch = async (request: Request): Promise<Response> => {
    const token = await this.auth.accessToken();
    let response = await this.send(request.clone(), token);
    if (response.status === 401) {
      response = await this.send(request, await this.auth.accessToken(token));
    }
    if (response.status === 401) {
      this.auth.end();
      throw new SessionEnded();
    }
    return response;
  };

  private async send(request: Request, token: string): Promise<Response> {
    request.headers.set("Authorization", `Bearer ${token}`);
    const signal = firstOf(request.signal, AbortSignal.timeout(TIMEOUT));
    try {
      return await this.fetcher(request, { signal, cache: "no-store" }); // validators are ours; a 304 must reach us
    } catch (error) {
      if (request.signal.aborted) throw error;
      throw new Unreachable("no answer", { cause: error });
    }
  }
}

/** A signal that aborts with the first of these. `AbortSignal.any` does the same in browsers of 2024 and later. */
function firstOf(...signals: readonly AbortSignal[]): AbortSignal {
  const first = new AbortController();
  for (const signal of signals) {
    const follow = () => first.abort(signal.reason);
    if (signal.aborted) follow();
    else signal.addEventListener("abort", follow, { once: true });
  }
  return first.signal;
}

/** body: what the answer held, parsed where it was JSON. */
export function problemOf(body: unknown, { headers, status }: Response): ApiError {
  const requestId = headers.get("X-Request-ID") ?? undefined;
  const fallback: Problem = { title: `The server answered ${status}`, status, code: "unknown" };
  const read: [string, unknown][] = typeof body === "object" && body !== null ? Object.entries(body) : [];
  const said = read.filter(([name, value]) => (name === "errors" ? fits(value, ERRORS) : typeof value === "string"));
  const problem: Problem = { ...fallback, ...(requestId !== undefined && { requestId }), ...Object.fromEntries(said) };
  return new ApiError(problem, retryAfter(headers.get("Retry-After")));
}

/** Retry-After (RFC 9110, 10.2.3): seconds or a date; in milliseconds from now. */
export function retryAfter(value: string | null, now = Date.now()): number | undefined {
  if (value === null) return undefined;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}
