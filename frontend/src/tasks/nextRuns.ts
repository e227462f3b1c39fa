/** The next times of a cron expression. A chunk of its own: it is fetched when somebody writes one. */
import { Cron } from "croner";

/** Up to `count` times after `from`, read in an IANA time zone. Throws when the expression or the zone is none. */
export function nextRuns(cron: string, timezone: string, count: number, from: Date): readonly Date[] {
  if (cron.trim().split(/\s+/).length !== 5) throw new RangeError("a cron expression has five fields");
  return new Cron(cron.trim(), { timezone, paused: true }).nextRuns(count, from);
}
