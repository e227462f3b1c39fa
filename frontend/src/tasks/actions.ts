/** What a person can do with tasks. Each action tells its outcome in the task's row; none throws but `create`. */
import type { Api } from "../api/client";
import type { Execution, NewTask, Task } from "../api/types";
import type { Consents } from "../consents";
import { navigate } from "../navigation";
import { explainExecution } from "../recovery";
import type { Rows } from "../rows";
import type { Status } from "../status";
import { short, t } from "../texts";
import type { Toasts } from "../toasts";
import type { Troubles } from "../troubles";
import type { Work } from "../work";
import type { TaskStore } from "./store";

export class TaskActions {
  constructor(
    private readonly api: Api,
    private readonly store: TaskStore,
    private readonly consents: Consents,
    private readonly rows: Rows,
    private readonly work: Work,
    private readonly troubles: Troubles,
    private readonly toasts: Toasts,
    private readonly status: Status,
  ) {}

  /** A new task is shown open, at the top of the list. */
  async create(task: NewTask): Promise<void> {
    const created = await this.api.createTask(task);
    this.rows.unfold(created.id);
    this.store.put(created);
    if (!this.store.isOnTop) navigate("/tasks");
  }

  async execute(taskId: string): Promise<void> {
    await this.start(taskId, () => this.api.executeTask(taskId));
  }

  /** Has a completed task done once more. */
  async runAgain(taskId: string): Promise<void> {
    await this.start(taskId, () => this.api.runTaskAgain(taskId));
  }

  /** A run that has ended by itself meanwhile is no success: the row says so. */
  async cancel(tasks: readonly Task[], reason: string): Promise<void> {
    let cancelled = 0;
    for (const { id } of tasks) {
      const done = await this.work.attempt(this.consents.row(id), async () => this.store.put(await this.api.cancelTask(id, reason)));
      if (done) cancelled += 1;
      else this.store.refresh();
    }
    const [only] = tasks;
    if (only === undefined || cancelled === 0) return;
    this.succeed(tasks.length === 1 ? t("done.cancelled", { name: short(only.name) }) : t("done.cancelledMany", { count: cancelled }));
  }

  /** Deletes tasks and then, if asked to, the grants they used. */
  async remove(tasks: readonly Task[], revoke: readonly string[]): Promise<void> {
    const gone: Task[] = [];
    for (const task of tasks) {
      const done = await this.work.attempt(this.consents.row(task.id), () => this.api.deleteTask(task.id));
      if (!done) continue;
      this.rows.drop(task.id);
      this.troubles.clear(task.id);
      this.store.drop(task.id);
      gone.push(task);
    }
    const [first] = gone;
    if (first === undefined) return;
    const lost = new Set(gone.map((task) => task.persistentTokenId));
    const ended = await this.revoke(first.name, revoke.filter((id) => lost.has(id)));
    if (gone.length > 1) this.succeed(t("done.deletedMany", { count: gone.length }));
    else this.succeed(t(ended ? "done.deletedAndRevoked" : "done.deleted", { name: short(first.name) }));
  }

  private async start(taskId: string, call: () => Promise<Execution>): Promise<void> {
    const row = this.consents.row(taskId);
    await this.work.attempt(row, async () => {
      const answer = await call();
      const trouble = explainExecution(answer);
      if (trouble === undefined) this.succeed(answer.message);
      else this.work.report(row, trouble);
      this.rows.unfold(taskId);
      this.store.refresh();
    });
  }

  /** True when there was something to revoke and all of it was. */
  private async revoke(name: string, ids: readonly string[]): Promise<boolean> {
    let ended = ids.length > 0;
    for (const id of ids) {
      try {
        await this.api.revokeToken(id);
      } catch (error) {
        ended = false;
        const { title, text } = this.work.explain(error);
        const run = () => void this.revoke(name, [id]);
        const said = { title: t("problem.notRevoked", { name: short(name) }), text: [title, text].filter(Boolean).join(". ") };
        this.troubles.tell({ ...said, action: { label: t("action.retry"), run } });
      }
    }
    return ended;
  }

  private succeed(title: string): void {
    this.toasts.show(title);
    this.status.say(title);
  }
}
