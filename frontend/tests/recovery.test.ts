import { describe, expect, it } from "vitest";

import { ApiError, Unreachable } from "../src/api/http";
import { explain, explainExecution, explainReturn } from "../src/recovery";

function refused(code: string, status = 500, retryAfter?: number): ApiError {
  return new ApiError({ title: "Title", status, detail: "Detail.", code, requestId: "r-1" }, retryAfter);
}

describe("answers of execute (the document's Error Handling)", () => {
  it.each([
    ["needs_consent", "Task needs offline token. Please request consent first."],
    ["waiting_consent", "Waiting for user to grant consent"],
    ["token_failed", "Token request failed. Please try again."],
  ] as const)("%s shows the message verbatim and offers a token request", (status, message) => {
    expect(explainExecution({ status, message, taskId: "task-1" })).toMatchObject({ title: message, next: "requestToken" });
  });

  it("executing is no trouble", () => {
    expect(explainExecution({ status: "executing", message: "Task is running", taskId: "task-1" })).toBeUndefined();
  });
});

describe("problems", () => {
  it("keep the server's detail and the request id", () => {
    expect(explain(refused("forbidden", 403))).toEqual({ title: "You may not do this", text: "Detail.", requestId: "r-1" });
  });

  it("that pass say how long to wait and offer another try", () => {
    const said = explain(refused("vault_unavailable", 503, 5_000));
    expect(said).toMatchObject({ text: "Detail. Try again in 5 seconds.", next: "retry" });
  });

  it("of the task's state offer nothing that can't help", () => {
    expect(explain(refused("task_not_executable", 409)).next).toBeUndefined();
    expect(explain(refused("task_not_found", 404)).next).toBeUndefined();
  });

  it("with an unknown code show the server's title; a retry only when the fault is its own", () => {
    expect(explain(refused("brand_new", 418))).toEqual({ title: "Title", text: "Detail.", requestId: "r-1" });
    expect(explain(refused("brand_new", 500)).next).toBe("retry");
  });

  it("without an answer point at the connection", () => {
    expect(explain(new Unreachable())).toMatchObject({ title: "No answer from the server", next: "retry" });
  });
});

describe("coming back from consent with an error", () => {
  it.each(["consent_denied", "consent_expired", "consent_invalid", "wrong_user", "provider_unavailable", "provider_error", "internal_error"])(
    "%s has words of its own and the way to ask again", (code) => {
      const said = explainReturn(code);
      expect(said.title + String(said.text)).not.toContain(code);
      expect(said.next).toBe("requestToken");
    });

  it("names a code it does not know", () => {
    expect(explainReturn("brand_new").text).toContain("brand_new");
  });
});
