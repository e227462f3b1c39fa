import { describe, expect, it } from "vitest";

import { consentPage, readReturn, withoutReturn } from "../src/tasks/consent";

const read = (query: string) => readReturn(new URLSearchParams(query));

describe("the way back from consent", () => {
  it("reads the granted id and the task", () => {
    expect(read("persistent_token_id=550e8400-e29b-41d4-a716-446655440000&task_id=task-1")).toEqual({
      kind: "granted", persistentTokenId: "550e8400-e29b-41d4-a716-446655440000", taskId: "task-1",
    });
  });

  it("reads the error, with or without a task", () => {
    expect(read("error=consent_denied&task_id=task-1")).toEqual({ kind: "refused", code: "consent_denied", taskId: "task-1" });
    expect(read("error=wrong_user")).toEqual({ kind: "refused", code: "wrong_user", taskId: undefined });
  });

  it("takes nothing that does not look like an id or a code", () => {
    expect(read("persistent_token_id=../../x")).toBeUndefined();
    expect(read("error=%3Cb%3E")).toEqual({ kind: "refused", code: "unknown", taskId: undefined });
    expect(read("")).toBeUndefined();
  });

  it("leaves the rest of the address alone when it cleans it", () => {
    const url = new URL("https://tasks.example/tasks?q=report&persistent_token_id=p&task_id=t&error=e");
    expect(withoutReturn(url)).toBe("/tasks?q=report");
  });
});

describe("the way to consent", () => {
  it("goes to https anywhere, to http on this machine only, and nowhere else", () => {
    expect(consentPage("https://login.example/auth?x=1")).toBe("https://login.example/auth?x=1");
    expect(consentPage("http://localhost:8080/auth")).toBe("http://localhost:8080/auth");
    expect(() => consentPage("http://login.example/auth")).toThrow();
    expect(() => consentPage("javascript:alert(1)")).toThrow();
    expect(() => consentPage("nonsense")).toThrow();
  });
});
