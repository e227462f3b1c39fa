/** What a person can do with tasks. Each action reports its own outcome; none throws but `create`, whose form does. */
import { signal } from "@preact/signals";

import type { Api } from "../api/client";
import type { NewTask, Task } from "../api/types";
import { SessionEnded } from "../auth";
import type { Browser } from "../browser";
import { explain, explainExecution, explainReturn, type Explanation } from "../recovery";
import type { Status } from "../status";
import type { Toasts } from "../toasts";
import { consentPage, readReturn, withoutReturn } from "./consent";
import type { TaskStore } from "./store";

export const REQUEST_TOKEN = "🔐 Request Offline Token";
export const EXECUTE = "▶️ Execute Task";

export class TaskActions {
  /** Tasks with an action under way. */
  readonly busy = signal<ReadonlySet<string>>(new Set());

  constructor(
    private readonly api: Api,
    private readonly store: TaskStore,
    private readonly toasts: Toasts,
    private readonly status: Status,
    private readonly browser: Browser,
  ) {}

  async create(task: NewTask): Promise<void> {
    this.store.put(await this.api.createTask(task));
  }

  /** Links the pending id first, so that the task knows of it whatever happens on the way. Then leaves the page. */
  async requestToken(taskId: string): Promise<void> {
    await this.attempt(taskId, () => this.requestToken(taskId), async () => {
      const consent = await this.api.requestConsent(taskId);
      const page = consentPage(consent.consentUrl);
      this.store.put(await this.api.linkToken(taskId, consent.persistentTokenId));
      this.browser.leaveFor(page);
      return "leaving";
    });
  }

  async execute(taskId: string): Promise<void> {
    await this.attempt(taskId, () => this.execute(taskId), async () => {
      const answer = await this.api.executeTask(taskId);
      const trouble = explainExecution(answer);
      if (trouble === undefined) this.succeed(answer.message);
      else this.report(trouble, taskId);
      this.store.refresh();
    });
  }

  /** Deletes the task and then, if asked to, the grant it used. */
  async remove(task: Task, revoke: string | undefined): Promise<void> {
    await this.attempt(task.id, () => this.remove(task, revoke), async () => {
      await this.api.deleteTask(task.id);
      this.store.drop(task.id);
      if (revoke === undefined) this.succeed(`“${task.name}” was deleted.`);
      else await this.revoke(task.name, revoke);
    });
  }

  /**
   * Handles the address with which the vault's callback sends the browser back, and cleans it. A granted id waits in
   * the address until somebody is signed in.
   */
  async comeBack(signedIn: boolean): Promise<void> {
    const url = this.browser.url();
    const back = readReturn(url.searchParams);
    if (back === undefined || (back.kind === "granted" && !signedIn)) return;
    this.browser.replacePath(withoutReturn(url));
    const { taskId } = back;
    if (back.kind === "refused") {
      this.report(explainReturn(back.code), signedIn ? taskId : undefined);
    } else if (taskId === undefined) {
      this.succeed("Offline access was granted.");
    } else {
      await this.linkGranted(taskId, back.persistentTokenId);
    }
  }

  /** For a page that the browser kept and shows again: nothing is under way in it. */
  settle(): void {
    this.busy.value = new Set();
    this.store.refresh();
  }

  private async linkGranted(taskId: string, persistentTokenId: string): Promise<void> {
    await this.attempt(taskId, () => this.linkGranted(taskId, persistentTokenId), async () => {
      const task = await this.api.linkToken(taskId, persistentTokenId);
      this.store.put(task);
      if (task.offlineTokenStatus === "active") this.succeed(`Offline token active. “${task.name}” is ready to execute.`);
    });
  }

  private async revoke(name: string, persistentTokenId: string): Promise<void> {
    try {
      await this.api.revokeToken(persistentTokenId);
      this.succeed(`“${name}” was deleted and its offline access revoked.`);
    } catch (error) {
      if (error instanceof SessionEnded) return;
      const { title, text, ...rest } = explain(error);
      const said = { title: `“${name}” was deleted, its offline access was not revoked`, text: [title, text].filter(Boolean).join(". ") };
      this.report({ ...rest, ...said, next: "retry" }, undefined, () => void this.revoke(name, persistentTokenId));
    }
  }

  /** One action per task at a time. A task stays busy when the action takes the browser off the page. */
  private async attempt(taskId: string, again: () => Promise<void>, work: () => Promise<unknown>): Promise<void> {
    if (this.busy.value.has(taskId)) return;
    this.busy.value = new Set(this.busy.value).add(taskId);
    let leaving = false;
    try {
      leaving = (await work()) === "leaving";
    } catch (error) {
      if (error instanceof SessionEnded) return;
      this.report(explain(error), taskId, () => void again());
      this.store.refresh();
    } finally {
      if (!leaving) this.busy.value = new Set([...this.busy.value].filter((id) => id !== taskId));
    }
  }

  private succeed(title: string): void {
    this.toasts.show({ tone: "success", title });
    this.status.say(title);
  }

  private report({ next, ...said }: Explanation, taskId: string | undefined, again?: () => void): void {
    let action: { label: string; run: () => void } | undefined;
    if (next === "retry" && again !== undefined) action = { label: "Try again", run: again };
    if (next === "requestToken" && taskId !== undefined) {
      action = { label: REQUEST_TOKEN, run: () => void this.requestToken(taskId) };
    }
    this.toasts.show({ tone: "error", ...said, ...(action && { action }) });
  }
}
