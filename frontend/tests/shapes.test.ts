/** Answers of another kind than the API's, at every call: each is told as what it is, and reaches no other part. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

import { Api } from "../src/api/client";
import { problemOf } from "../src/api/http";
import { fits, SHAPES, withoutNulls } from "../src/api/shapes";
import { kept, pathOf } from "../src/browser";
import { explain } from "../src/recovery";
import { takePlan } from "../src/tasks/consent";
import { fieldErrors } from "../src/tasks/form";
import { FakeStorage, grant, task } from "./stand-ins";

const signal = new AbortController().signal;
/** Every call that reads its answer. */
const CALLS: Record<string, (api: Api) => Promise<unknown>> = {
  listTasks: (api) => api.listTasks({}, undefined, signal),
  tasksOf: (api) => api.tasksOf("p1"),
  getTask: (api) => api.getTask("t"),
  batch: (api) => api.batch({ action: "execute", ids: ["t"] }),
  listKinds: (api) => api.listKinds(),
  createTask: (api) => api.createTask({ name: "n" }),
  linkToken: (api) => api.linkToken("t", "p1"),
  executeTask: (api) => api.executeTask("t"),
  cancelTask: (api) => api.cancelTask("t", ""),
  runTaskAgain: (api) => api.runTaskAgain("t"),
  listRuns: (api) => api.listRuns("t"),
  getRun: (api) => api.getRun("t", 1, 0),
  getSchedule: (api) => api.getSchedule("t"),
  runScheduledNow: (api) => api.runScheduledNow("t"),
  getGraph: (api) => api.getGraph("t"),
  requestConsent: (api) => api.requestConsent(["t"]),
  beginConsent: (api) => api.beginConsent("p1"),
  declineConsent: (api) => api.declineConsent("p1"),
  confirmConsent: (api) => api.confirmConsent("p1", "s"),
  renameToken: (api) => api.renameToken("p1", "n"),
  findGrant: (api) => api.findGrant("p1"),
  listGrants: (api) => api.listGrants(signal),
  audit: (api) => api.audit("p1", 20),
  listTickets: (api) => api.listTickets("p1"),
  checkGrant: (api) => api.checkGrant("p1"),
};
/** Calls whose answer says nothing that the page reads. */
const UNREAD = ["constructor", "deleteTask", "changeSchedule", "removeSchedule", "exportAudit", "endTicket", "revokeToken"];

const NULLS = Object.fromEntries(["tasks", "tokens", "runs", "nodes", "kinds", "lines", "tickets", "results", "nextRuns", "status"].map((name) => [name, null]));
const BODIES: Record<string, string> = {
  "HTML": "<!doctype html><title>Welcome to the hotel</title>",
  "nothing": "",
  "half": '{"tasks": [{"id": "ta',
  "null": "null",
  "a text": '"ok"',
  "a number": "7",
  "a list": "[]",
  "a list of null": "[null]",
  "an empty object": "{}",
  "null members": JSON.stringify(NULLS),
  "lists of null": JSON.stringify(Object.fromEntries(Object.keys(NULLS).map((name) => [name, [null]]))),
  "lists of numbers": JSON.stringify(Object.fromEntries(Object.keys(NULLS).map((name) => [name, [7]]))),
  "objects for lists": JSON.stringify(Object.fromEntries(Object.keys(NULLS).map((name) => [name, {}]))),
  "rows without members": JSON.stringify(Object.fromEntries(Object.keys(NULLS).map((name) => [name, [{}]]))),
  "a problem under 200": JSON.stringify({ title: "Trouble", status: 500, code: "trouble" }),
};

describe("a good answer of another kind", () => {
  it("is tried on every call", () => {
    expect([...Object.keys(CALLS), ...UNREAD].sort()).toEqual(Object.getOwnPropertyNames(Api.prototype).sort());
  });

  it.each(Object.keys(CALLS).flatMap((call) => Object.keys(BODIES).map((body) => [call, body] as const)))("%s refuses %s", async (call, body) => {
    const api = new Api(() => Promise.resolve(new Response(BODIES[body], { status: 200 })));
    const error: unknown = await CALLS[call]?.(api).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SyntaxError);
    expect(explain(error).title).toBe("The answer could not be read");
  });

  it.each([["a page of grants", { tokens: [grant()], next: "x" }]])("is refused on a later page too: %s", async (_, first) => {
    const pages = [first, { tokens: null }];
    const api = new Api(() => Promise.resolve(Response.json(pages.shift())));
    await expect(api.listGrants(signal)).rejects.toBeInstanceOf(SyntaxError);
  });

  it("may have null where a member may be absent", async () => {
    const api = new Api(() => Promise.resolve(Response.json({ tasks: [{ ...task(), schedule: null, result: null, lastRuns: null }], nextCursor: null, counts: null })));
    expect((await api.listTasks({}, undefined, signal)).data).toEqual({ tasks: [task()] });
  });
});

describe("the shapes", () => {
  const documents = ["tasks", "vault"].map((name) => JSON.parse(readFileSync(`../docs/openapi/${name}.json`, "utf8")) as { components: { schemas: Record<string, { required?: string[] }> } });
  const required = (schema: string) => documents.flatMap(({ components }) => components.schemas[schema]?.required ?? []);

  it.each([["task", "TaskView"], ["grant", "GrantView"], ["execution", "ExecutionView"], ["consent", "PendingConsent"], ["run", "RunRecordView"]] as const)(
    "name only members of a %s that every %s has", (shape, schema) => {
      expect(required(schema)).toEqual(expect.arrayContaining(Object.keys(SHAPES[shape])));
    });

  it("keep null in lists, where it stands for something", () => {
    expect(withoutNulls({ a: null, b: [null, { c: null, d: 0 }], e: "" })).toEqual({ b: [null, { d: 0 }], e: "" });
    expect(fits([null], [""])).toBe(false);
  });
});

describe("a problem of another kind", () => {
  const answer = new Response("", { status: 502, headers: { "X-Request-ID": "gateway" } });

  it.each([null, "x", 7, [], [null], { title: null, code: 7, detail: [], errors: "x", requestId: {} }, { errors: [null] }, { errors: [{ pointer: 1 }] }])("%j is told by its status", (body) => {
    const error = problemOf(body, answer);
    expect(error.problem).toMatchObject({ title: "The server answered 502", status: 502, code: "unknown", requestId: "gateway" });
    expect(fieldErrors(error)).toEqual({});
    expect(explain(error).title).toBe("The server answered 502");
  });
});

describe("what a storage holds", () => {
  it.each(["", "{", "null", "[]", '"x"', '{"taskIds": "t"}', '{"taskIds": [null]}'])("%j is as good as nothing", (text) => {
    const storage = new FakeStorage();
    storage.setItem("consent-in-flight", text);
    expect(kept(storage, "consent-in-flight", { taskIds: [""] })).toBeUndefined();
    expect(takePlan(storage)).toBeUndefined();
  });
});

describe("the path of an address", () => {
  it("names no other host", () => {
    expect(pathOf(new URL("https://tasks.example//evil.example/tasks?q=a"))).toBe("/evil.example/tasks?q=a");
    expect(pathOf(new URL("https://tasks.example/tasks"))).toBe("/tasks");
  });
});
