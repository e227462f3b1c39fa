/** When tasks run by themselves, what that depends on, and what a person can do about it. */
import type { Api } from "../api/client";
import type { Outlook, TaskGraph } from "../api/types";
import type { Consents } from "../consents";
import { explainExecution } from "../recovery";
import type { Status } from "../status";
import { t } from "../texts";
import type { Toasts } from "../toasts";
import type { Work } from "../work";
import type { TaskStore } from "./store";

export type ScheduleChange = "pause" | "resume" | "remove";

export class Schedules {
  constructor(
    private readonly api: Api,
    private readonly store: TaskStore,
    private readonly consents: Consents,
    private readonly work: Work,
    private readonly toasts: Toasts,
    private readonly status: Status,
  ) {}

  /** The next runs, and whether the granted access lasts until then. */
  outlook(taskId: string): Promise<Outlook> {
    return this.api.getSchedule(taskId);
  }

  graph(taskId: string): Promise<TaskGraph> {
    return this.api.getGraph(taskId);
  }

  async change(taskId: string, change: ScheduleChange): Promise<void> {
    await this.work.attempt(this.consents.row(taskId), async () => {
      if (change === "remove") await this.api.removeSchedule(taskId);
      else await this.api.changeSchedule(taskId, change);
      this.succeed(t(`schedule.done.${change}`));
    });
  }

  /** One run beside the schedule. */
  async runNow(taskId: string): Promise<void> {
    const row = this.consents.row(taskId);
    await this.work.attempt(row, async () => {
      const answer = await this.api.runScheduledNow(taskId);
      const trouble = explainExecution(answer);
      if (trouble === undefined) this.succeed(answer.message);
      else this.work.report(row, trouble);
    });
  }

  private succeed(title: string): void {
    this.toasts.show(title);
    this.status.say(title);
    this.store.refresh();
  }
}
