import { describe, expect, it } from "vitest";

import { AuditTrails } from "../src/access/audit";
import { accessOf, endOf, nameOf } from "../src/access/view";
import { mandateOf, reasonOf } from "../src/access/words";
import type { AuditLine, AuditPage, Grant, Task } from "../src/api/types";
import { replacedBy } from "../src/consents";
import { comingRuns, nextOf } from "../src/lanes/coming";
import { axisOf, forecastOf, laneOf, marksOf, rangeFor, roundMoments, unitAt, WIDTH } from "../src/lanes/geometry";
import { nextRuns } from "../src/tasks/nextRuns";
import { grant, task } from "./stand-ins";

const NOW = Date.parse("2025-01-20T12:00:00Z");
const HOUR = 3_600_000;
const iso = (away: number) => new Date(NOW + away).toISOString();
const using = (id = "task-1", name = "Nightly export") => task({ id, name, persistentTokenId: "p1", offlineTokenStatus: "active" });
const one = (changes: Partial<Grant>, tasks: readonly Task[] = []) => {
  const [access] = accessOf([grant(changes)], tasks, NOW);
  if (access === undefined) throw new Error("none");
  return access;
};

describe("the group of a grant", () => {
  it.each([
    ["in use, when a task uses it", {}, [using()], "inUse"],
    ["unused, when none does", {}, [], "unused"],
    ["attention, when it ends within two days and a task uses it", { notAfter: iso(24 * HOUR) }, [using()], "attention"],
    ["unused, when it ends soon and no task cares", { notAfter: iso(24 * HOUR) }, [], "unused"],
    ["attention, when few uses are left", { maxUses: 10, uses: 8 }, [using()], "attention"],
    ["attention, when it has failed and a task relies on it", { status: "failed" }, [using()], "attention"],
    ["attention, when it was revoked and a task relies on it", { status: "revoked" }, [using()], "attention"],
    ["ended, when it is over", { status: "expired" }, [], "ended"],
    ["attention, while a task waits for its consent", { status: "pending" }, [using()], "attention"],
    ["ended, when nobody consented", { status: "pending" }, [], "ended"],
  ] as const)("is %s", (_, changes, tasks, group) => expect(one(changes, tasks).group).toBe(group));
});

describe("the words of a grant", () => {
  it("name it after its tasks, else after its day", () => {
    expect(nameOf(one({}, [using()]), "18 Jan")).toBe("Nightly export");
    expect(nameOf(one({}, [using(), using("task-2", "Report"), using("task-3")]), "18 Jan")).toBe("Nightly export and 2 more");
    expect(nameOf(one({}), "18 Jan")).toBe("Access of 18 Jan");
  });

  it("say who may act and for what, without the scopes that say nothing", () => {
    expect(mandateOf(grant())).toBe("task-service may act as you: email, profile.");
    expect(mandateOf(grant({ status: "revoked" }))).toBe("task-service may act as you no more.");
    expect(mandateOf(grant({ status: "pending" }))).toBe("Asked for task-service.");
    expect(mandateOf(grant({ scopes: ["openid"], services: ["a", "b"] }))).toBe("a, b may act as you: your identity.");
  });

  it("say why it needs its person", () => {
    expect(reasonOf(one({ status: "failed", failure: "reauthorization_required" }, [using()]), NOW)).toContain("new consent");
    expect(reasonOf(one({ status: "failed", failure: "brand_new" as "token_expired" }, [using()]), NOW)).toBe("It works no more.");
    expect(reasonOf(one({ notAfter: iso(HOUR) }, [using()]), NOW)).toContain("ends soon");
    expect(reasonOf(one({}, [using()]), NOW)).toBeUndefined();
  });

  it("take the earlier of two ends, and none for none", () => {
    expect(endOf(grant({ notAfter: iso(HOUR), expiresAt: iso(2 * HOUR) }))).toBe(NOW + HOUR);
    expect(endOf(grant())).toBeUndefined();
  });

  it.each(["pending", "failed", "revoked", "expired"] as const)("have no end to come while it is %s", (status) => {
    expect(one({ status, notAfter: iso(365 * 24 * HOUR) }).end).toBeUndefined();
    expect(one({ status: "active", notAfter: iso(365 * 24 * HOUR) }).end).toBe(NOW + 365 * 24 * HOUR);
  });

  it("do not count an idle end that the vault moves", () => {
    expect(endOf(grant({ expiresAt: iso(HOUR), keptAlive: true }))).toBeUndefined();
    expect(endOf(grant({ expiresAt: iso(HOUR), keptAlive: true, notAfter: iso(2 * HOUR) }))).toBe(NOW + 2 * HOUR);
  });
});

describe("a lane", () => {
  const axis = axisOf("day", NOW);

  it("has now at three quarters", () => expect(unitAt(axis, NOW)).toBe(0.75 * WIDTH));

  it("goes from the consent to a wall at the end", () => {
    const lane = laneOf(grant({ activatedAt: iso(-12 * HOUR), notAfter: iso(4 * HOUR) }), [], axis);
    expect(lane.line).toEqual({ from: 375, to: 875 });
    expect(lane.wall).toBe(875);
    expect(lane.open).toBe(false);
  });

  it("goes on beyond the picture when no end is known", () => {
    expect(laneOf(grant({ activatedAt: iso(-100 * HOUR) }), [], axis)).toMatchObject({ line: { from: 0, to: WIDTH }, wall: undefined, open: true });
  });

  it("of a grant that is over ends with its last sign of life", () => {
    const over = grant({ status: "revoked", activatedAt: iso(-12 * HOUR) });
    expect(laneOf(over, [{ at: NOW - 6 * HOUR, kind: "failure" }], axis).wall).toBe(563);
  });

  it("of a grant that was over before the picture begins is empty", () => {
    const over = grant({ status: "revoked", createdAt: iso(-99 * HOUR), activatedAt: iso(-99 * HOUR) });
    expect(laneOf(over, [], axis)).toMatchObject({ line: undefined, wall: undefined });
  });

  it("has a tick for each use in the picture; those that would cover each other are one", () => {
    const uses = [-48 * HOUR, -8 * HOUR, -8 * HOUR + 1000, -4 * HOUR].map((away) => ({ at: NOW + away, kind: "use" as const }));
    expect(laneOf(grant(), uses, axis).marks.use).toEqual([500, 625]);
  });

  it("of 100,000 uses has no more ticks than it is wide", () => {
    const uses = Array.from({ length: 100_000 }, (_, index) => ({ at: NOW - index * 700, kind: "use" as const }));
    expect(laneOf(grant(), uses, axis).marks.use.length).toBeLessThanOrEqual(WIDTH);
  });

  it.each(["hour", "day", "week", "month"] as const)("shows a few round moments for a %s", (range) => {
    const moments = roundMoments(axisOf(range, NOW));
    expect(moments.length).toBeGreaterThan(2);
    expect(moments.length).toBeLessThan(9);
  });

  it("shows the shortest time in which all live grants began", () => {
    expect(rangeFor([grant({ activatedAt: iso(-10_000) })], NOW)).toBe("hour");
    expect(rangeFor([grant({ activatedAt: iso(-2 * HOUR) }), grant({ status: "revoked", activatedAt: iso(-900 * HOUR) })], NOW)).toBe("day");
    expect(rangeFor([grant({ activatedAt: iso(-900 * HOUR) })], NOW)).toBe("week");
  });
});

describe("the marks of an audit", () => {
  const line = (event: AuditLine["event"], outcome = "ok"): AuditLine => ({ at: iso(0), event, outcome, actor: "task-service", requestId: "r" });

  it("are uses and failures", () => {
    const lines = [line("token.issued"), line("token.issued", "token_revoked"), line("grant.failed"), line("grant.refreshed")];
    expect(marksOf(lines).map(({ kind }) => kind)).toEqual(["use", "failure", "failure"]);
  });
});

describe("audit trails", () => {
  const page = (number: number, next?: number): AuditPage => ({
    lines: [{ at: iso(0), event: "token.issued", outcome: "ok", actor: "a", requestId: `r-${number}` }],
    ...(next !== undefined && { next }),
  });
  const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

  it("are loaded once, again when the grant has changed, and page by page to the end", async () => {
    const asked: (number | undefined)[] = [];
    const trails = new AuditTrails({ audit: (_, __, before) => {
      asked.push(before);
      return Promise.resolve(before === undefined ? page(1, 7) : page(2));
    } });
    trails.ensure(grant());
    trails.ensure(grant());
    await settled();
    expect(asked).toEqual([undefined]);
    trails.ensure(grant({ uses: 1 }));
    await settled();
    expect(asked).toHaveLength(2);
    await trails.older("p1");
    await trails.older("p1");
    expect(asked).toHaveLength(3);
    expect(trails.of("p1")?.lines.map(({ requestId }) => requestId)).toEqual(["r-1", "r-2"]);
  });

  it("that could not be loaded are asked for again", async () => {
    let fails = true;
    const trails = new AuditTrails({ audit: () => (fails ? Promise.reject(new Error("away")) : Promise.resolve(page(1))) });
    trails.ensure(grant());
    await settled();
    fails = false;
    trails.ensure(grant());
    await settled();
    expect(trails.of("p1")?.lines).toHaveLength(1);
  });
});

describe("the grants that a new one replaces", () => {
  const plan = { persistentTokenId: "p9", subject: "alice", taskIds: ["task-1"], replaces: ["p2"], returnTo: "/access" };

  it("are the plan's and those of its tasks, if active", () => {
    const grants = [
      grant({ persistentTokenId: "p9", taskId: "task-1" }),
      grant({ persistentTokenId: "p1", taskId: "task-1" }),
      grant({ persistentTokenId: "p2" }),
      grant({ persistentTokenId: "p3", taskId: "task-1", status: "revoked" }),
      grant({ persistentTokenId: "p4", taskId: "task-7" }),
      grant({ persistentTokenId: "p5", taskId: "task-1" }),
    ];
    expect(replacedBy(plan, grants).map((old) => old.persistentTokenId)).toEqual(["p1", "p2", "p5"]);
  });
});

describe("the consent forecast", () => {
  const scheduled = (changes: Partial<NonNullable<Task["schedule"]>>) => task({ persistentTokenId: "p1", schedule: { status: "active", timezone: "UTC", overlap: "skip", ...changes } });
  const hourly = scheduled({ cron: "0 * * * *", nextRunAt: iso(HOUR) });

  it("has every run of a cron expression that is in the picture, and the one of a time", () => {
    const once = scheduled({ runAt: iso(2 * HOUR), nextRunAt: iso(2 * HOUR) });
    expect(comingRuns([hourly, once, task()], NOW, NOW + 3 * HOUR, nextRuns)).toEqual([1, 2, 3, 2].map((hours) => NOW + hours * HOUR));
    expect(comingRuns([hourly, once], NOW, NOW + 3 * HOUR, undefined)).toEqual([NOW + HOUR, NOW + 2 * HOUR]);
  });

  it("has no run of a schedule that does not stand, nor of one that the browser cannot read", () => {
    expect(comingRuns([scheduled({ status: "paused", cron: "0 * * * *" }), scheduled({ cron: "0 * * * L-x", nextRunAt: iso(HOUR) })], NOW, NOW + 3 * HOUR, nextRuns)).toEqual([]);
  });

  it("shows runs after the end of the access, or of an access that has ended, as broken", () => {
    const runs = [NOW + HOUR, NOW + 2 * HOUR];
    const kinds = (status: Grant["status"], end?: number) => forecastOf(runs, status, end).map(({ kind }) => kind);
    expect(kinds("active")).toEqual(["run", "run"]);
    expect(kinds("active", NOW + HOUR)).toEqual(["run", "broken"]);
    expect(kinds("revoked")).toEqual(["broken", "broken"]);
  });

  it("makes a grant that ends before the next run need attention, and says why", () => {
    const access = one({ notAfter: iso(100 * HOUR) }, [scheduled({ nextRunAt: iso(101 * HOUR), cron: "0 0 1 * *" })]);
    expect(access.group).toBe("attention");
    expect(reasonOf(access, NOW)).toContain("before the next scheduled run");
    expect(one({ notAfter: iso(100 * HOUR) }, [hourly]).group).toBe("inUse");
  });

  it("has the next run in the picture", () => {
    const young = grant({ activatedAt: iso(-60_000) });
    expect(rangeFor([young], NOW)).toBe("hour");
    expect(rangeFor([young], NOW, nextOf([hourly]))).toBe("day");
    expect(rangeFor([young], NOW, [NOW + 24 * HOUR])).toBe("week");
  });
});
