/** The person's tasks, as far as the page needs them: those in sight, and those that use an access. */
import { batch, signal } from "@preact/signals";

import type { Api } from "../api/client";
import { ApiError } from "../api/http";
import type { Task, TaskCounts } from "../api/types";
import { Collection } from "../data/collection";
import type { Answer } from "../data/poller";
import type { Status } from "../status";
import { changes } from "./changes";
import { LinkedTasks } from "./linked";
import { addressOf, fromStart, requestOf, type TaskQuery } from "./query";

/** What is in sight: a page of the list, or one task. */
export type View = { list: TaskQuery } | { taskId: string };

/** Grants whose tasks are asked for one by one. */
const FEW = 20;

export class TaskStore extends Collection<Task> {
  /** Of all tasks; undefined until a list has come. */
  readonly counts = signal<TaskCounts | undefined>(undefined);
  /** The cursor of the next page, when there is one. */
  readonly next = signal<string | undefined>(undefined);
  /** True while the rows are still those of the view before. */
  readonly late = signal(false);
  readonly linked: LinkedTasks;
  private view: View | undefined;
  /** The cursor before each that was seen; undefined: the first page. */
  private readonly before = new Map<string, string | undefined>();

  constructor(
    private readonly api: Pick<Api, "listTasks" | "getTask" | "tasksOf">,
    status: Status,
    page: Document = document,
  ) {
    const load = (etag: string | undefined, aborted: AbortSignal) => this.load(etag, aborted);
    const changed = (before: readonly Task[], after: readonly Task[]) => this.late.value || status.say(...changes(before, after));
    super({ load, key: (task) => task.id, changed }, page);
    this.linked = new LinkedTasks(api, page);
  }

  /** Brings another view into sight. The rows of the one before stay until its own are there, unless they are of another kind. */
  show(view: View): void {
    if (JSON.stringify(view) === JSON.stringify(this.view)) return;
    const sameKind = this.view !== undefined && "list" in view === "list" in this.view && "list" in view;
    const known = "taskId" in view ? this.find(view.taskId) : undefined;
    this.view = view;
    batch(() => {
      this.late.value = true;
      this.next.value = undefined;
      if (!sameKind) this.rows.value = known && [known];
    });
    this.restart();
  }

  /** Begins to ask. A view is waited for. */
  override watch(): void {
    this.linked.watch();
    super.watch();
  }

  override rest(): void {
    this.linked.rest();
    super.rest();
  }

  override forget(): void {
    this.linked.forget();
    this.before.clear();
    this.view = undefined;
    batch(() => {
      super.forget();
      this.counts.value = this.next.value = undefined;
    });
  }

  override refresh(): void {
    this.linked.refresh();
    super.refresh();
  }

  /** A task that is not on this page of the list is shown where it belongs. */
  override put(task: Task): void {
    this.linked.put(task);
    const { lastRuns } = this.find(task.id) ?? {}; // only a list tells them
    if (this.isOnTop || this.rows.value?.some(({ id }) => id === task.id)) super.put({ ...(lastRuns && { lastRuns }), ...task });
    else this.refresh();
  }

  /** The rows of the list; undefined while those of a single task are still there. */
  get listed(): readonly Task[] | undefined {
    const rows = this.rows.value;
    return this.view !== undefined && "list" in this.view ? rows : undefined;
  }

  /** True when the list is in sight from its beginning, where a new task stands. */
  get isOnTop(): boolean {
    return this.view !== undefined && "list" in this.view && addressOf(this.view.list) === "/tasks";
  }

  override drop(id: string): void {
    this.linked.drop(id);
    super.drop(id);
  }

  override find(id: string): Task | undefined {
    return super.find(id) ?? this.linked.find(id);
  }

  /** A task, asked for if it is not in sight; undefined when there is none. */
  async reach(id: string): Promise<Task | undefined> {
    const known = this.find(id);
    if (known !== undefined) return known;
    const task = await this.api.getTask(id).catch(() => undefined);
    if (task !== undefined) this.linked.put(task);
    return task;
  }

  /** The tasks that use these grants, as the server knows them now; undefined when that is too much to ask. */
  async usersOf(grantIds: readonly string[]): Promise<readonly Task[] | undefined> {
    if (grantIds.length > FEW) return undefined;
    const lists = await Promise.all(grantIds.map((id) => this.api.tasksOf(id)));
    return lists.flatMap(({ tasks }) => tasks);
  }

  /** The cursor of the page before this one, `""` for the first; undefined when this is the first, or nobody knows. */
  pageBefore(after: string): string | undefined {
    return this.before.has(after) ? (this.before.get(after) ?? "") : undefined;
  }

  private async load(etag: string | undefined, aborted: AbortSignal): Promise<Answer<readonly Task[]>> {
    const { view } = this;
    if (view === undefined) return { data: undefined, etag };
    if ("taskId" in view) return this.loadOne(view.taskId, aborted);
    const { data, etag: version } = await this.page(view.list, etag, aborted);
    if (data === undefined || aborted.aborted) return { data: undefined, etag: version };
    batch(() => {
      this.counts.value = data.counts;
      this.next.value = data.nextCursor;
    });
    if (data.nextCursor !== undefined) this.before.set(data.nextCursor, view.list.after);
    return { data: data.tasks, etag: version };
  }

  /** A cursor that does not hold (any more) means the first page. */
  private page(query: TaskQuery, etag: string | undefined, aborted: AbortSignal) {
    return this.api.listTasks(requestOf(query), etag, aborted).catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.problem.code !== "cursor_invalid") throw error;
      return this.api.listTasks(requestOf(fromStart(query)), undefined, aborted);
    });
  }

  private async loadOne(id: string, aborted: AbortSignal): Promise<Answer<readonly Task[]>> {
    try {
      return { data: [await this.api.getTask(id, aborted)], etag: undefined };
    } catch (error) {
      if (error instanceof ApiError && error.problem.status === 404) return { data: [], etag: undefined };
      throw error;
    }
  }

  protected override replace(rows: readonly Task[]): void {
    super.replace(rows);
    this.late.value = false;
  }
}
