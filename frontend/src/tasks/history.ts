/** The runs of tasks and the logs of single runs, as far as somebody has looked at them. */
import { signal, type Signal } from "@preact/signals";

import type { Api } from "../api/client";
import type { LogLine, Run, RunRecord } from "../api/types";
import { reuse } from "../data/reuse";

export interface RunPages {
  /** The latest first. */
  runs: readonly Run[];
  /** The `before` of the next page, when there are older runs. */
  next: number | undefined;
}

export interface OpenRun {
  /** Its `log` is the last page that is loaded: the one that grows while the run is under way. */
  record: RunRecord;
  /** The pages before that one. */
  earlier: readonly LogLine[];
  /** The `logAfter` of the last page. */
  logAfter: number;
}

/** Attempts of a run that the service lists. */
export const MOST_ATTEMPTS = 100;

export class RunHistory {
  private readonly lists = signal<ReadonlyMap<string, RunPages>>(new Map());
  private readonly records = signal<ReadonlyMap<string, OpenRun>>(new Map());
  private readonly failed = signal<ReadonlySet<string>>(new Set());
  private readonly asking = new Set<string>();
  private readonly again = new Set<string>();
  private person = 0;

  constructor(private readonly api: Pick<Api, "listRuns" | "getRun">) {}

  runsOf(taskId: string): RunPages | undefined {
    return this.lists.value.get(taskId);
  }

  run(taskId: string, number: number): OpenRun | undefined {
    return this.records.value.get(runKey(taskId, number));
  }

  /** True when the last attempt to load the runs, or that run, did not succeed. */
  hasFailed(taskId: string, number?: number): boolean {
    return this.failed.value.has(number === undefined ? taskId : runKey(taskId, number));
  }

  /** Loads the latest runs. Older pages that are known stay. */
  refresh(taskId: string): Promise<void> {
    return this.load(taskId, async (isCurrent) => {
      const page = await this.api.listRuns(taskId);
      if (isCurrent()) put(this.lists, taskId, merged(this.runsOf(taskId), { runs: page.runs, next: page.next }));
    });
  }

  /** Loads a run with the last page of its log. */
  refreshRun(taskId: string, number: number): Promise<void> {
    const key = runKey(taskId, number);
    return this.load(key, async (isCurrent) => {
      const { earlier, logAfter } = this.run(taskId, number) ?? { earlier: [], logAfter: 0 };
      const record = await this.api.getRun(taskId, number, logAfter);
      if (isCurrent() && (this.run(taskId, number)?.logAfter ?? 0) === logAfter) put(this.records, key, { record, earlier, logAfter });
    });
  }

  /** Adds the next older page of runs. Throws what the request throws. */
  async older(taskId: string): Promise<void> {
    const known = this.runsOf(taskId);
    if (known?.next === undefined) return;
    const page = await this.api.listRuns(taskId, known.next);
    put(this.lists, taskId, { runs: [...known.runs, ...page.runs], next: page.next });
  }

  /** Adds the next page of a run's log. Throws what the request throws. */
  async moreLog(taskId: string, number: number): Promise<void> {
    const known = this.run(taskId, number);
    const logAfter = known?.record.logNext;
    if (known === undefined || logAfter === undefined) return;
    const record = await this.api.getRun(taskId, number, logAfter);
    put(this.records, runKey(taskId, number), { record, earlier: [...known.earlier, ...known.record.log], logAfter });
  }

  /** What is under way for the person before is not kept. */
  forget(): void {
    this.person += 1;
    this.lists.value = new Map();
    this.records.value = new Map();
    this.failed.value = new Set();
  }

  /** One request per key at a time; when it was asked for meanwhile, there is one more. Failures are remembered. */
  private async load(key: string, ask: (isCurrent: () => boolean) => Promise<void>): Promise<void> {
    if (this.asking.has(key)) return void this.again.add(key);
    const person = this.person;
    this.asking.add(key);
    try {
      do {
        this.again.delete(key);
        await ask(() => person === this.person);
      } while (this.again.has(key));
      this.mark(key, false);
    } catch {
      if (person === this.person) this.mark(key, true);
    } finally {
      this.asking.delete(key);
      this.again.delete(key);
    }
  }

  private mark(key: string, failed: boolean): void {
    if (this.failed.value.has(key) === failed) return;
    const others = [...this.failed.value].filter((other) => other !== key);
    this.failed.value = new Set(failed ? [...others, key] : others);
  }
}

/** All lines of a run's log that are loaded, the oldest first. */
export const linesOf = ({ earlier, record }: OpenRun): readonly LogLine[] => [...earlier, ...record.log];

/** The first page as it is now, before the older pages that are known. Equal runs keep their objects. */
function merged(known: RunPages | undefined, first: RunPages): RunPages {
  if (known === undefined) return first;
  const oldest = first.runs.at(-1)?.number ?? 0;
  const older = known.runs.filter(({ number }) => number < oldest);
  const runs = reuse(known.runs, [...first.runs, ...older], ({ number }) => String(number));
  return { runs, next: older.length > 0 ? known.next : first.next };
}

const runKey = (taskId: string, number: number): string => `${taskId}/${number}`;

function put<T>(map: Signal<ReadonlyMap<string, T>>, key: string, value: T): void {
  map.value = new Map(map.value).set(key, value);
}
