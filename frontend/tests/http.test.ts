import { beforeEach, describe, expect, it } from "vitest";

import { Api } from "../src/api/client";
import { ApiError, Http, retryAfter, Unreachable } from "../src/api/http";
import { SessionEnded } from "../src/auth";
import { grant, json, scripted, task } from "./stand-ins";

const TASKS = { tasks: [task()] };

let requests: Request[];
let options: (RequestInit | undefined)[];
let answers: (() => Response)[];
let ended: boolean;
let api: Api;

beforeEach(() => {
  requests = [];
  options = [];
  ended = false;
  const fetcher = (request: Request, init?: RequestInit) => {
    requests.push(request);
    options.push(init);
    const answer = answers.shift();
    return answer === undefined ? Promise.reject(new TypeError("offline")) : Promise.resolve(answer());
  };
  const http = new Http(fetcher as typeof fetch, {
    accessToken: (refused) => Promise.resolve(refused === undefined ? "first" : "second"),
    end: () => void (ended = true),
  });
  api = new Api(http.fetch);
});

const list = (etag?: string, signal = new AbortController().signal) => api.listTasks({}, etag, signal);

describe("a request", () => {
  it("carries the bearer token and JSON", async () => {
    answers = [() => json(201, task())];
    expect(await api.createTask({ name: "n" })).toEqual(task());
    const [request] = requests;
    expect(request?.headers.get("Authorization")).toBe("Bearer first");
    expect(request?.headers.get("Accept")).toBe("application/json");
    expect(request?.headers.get("Content-Type")).toBe("application/json");
    expect(await request?.text()).toBe('{"name":"n"}');
  });

  it("sends the validator and reports that nothing changed", async () => {
    answers = [() => new Response(null, { status: 304, headers: { ETag: 'W/"1"' } })];
    expect(await list('W/"1"')).toEqual({ data: undefined, etag: 'W/"1"' });
    expect(requests[0]?.headers.get("If-None-Match")).toBe('W/"1"');
    expect(options[0]?.cache).toBe("no-store");
  });

  it("sends no validator when there is none, and keeps the one that comes", async () => {
    answers = [() => json(200, TASKS, { ETag: 'W/"2"' })];
    expect(await list()).toEqual({ data: TASKS, etag: 'W/"2"' });
    expect(requests[0]?.headers.has("If-None-Match")).toBe(false);
  });

  it("is made again, body included, with another token when the first is refused", async () => {
    answers = [() => json(401, {}), () => json(201, task())];
    expect(await api.createTask({ name: "n" })).toEqual(task());
    expect(requests.map(({ headers }) => headers.get("Authorization"))).toEqual(["Bearer first", "Bearer second"]);
    expect(await Promise.all(requests.map((request) => request.text()))).toEqual(['{"name":"n"}', '{"name":"n"}']);
  });

  it("ends the session when the other token is refused too", async () => {
    answers = [() => json(401, {}), () => json(401, {})];
    await expect(list()).rejects.toBeInstanceOf(SessionEnded);
    expect(ended).toBe(true);
    expect(requests).toHaveLength(2);
  });

  it("reads problem documents and Retry-After", async () => {
    const problem = { title: "Busy", status: 503, code: "vault_unavailable", requestId: "r-1" };
    answers = [() => json(503, problem, { "Retry-After": "7", "X-Request-ID": "gateway" })];
    const error = await list().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ problem, retryAfter: 7_000 });
  });

  it("knows the request id of an answer that is no problem document", async () => {
    answers = [() => new Response("<html>", { status: 502, headers: { "X-Request-ID": "gateway" } })];
    await expect(api.deleteTask("task-1")).rejects.toMatchObject({ problem: { requestId: "gateway", code: "unknown" } });
  });

  it("says when no answer came", async () => {
    answers = [];
    await expect(list()).rejects.toBeInstanceOf(Unreachable);
  });

  it("that the caller gives up is not unreachable", async () => {
    answers = [];
    await expect(list(undefined, AbortSignal.abort())).rejects.not.toBeInstanceOf(Unreachable);
  });
});

describe("the grants", () => {
  it("are all pages, each grant once", async () => {
    const page = (ids: string[], next?: string) => ({ tokens: ids.map((id) => grant({ persistentTokenId: id })), next });
    const all = new Api(
      scripted({
        "GET /api/auth/manager/tokens": Response.json(page(["a", "b"], "x")),
        "GET /api/auth/manager/tokens?after=x": Response.json(page(["b", "c"])),
      }, []),
    );
    const { data } = await all.listGrants(new AbortController().signal);
    expect(data?.tokens.map((grant) => grant.persistentTokenId)).toEqual(["a", "b", "c"]);
  });
});

describe("every call", () => {
  it("goes to its address, with what it is about", async () => {
    const calls: string[] = [];
    const file = new Response("at,event\r\n", { headers: { "Content-Type": "text/csv" } });
    const answers = {
      "GET /api/tasks?status=failed&limit=100": { tasks: [] },
      "POST /api/tasks": task(),
      "POST /api/tasks/task-1/link-persistent-id": task(),
      "POST /api/tasks/task-1/execute": { status: "executing", message: "Task is now running" },
      "POST /api/auth/manager/offline-consent": { persistentTokenId: "p1", consentUrl: "https://login.example/" },
      "GET /api/auth/manager/tokens": { tokens: [] },
      "GET /api/auth/manager/tokens/p1/audit?limit=20": { lines: [] },
      "GET /api/auth/manager/tokens/p1/audit?limit=20&before=7": { lines: [] },
      "GET /api/auth/manager/tokens/p%2F1/audit/export?format=csv": file,
      "POST /api/auth/manager/tokens/p1/check": grant(),
    };
    const all = new Api(scripted(answers, calls));
    await all.listTasks({ status: "failed", limit: 100 }, undefined, new AbortController().signal);
    await all.createTask({ name: "n", description: "d" });
    await all.deleteTask("task-1");
    await all.linkToken("task-1", "p1");
    await all.executeTask("task-1");
    await all.requestConsent(["task-1"]);
    await all.listGrants(new AbortController().signal);
    await all.audit("p1", 20);
    await all.audit("p1", 20, 7);
    expect(await (await all.exportAudit("p/1", "csv")).text()).toBe("at,event\r\n");
    await all.checkGrant("p1");
    await all.revokeToken("p1");
    expect(calls).toEqual([
      "GET /api/tasks?status=failed&limit=100",
      'POST /api/tasks {"name":"n","description":"d"}',
      "DELETE /api/tasks/task-1",
      'POST /api/tasks/task-1/link-persistent-id {"persistentTokenId":"p1"}',
      "POST /api/tasks/task-1/execute",
      'POST /api/auth/manager/offline-consent {"taskId":"task-1"}',
      "GET /api/auth/manager/tokens",
      "GET /api/auth/manager/tokens/p1/audit?limit=20",
      "GET /api/auth/manager/tokens/p1/audit?limit=20&before=7",
      "GET /api/auth/manager/tokens/p%2F1/audit/export?format=csv",
      "POST /api/auth/manager/tokens/p1/check",
      "DELETE /api/auth/manager/tokens/p1",
    ]);
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
