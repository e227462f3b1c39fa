/**
 * How far this machine's clock is off, by the `Date` header (RFC 9110, 6.6.1) of our own server's answers. Signing in
 * compares times, so the difference is made up for there, and the page says that the clock is wrong.
 */
import { signal } from "@preact/signals";

/** Milliseconds. `Date` has whole seconds, and an answer takes its time. */
const TOLERATED = 90_000;

export class ServerClock {
  /** Milliseconds to add to this machine's clock; 0 when it is right. */
  readonly offset = signal(0);

  constructor(private readonly now: () => number) {}

  /** Reads the header of an answer, if it has one. */
  observe(answer: Response): void {
    const told = Date.parse(answer.headers.get("Date") ?? "");
    if (Number.isNaN(told)) return;
    const off = told - this.now();
    this.offset.value = Math.abs(off) > TOLERATED ? off : 0;
  }

  /** Milliseconds since the epoch, as the server counts them. */
  serverNow(): number {
    return this.now() + this.offset.value;
  }
}
