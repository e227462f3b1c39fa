/**
 * Keeps one resource up to date: at the source's pace while the page is visible, not at all while it is hidden.
 * Unchanged answers cost a 304. Trouble makes it slower, never silent: it goes on by itself.
 */

/** live: the last answer was good; offline: none came; trouble: the server answered with a problem. */
export type Health = { state: "live" } | { state: "offline" } | { state: "trouble"; code: string };

export interface Answer<T> {
  /** Undefined: unchanged. */
  data: T | undefined;
  etag: string | undefined;
}

/** What the poller needs to know of a failure. */
export interface Failure {
  health: Exclude<Health, { state: "live" }>;
  retryAfter: number | undefined;
}

export interface Source<T> {
  load(etag: string | undefined, signal: AbortSignal): Promise<Answer<T>>;
  apply(data: T): void;
  /** Milliseconds from an answer to the next request. */
  pace(): number;
  /** Undefined: there is no use in going on (the session is over). */
  judge(error: unknown): Failure | undefined;
  report(health: Health): void;
}

export const OFTEN = 2_000;
const LONGEST_BACKOFF = 30_000;

/** Milliseconds until the next request. `chance` in [0, 1) spreads clients that failed together. */
export function nextDelay(pace: number, failures: number, retryAfter: number | undefined, chance: number): number {
  if (failures === 0) return pace;
  const backoff = Math.min(LONGEST_BACKOFF, OFTEN * 2 ** (failures - 1));
  return Math.max(backoff * (0.75 + chance / 2), retryAfter ?? 0);
}

export class Poller<T> {
  private etag: string | undefined;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private request: AbortController | undefined;
  private notBefore = 0;
  private running = false;

  constructor(
    private readonly source: Source<T>,
    private readonly page: Document,
    private readonly random: () => number = Math.random,
  ) {}

  start(): void {
    if (this.running) return;
    this.running = true;
    this.page.addEventListener("visibilitychange", this.onVisibility);
    this.page.defaultView?.addEventListener("online", this.onOnline);
    this.refresh();
  }

  stop(): void {
    this.running = false;
    this.page.removeEventListener("visibilitychange", this.onVisibility);
    this.page.defaultView?.removeEventListener("online", this.onOnline);
    this.rest();
    this.etag = undefined;
    this.failures = 0;
    this.notBefore = 0;
  }

  /** For another resource: what was known of the one before is forgotten. */
  restart(): void {
    const { running } = this;
    this.stop();
    if (running) this.start();
  }

  /** Asks now, giving up an answer that is under way: it may be older than what the caller has just done. */
  refresh(): void {
    if (!this.running) return;
    this.rest();
    if (this.page.hidden) return;
    const wait = this.notBefore - Date.now();
    if (wait > 0) this.timer = setTimeout(() => void this.ask(), wait);
    else void this.ask();
  }

  private readonly onVisibility = (): void => {
    if (this.page.hidden) this.rest();
    else this.refresh();
  };

  private readonly onOnline = (): void => {
    this.refresh();
  };

  private rest(): void {
    clearTimeout(this.timer);
    this.request?.abort();
    this.request = undefined;
  }

  private async ask(): Promise<void> {
    const request = (this.request = new AbortController());
    const { source } = this;
    let retryAfter: number | undefined;
    try {
      const { data, etag } = await source.load(this.etag, request.signal);
      if (request.signal.aborted) return;
      if (data !== undefined) {
        this.etag = etag;
        source.apply(data);
      }
      this.failures = 0;
      source.report({ state: "live" });
    } catch (error) {
      if (request.signal.aborted) return;
      const failure = source.judge(error);
      if (failure === undefined) return;
      this.failures += 1;
      retryAfter = failure.retryAfter;
      source.report(failure.health);
    }
    this.notBefore = retryAfter === undefined ? 0 : Date.now() + retryAfter;
    const delay = nextDelay(source.pace(), this.failures, retryAfter, this.random());
    this.timer = setTimeout(() => void this.ask(), delay);
  }
}
