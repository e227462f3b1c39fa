/**
 * One request to our own API: bearer token, JSON, problem documents (RFC 9457). A refused token is replaced once; if
 * the new one is refused too, the session is over.
 */
import { SessionEnded } from "../auth";
import type { Problem } from "./types";

export interface TokenSource {
  accessToken(refused?: string): Promise<string>;
  end(): void;
}

export interface RequestOptions {
  body?: object;
  etag?: string | undefined;
  signal?: AbortSignal;
}

export interface Reply<T> {
  /** Undefined when the server says that `etag` is still current. */
  data: T | undefined;
  etag: string | undefined;
}

/** The API answered, with a problem. */
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

export class Http {
  constructor(
    private readonly fetcher: typeof fetch,
    private readonly auth: TokenSource,
  ) {}

  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<Reply<T>> {
    const response = await this.answer(method, path, options);
    const etag = response.headers.get("ETag") ?? undefined;
    return { data: response.status === 304 ? undefined : ((await response.json()) as T), etag };
  }

  /** A file. */
  async blob(path: string): Promise<Blob> {
    return (await this.answer("GET", path, {})).blob();
  }

  private async answer(method: string, path: string, options: RequestOptions): Promise<Response> {
    const token = await this.auth.accessToken();
    let response = await this.send(method, path, token, options);
    if (response.status === 401) {
      response = await this.send(method, path, await this.auth.accessToken(token), options);
    }
    if (response.status === 401) {
      this.auth.end();
      throw new SessionEnded();
    }
    if (!response.ok && response.status !== 304) throw await problemOf(response);
    return response;
  }

  /** Like `request`, for calls that always answer with a body. */
  async json<T>(method: string, path: string, body?: object): Promise<T> {
    const { data } = await this.request<T>(method, path, body === undefined ? {} : { body });
    return data as T;
  }

  private async send(method: string, path: string, token: string, options: RequestOptions): Promise<Response> {
    const headers = new Headers({ Accept: "application/json", Authorization: `Bearer ${token}` });
    if (options.body !== undefined) headers.set("Content-Type", "application/json");
    if (options.etag !== undefined) headers.set("If-None-Match", options.etag);
    const timeout = AbortSignal.timeout(TIMEOUT);
    try {
      return await this.fetcher(path, {
        method,
        headers,
        cache: "no-store", // validators are ours; a 304 must reach us
        body: options.body === undefined ? null : JSON.stringify(options.body),
        signal: options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]),
      });
    } catch (error) {
      if (options.signal?.aborted === true) throw error;
      throw new Unreachable("no answer", { cause: error });
    }
  }
}

async function problemOf(response: Response): Promise<ApiError> {
  const requestId = response.headers.get("X-Request-ID") ?? undefined;
  const fallback: Problem = { title: `The server answered ${response.status}`, status: response.status, code: "unknown" };
  const read = (await response.json().catch(() => ({}))) as Partial<Problem>;
  const problem: Problem = { ...fallback, ...(requestId !== undefined && { requestId }), ...read };
  return new ApiError(problem, retryAfter(response.headers.get("Retry-After")));
}

/** Retry-After (RFC 9110, 10.2.3): seconds or a date; in milliseconds from now. */
export function retryAfter(value: string | null, now = Date.now()): number | undefined {
  if (value === null) return undefined;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}
