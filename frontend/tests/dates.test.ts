import { describe, expect, it } from "vitest";

import { duration, relative, timestamp } from "../src/dates";

const NOON = new Date(2025, 0, 18, 12, 0, 0);

describe("timestamp", () => {
  const shown = (at: Date) => timestamp(at.toISOString(), NOON.getTime(), "en-GB");

  it("says today, yesterday and tomorrow", () => {
    expect(shown(new Date(2025, 0, 18, 0, 0, 1))).toBe("Today, 00:00");
    expect(shown(new Date(2025, 0, 17, 23, 59, 59))).toBe("Yesterday, 23:59");
    expect(shown(new Date(2025, 0, 19, 1, 0))).toBe("Tomorrow, 01:00");
  });

  it("gives the date of older times", () => {
    expect(shown(new Date(2024, 11, 31, 9, 5))).toBe("31 Dec 2024, 09:05");
  });

  it("shows a dash for what is no time", () => {
    expect(timestamp("soon", NOON.getTime())).toBe("—");
  });
});

describe("relative", () => {
  it.each([[-3, "just now"], [-34, "30 seconds ago"], [-57, "1 minute ago"], [-160, "3 minutes ago"], [7_200, "in 2 hours"], [-86_400, "yesterday"], [260_000, "in 3 days"]])(
    "%d seconds from now are “%s”", (seconds, text) => {
      expect(relative(new Date(NOON.getTime() + seconds * 1000).toISOString(), NOON.getTime(), "en")).toBe(text);
    });
});

describe("duration", () => {
  const after = (seconds: number) => new Date(NOON.getTime() + seconds * 1000).toISOString();

  it.each([[0, "0 s"], [10, "10 s"], [60, "1 min"], [125, "2 min 5 s"], [3600, "1 h"], [3780, "1 h 3 min"]])(
    "%d seconds are “%s”", (seconds, text) => expect(duration(NOON.toISOString(), after(seconds))).toBe(text));

  it("is unknown while a time is missing or the order is wrong", () => {
    expect(duration(undefined, after(1))).toBeUndefined();
    expect(duration(after(0), undefined)).toBeUndefined();
    expect(duration(after(5), after(0))).toBeUndefined();
  });
});
