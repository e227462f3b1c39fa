/** The tasks as last seen, and whether that is still true. */
import { batch, computed, signal } from "@preact/signals";

import type { Api } from "../api/client";
import { ApiError } from "../api/http";
import type { Task } from "../api/types";
import { SessionEnded } from "../auth";
import type { Status } from "../status";
import { changes } from "./changes";
import { Poller, type Failure, type Health } from "./poller";
import { isMoving } from "./view";

const HEALTH_WORDS: Record<Health, string> = {
  live: "Connected again",
  offline: "Offline. Trying again by itself.",
  trouble: "The server has trouble. Trying again by itself.",
};

export class TaskStore {
  /** Undefined until the first answer. */
  readonly tasks = signal<readonly Task[] | undefined>(undefined);
  readonly health = signal<Health>("live");
  readonly moving = computed(() => this.tasks.value?.some(isMoving) ?? false);
  private readonly poller: Poller<{ tasks: Task[] }>;

  constructor(
    api: Pick<Api, "listTasks">,
    private readonly status: Status,
    page: Document = document,
  ) {
    const source = {
      load: (etag: string | undefined, aborted: AbortSignal) => api.listTasks(etag, aborted),
      apply: ({ tasks }: { tasks: Task[] }) => this.replace(tasks),
      moving: () => this.moving.value,
      judge,
      report: (health: Health) => this.report(health),
    };
    this.poller = new Poller(source, page);
  }

  watch(): void {
    this.poller.start();
  }

  /** Stops watching and forgets: the next person must not see these tasks. */
  forget(): void {
    this.poller.stop();
    batch(() => {
      this.tasks.value = undefined;
      this.health.value = "live";
    });
  }

  refresh(): void {
    this.poller.refresh();
  }

  find(id: string): Task | undefined {
    return this.tasks.value?.find((task) => task.id === id);
  }

  /** Shows a task that the server has just answered with, ahead of the next poll. */
  put(task: Task): void {
    const known = this.tasks.value;
    if (known !== undefined) {
      const there = known.some(({ id }) => id === task.id);
      this.replace(there ? known.map((old) => (old.id === task.id ? task : old)) : [task, ...known]);
    }
    this.refresh();
  }

  drop(id: string): void {
    this.tasks.value = this.tasks.value?.filter((task) => task.id !== id);
    this.refresh();
  }

  private replace(tasks: readonly Task[]): void {
    const before = this.tasks.value;
    this.tasks.value = tasks;
    if (before !== undefined) this.status.say(...changes(before, tasks));
  }

  private report(health: Health): void {
    if (this.health.value === health) return;
    this.health.value = health;
    this.status.say(HEALTH_WORDS[health]);
  }
}

function judge(error: unknown): Failure | undefined {
  if (error instanceof SessionEnded) return undefined;
  if (error instanceof ApiError) return { health: "trouble", retryAfter: error.retryAfter };
  return { health: "offline", retryAfter: undefined };
}
