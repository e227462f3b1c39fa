import { beforeEach, describe, expect, it } from "vitest";

import { ApiError, Http, retryAfter, Unreachable } from "../src/api/http";
import { SessionEnded } from "../src/auth";
import { json } from "./stand-ins";

let requests: { path: string; headers: Headers; init: RequestInit }[];
let answers: (() => Response)[];
let ended: boolean;
let http: Http;

beforeEach(() => {
  requests = [];
  ended = false;
  const fetcher = (path: string, init: RequestInit) => {
    requests.push({ path, init, headers: new Headers(init.headers) });
    const answer = answers.shift();
    return answer === undefined ? Promise.reject(new TypeError("offline")) : Promise.resolve(answer());
  };
  http = new Http(fetcher as typeof fetch, {
    accessToken: (refused) => Promise.resolve(refused === undefined ? "first" : "second"),
    end: () => void (ended = true),
  });
});

describe("a request", () => {
  it("carries the bearer token and JSON", async () => {
    answers = [() => json(200, { ok: true })];
    expect(await http.json("POST", "/api/tasks", { name: "n" })).toEqual({ ok: true });
    expect(requests[0]?.headers.get("Authorization")).toBe("Bearer first");
    expect(requests[0]?.headers.get("Content-Type")).toBe("application/json");
    expect(requests[0]?.init.body).toBe('{"name":"n"}');
  });

  it("sends the validator and reports that nothing changed", async () => {
    answers = [() => new Response(null, { status: 304, headers: { ETag: 'W/"1"' } })];
    expect(await http.request("GET", "/api/tasks", { etag: 'W/"1"' })).toEqual({ data: undefined, etag: 'W/"1"' });
    expect(requests[0]?.headers.get("If-None-Match")).toBe('W/"1"');
  });

  it("is made again with another token when the first is refused", async () => {
    answers = [() => json(401, {}), () => json(200, { ok: true })];
    expect(await http.json("GET", "/api/tasks")).toEqual({ ok: true });
    expect(requests.map(({ headers }) => headers.get("Authorization"))).toEqual(["Bearer first", "Bearer second"]);
  });

  it("ends the session when the other token is refused too", async () => {
    answers = [() => json(401, {}), () => json(401, {})];
    await expect(http.json("GET", "/api/tasks")).rejects.toBeInstanceOf(SessionEnded);
    expect(ended).toBe(true);
    expect(requests).toHaveLength(2);
  });

  it("reads problem documents and Retry-After", async () => {
    const problem = { title: "Busy", status: 503, code: "vault_unavailable", requestId: "r-1" };
    answers = [() => json(503, problem, { "Retry-After": "7", "X-Request-ID": "gateway" })];
    const error = await http.json("GET", "/api/tasks").catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ problem, retryAfter: 7_000 });
  });

  it("knows the request id of an answer that is no problem document", async () => {
    answers = [() => new Response("<html>", { status: 502, headers: { "X-Request-ID": "gateway" } })];
    await expect(http.json("GET", "/api/tasks")).rejects.toMatchObject({ problem: { requestId: "gateway", code: "unknown" } });
  });

  it("says when no answer came", async () => {
    answers = [];
    await expect(http.json("GET", "/api/tasks")).rejects.toBeInstanceOf(Unreachable);
  });
});

describe("retryAfter", () => {
  it("reads seconds and dates, and nothing else", () => {
    const now = Date.parse("2025-01-18T12:00:00Z");
    expect(retryAfter("3", now)).toBe(3_000);
    expect(retryAfter("Sat, 18 Jan 2025 12:00:30 GMT", now)).toBe(30_000);
    expect(retryAfter("Sat, 18 Jan 2025 11:00:00 GMT", now)).toBe(0);
    expect(retryAfter("soon", now)).toBeUndefined();
    expect(retryAfter(null, now)).toBeUndefined();
  });
});
