import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { nextDelay, OFTEN, Poller, type Answer, type Failure, type Health } from "../src/data/poller";

const IDLE = 10_000;

describe("nextDelay", () => {
  it("is the source's pace while all is well", () => {
    expect(nextDelay(2_000, 0, undefined, 0.5)).toBe(2_000);
    expect(nextDelay(15_000, 0, undefined, 0.5)).toBe(15_000);
  });

  it("doubles with each failure up to half a minute, whatever the pace", () => {
    const delays = [1, 2, 3, 4, 5, 9].map((failures) => nextDelay(OFTEN, failures, undefined, 0.5));
    expect(delays).toEqual([2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it("spreads clients by a quarter either way", () => {
    expect(nextDelay(IDLE, 3, undefined, 0)).toBe(6_000);
    expect(nextDelay(IDLE, 3, undefined, 0.999)).toBeCloseTo(10_000, -2);
  });

  it("never comes before Retry-After", () => {
    expect(nextDelay(OFTEN, 1, 45_000, 0.5)).toBe(45_000);
    expect(nextDelay(OFTEN, 4, 1_000, 0.5)).toBe(16_000);
  });
});

describe("Poller", () => {
  let hidden = false;
  let pace = IDLE;
  let answer: () => Promise<Answer<string>>;
  let failure: Failure | undefined;
  let etags: (string | undefined)[];
  let signals: AbortSignal[];
  let applied: string[];
  let reports: Health[];
  let poller: Poller<string>;

  const settle = () => vi.advanceTimersByTimeAsync(0);
  const turn = (to: boolean) => {
    hidden = to;
    document.dispatchEvent(new Event("visibilitychange"));
  };

  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(document, "hidden", "get").mockImplementation(() => hidden);
    hidden = false;
    pace = IDLE;
    [etags, signals, applied, reports] = [[], [], [], []];
    answer = () => Promise.resolve({ data: "list", etag: 'W/"1"' });
    failure = { health: { state: "offline" }, retryAfter: undefined };
    poller = new Poller<string>({
      load: (etag, signal) => {
        etags.push(etag);
        signals.push(signal);
        return answer();
      },
      apply: (data) => applied.push(data),
      pace: () => pace,
      judge: () => failure,
      report: (health) => reports.push(health),
    }, document, () => 0.5);
    poller.start();
  });

  afterEach(() => {
    poller.stop();
    vi.useRealTimers();
  });

  it("asks at once, then at the pace that its source has at that moment", async () => {
    await settle();
    expect(etags).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(IDLE - 1);
    expect(etags).toHaveLength(1);
    pace = OFTEN;
    await vi.advanceTimersByTimeAsync(1);
    expect(etags).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(OFTEN * 3);
    expect(etags).toHaveLength(5);
  });

  it("sends the validator it was given, and applies nothing when told that nothing changed", async () => {
    await settle();
    answer = () => Promise.resolve({ data: undefined, etag: undefined });
    await vi.advanceTimersByTimeAsync(IDLE * 2);
    expect(etags).toEqual([undefined, 'W/"1"', 'W/"1"']);
    expect(applied).toEqual(["list"]);
  });

  it("rests while the page is hidden and asks at once when it is shown", async () => {
    await settle();
    turn(true);
    await vi.advanceTimersByTimeAsync(IDLE * 10);
    expect(etags).toHaveLength(1);
    turn(false);
    await settle();
    expect(etags).toHaveLength(2);
  });

  it("does not start in a hidden page until it is shown", async () => {
    poller.stop();
    etags = [];
    hidden = true;
    poller.start();
    await vi.advanceTimersByTimeAsync(IDLE);
    expect(etags).toEqual([]);
  });

  it("backs off while there is trouble, and recovers by itself", async () => {
    await settle();
    answer = () => Promise.reject(new Error("no answer"));
    await vi.advanceTimersByTimeAsync(IDLE);
    expect(reports.at(-1)).toEqual({ state: "offline" });
    await vi.advanceTimersByTimeAsync(2_000 + 4_000 + 8_000);
    expect(etags).toHaveLength(5);
    answer = () => Promise.resolve({ data: "new", etag: undefined });
    await vi.advanceTimersByTimeAsync(16_000);
    expect(reports.at(-1)).toEqual({ state: "live" });
    expect(applied.at(-1)).toBe("new");
    await vi.advanceTimersByTimeAsync(IDLE);
    expect(etags).toHaveLength(7);
  });

  it("asks at once when the network is back", async () => {
    answer = () => Promise.reject(new Error("no answer"));
    poller.refresh();
    await settle();
    const before = etags.length;
    window.dispatchEvent(new Event("online"));
    await settle();
    expect(etags).toHaveLength(before + 1);
  });

  it("honours Retry-After even when it is asked to refresh", async () => {
    failure = { health: { state: "trouble", code: "rate_limited" }, retryAfter: 20_000 };
    answer = () => Promise.reject(new Error("429"));
    poller.refresh();
    await settle();
    const before = etags.length;
    poller.refresh();
    await vi.advanceTimersByTimeAsync(19_999);
    expect(etags).toHaveLength(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(etags).toHaveLength(before + 1);
  });

  it("gives up an answer under way when it is told to refresh", async () => {
    let late: (value: Answer<string>) => void = () => undefined;
    await settle();
    answer = () => new Promise((resolve) => (late = resolve));
    await vi.advanceTimersByTimeAsync(IDLE);
    answer = () => Promise.resolve({ data: "fresh", etag: undefined });
    poller.refresh();
    await settle();
    late({ data: "stale", etag: undefined });
    await settle();
    expect(signals.at(-2)?.aborted).toBe(true);
    expect(applied.at(-1)).toBe("fresh");
    expect(applied).not.toContain("stale");
  });

  it("stops for good when the session is over", async () => {
    await settle();
    failure = undefined;
    answer = () => Promise.reject(new Error("signed out"));
    await vi.advanceTimersByTimeAsync(IDLE * 5);
    expect(etags).toHaveLength(2);
  });
});
