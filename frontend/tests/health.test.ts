import { describe, expect, it } from "vitest";

import { ServerClock } from "../src/clock";
import { healthOf, WaitingRoom, type Signs } from "../src/health";
import { task } from "./stand-ins";

const report = (signs: Partial<Signs>) =>
  healthOf({ tasks: { state: "live" }, vault: { state: "live" }, rows: [], online: true, clockOffset: 0, workerLate: 0, ...signs });

describe("the health sentence", () => {
  it("is short when all is well", () => expect(report({})).toEqual({ state: "live", text: "Live" }));

  it("tells this machine's network from a server that does not answer", () => {
    expect(report({ tasks: { state: "offline" }, online: false }).text).toContain("Offline");
    expect(report({ tasks: { state: "offline" } }).text).toContain("No answer from the server");
  });

  it.each([
    ["service_unavailable", "Task service unavailable"],
    ["provider_unavailable", "Authorization server unavailable"],
    ["no_json", "Something changes the server's answers"],
    ["rate_limited", "Too many requests – waiting a moment"],
  ])("names the part behind %s", (code, text) => expect(report({ tasks: { state: "trouble", code } })).toMatchObject({ state: "trouble", text }));

  it("counts the tasks that wait for the vault", () => {
    const vault = { state: "trouble", code: "audit_unavailable" } as const;
    expect(report({ vault }).text).toBe("Vault unavailable");
    expect(report({ vault, rows: [task({ status: "queued" }), task({ id: "task-2", status: "running" })] }).text)
      .toBe("Vault unavailable: 2 tasks wait for it");
  });

  it("tells a clock that is wrong", () => {
    expect(report({ clockOffset: 3_600_000 }).text).toBe("This device's clock is 60 minutes behind");
    expect(report({ clockOffset: -120_000 }).text).toBe("This device's clock is 2 minutes ahead");
  });

  it("says what to do, whatever is wrong", () => {
    for (const code of ["service_unavailable", "provider_unavailable", "no_json", "brand_new"]) {
      expect(report({ tasks: { state: "trouble", code } }).advice).not.toBe("");
      expect(report({ vault: { state: "trouble", code } }).advice).not.toBe("");
    }
    expect(report({ workerLate: 1 })).toMatchObject({ text: "Worker unavailable: 1 task waits", advice: expect.any(String) as string });
  });
});

describe("tasks that wait for a worker", () => {
  const queued = [task({ status: "queued" })];

  it("are late after a quarter of a minute in which none runs", () => {
    const room = new WaitingRoom();
    expect(room.late(queued, 0)).toBe(0);
    expect(room.late(queued, 15_000)).toBe(0);
    expect(room.late(queued, 16_000)).toBe(1);
    expect(room.late([...queued, task({ id: "task-2", status: "running" })], 17_000)).toBe(0);
  });

  it("start anew when they were queued again", () => {
    const room = new WaitingRoom();
    room.late(queued, 0);
    room.late([task({ status: "completed" })], 5_000);
    expect(room.late(queued, 20_000)).toBe(0);
  });
});

describe("the server's clock", () => {
  const at = (date: string | null) => {
    const clock = new ServerClock(() => Date.parse("2025-01-18T12:00:00Z"));
    clock.observe(new Response(null, { headers: date === null ? {} : { Date: date } }));
    return clock;
  };

  it("is read from the Date header", () => {
    expect(at("Sat, 18 Jan 2025 13:00:00 GMT").offset.value).toBe(3_600_000);
    expect(at("Sat, 18 Jan 2025 13:00:00 GMT").serverNow()).toBe(Date.parse("2025-01-18T13:00:00Z"));
  });

  it("does not differ by what an answer takes, or by a header that is none", () => {
    for (const date of ["Sat, 18 Jan 2025 12:01:00 GMT", "soon", null]) expect(at(date).offset.value).toBe(0);
  });
});
