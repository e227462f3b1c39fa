import { describe, expect, it } from "vitest";

import { ApiError } from "../src/api/http";
import { fieldErrors, readTask } from "../src/tasks/form";
import { parametersOf, valueOf } from "../src/tasks/parameters";

/** The schema of a kind as msgspec writes it. */
const SCHEMA = {
  $ref: "#/$defs/HttpParameters",
  $defs: {
    Method: { enum: ["GET", "POST"] },
    HttpParameters: {
      type: "object",
      properties: {
        url: { type: "string", minLength: 1, maxLength: 2000 },
        method: { $ref: "#/$defs/Method", default: "GET" },
        headers: { type: "object", default: {} },
        body: { anyOf: [{ type: "string", maxLength: 12000 }, { type: "null" }], default: null },
        tries: { type: "integer", default: 3 },
        follow: { type: "boolean", default: false },
      },
      required: ["url"],
    },
  },
};

describe("the parameters of a kind", () => {
  it("are fields by their types, with what is taken when nothing is given", () => {
    expect(parametersOf(SCHEMA).map(({ name, shape, required, usual }) => [name, shape, required, usual])).toEqual([
      ["url", "line", true, ""],
      ["method", "choice", false, "GET"],
      ["headers", "json", false, "{}"],
      ["body", "text", false, ""],
      ["tries", "number", false, "3"],
      ["follow", "check", false, "false"],
    ]);
    expect(parametersOf(SCHEMA)[1]?.choices).toEqual(["GET", "POST"]);
    expect(parametersOf({ type: "object", properties: {} })).toEqual([]);
  });

  it("are written with their types; an empty field says nothing, and what does not fit is the server's to refuse", () => {
    const typed = { url: "https://a.example", method: "", headers: '{"X-A": "b"}', tries: "2", follow: "true" };
    expect(valueOf(parametersOf(SCHEMA), typed)).toEqual({ url: "https://a.example", headers: { "X-A": "b" }, tries: 2, follow: true });
    expect(valueOf(parametersOf(SCHEMA), { headers: "{", tries: "two" })).toEqual({ headers: "{", tries: "two" });
  });

  it("go with the task, and the server's objection stands at the field", () => {
    const read = readTask({ name: "n", kind: "http", parameters: '{"url":"x"}', access: "p1" });
    expect(read).toEqual({ task: { name: "n", description: "", kind: "http", parameters: { url: "x" }, persistentTokenId: "p1" } });
    const errors = [{ pointer: "/parameters/url", detail: "is not allowed" }, { pointer: "/parameters/headers/X-A", detail: "is secret" }, { pointer: "/kind", detail: "is unknown" }];
    const error = new ApiError({ title: "Invalid", status: 422, code: "parameters_invalid", errors }, undefined);
    expect(fieldErrors(error)).toEqual({ "parameters.url": "is not allowed", "parameters.headers": "is secret", kind: "is unknown" });
  });
});
