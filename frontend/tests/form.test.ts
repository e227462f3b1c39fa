import { describe, expect, it } from "vitest";

import { ApiError } from "../src/api/http";
import { fieldErrors, readTask } from "../src/tasks/form";

describe("the form of a new task", () => {
  it("is a name and a description, without what was left empty", () => {
    expect(readTask({ name: " Report ", description: " All files ", attempts: "", backoff: "", maxBackoff: "" }))
      .toEqual({ task: { name: "Report", description: "All files" } });
  });

  it("has a retry policy when more than one attempt is asked for", () => {
    expect(readTask({ name: "Report", attempts: "5" })).toMatchObject({ task: { retry: { maxAttempts: 5 } } });
    expect(readTask({ name: "Report", attempts: "5", backoff: "0.5", maxBackoff: "60" }))
      .toMatchObject({ task: { retry: { maxAttempts: 5, backoff: 0.5, maxBackoff: 60 } } });
    expect(readTask({ name: "Report", attempts: "1", backoff: "x" })).toEqual({ task: { name: "Report", description: "" } });
  });

  it.each([
    [{ name: "  " }, ["name"]],
    [{ name: "Report", attempts: "0" }, ["attempts"]],
    [{ name: "Report", attempts: "21" }, ["attempts"]],
    [{ name: "Report", attempts: "2.5" }, ["attempts"]],
    [{ name: "Report", attempts: "many" }, ["attempts"]],
    [{ name: "Report", attempts: "2", backoff: "-1" }, ["backoff"]],
    [{ name: "Report", attempts: "2", maxBackoff: "86401" }, ["maxBackoff"]],
    [{ name: "Report", attempts: "2", backoff: "soon", maxBackoff: "later" }, ["backoff", "maxBackoff"]],
  ])("%j is refused at %j", (fields, wrong) => {
    const read = readTask(fields);
    expect("errors" in read && Object.keys(read.errors)).toEqual(wrong);
  });

  it("takes the server's objections to the fields that they are about", () => {
    const errors = [{ pointer: "/retry/maxBackoff", detail: "Too long." }, { pointer: "/elsewhere", detail: "No." }];
    expect(fieldErrors(new ApiError({ title: "Invalid", status: 422, code: "invalid_input", errors }, undefined))).toEqual({ maxBackoff: "Too long." });
  });
});
