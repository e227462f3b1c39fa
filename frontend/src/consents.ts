/**
 * Offline consent, there and back: one consent for any number of tasks. The browser links the pending id to each task
 * that has no usable token *before* it leaves; when it is back, the grant is linked to all of them, and the grants that
 * it replaces are revoked, unless another task lives on them.
 */
import type { GrantStore } from "./access/store";
import type { Api } from "./api/client";
import type { Grant, Task } from "./api/types";
import type { Auth } from "./auth";
import { pathOf, type Browser } from "./browser";
import { explainReturn } from "./recovery";
import type { Rows } from "./rows";
import type { Status } from "./status";
import { consentPage, keepPlan, readReturn, takePlan, withoutReturn, type ConsentReturn, type Plan } from "./tasks/consent";
import type { TaskStore } from "./tasks/store";
import { stateOf } from "./tasks/view";
import { short, t } from "./texts";
import type { Toasts } from "./toasts";
import type { Troubles } from "./troubles";
import type { Row, Work } from "./work";

export interface Arrival {
  back: ConsentReturn;
  plan: Plan | undefined;
}

export class Consents {
  constructor(
    private readonly api: Api,
    private readonly auth: Auth,
    private readonly tasks: TaskStore,
    private readonly grants: GrantStore,
    private readonly rows: Rows,
    private readonly work: Work,
    private readonly troubles: Troubles,
    private readonly toasts: Toasts,
    private readonly status: Status,
    private readonly browser: Browser,
  ) {}

  /** Asks the vault for a consent and leaves for it. replaces: a grant that ends when the new one is there. */
  async request(taskIds: readonly string[], replaces?: string): Promise<void> {
    const [first] = taskIds;
    if (first === undefined) return;
    await this.work.attempt(this.row(first, taskIds), async () => {
      const consent = await this.api.requestConsent(taskIds);
      const page = consentPage(consent.consentUrl);
      const { persistentTokenId } = consent;
      for (const id of taskIds) {
        if (this.tasks.find(id)?.offlineTokenStatus !== "active") this.tasks.put(await this.api.linkToken(id, persistentTokenId));
      }
      const returnTo = pathOf(this.browser.url());
      const session = this.auth.session.value;
      const subject = "subject" in session ? session.subject : "";
      const plan = { persistentTokenId, subject, taskIds, replaces: replaces === undefined ? [] : [replaces], returnTo };
      keepPlan(this.browser.tabStorage, plan);
      this.browser.leaveFor(page);
      return "leaving";
    });
  }

  /** Takes the vault's answer out of the address. Call it before anything else reads the address. */
  takeReturn(): Arrival | undefined {
    const url = this.browser.url();
    const back = readReturn(url.searchParams);
    if (back === undefined) {
      if (withoutReturn(url) !== pathOf(url)) this.browser.replacePath(withoutReturn(url)); // of what the vault never says, nothing stays
      return undefined;
    }
    const kept = takePlan(this.browser.tabStorage);
    const session = this.auth.session.value;
    const mine = kept !== undefined && "subject" in session && session.subject === kept.subject;
    const fits = mine && (back.kind === "refused" || back.persistentTokenId === kept.persistentTokenId);
    const plan = fits ? kept : undefined;
    this.browser.replacePath(plan?.returnTo ?? withoutReturn(url));
    return { back, plan };
  }

  /** Goes on with what this tab has left for. An address that it did not leave for changes nothing by itself. */
  async arrive({ back, plan }: Arrival): Promise<void> {
    if (back.kind === "refused") return this.explainRefusal(back.code, plan?.taskIds ?? (back.taskId === undefined ? [] : [back.taskId]));
    if (plan === undefined) return this.offer(back.persistentTokenId, back.taskId);
    this.rows.unfold(...plan.taskIds);
    const linked: Task[] = [];
    for (const id of plan.taskIds) {
      await this.work.attempt(this.row(id), async () => {
        const task = await this.api.linkToken(id, plan.persistentTokenId);
        this.tasks.put(task);
        linked.push(task);
      });
    }
    const ready = linked.filter((task) => task.offlineTokenStatus === "active");
    const [only] = ready;
    if (only !== undefined) {
      const said = ready.length === 1 ? t("done.ready", { name: short(only.name) }) : t("done.readyMany", { count: ready.length });
      this.toasts.show(said);
      this.status.say(said);
      if (linked.length === plan.taskIds.length) await this.retire(plan);
    }
    this.grants.refresh();
  }

  /** Revokes what the new grant replaces and no task uses. What fails stays in sight on the page of grants. */
  private async retire(plan: Plan): Promise<void> {
    const { data } = await this.api.listGrants(AbortSignal.timeout(15_000)).catch(() => ({ data: undefined }));
    for (const { persistentTokenId: id, status } of replacedBy(plan, data?.tokens ?? [])) {
      await this.work.attempt({ id, state: () => status }, async () => {
        const { tasks } = await this.api.tasksOf(id);
        if (tasks.length === 0) await this.api.revokeToken(id);
      });
    }
  }

  private async explainRefusal(code: string, taskIds: readonly string[]): Promise<void> {
    const why = explainReturn(code);
    this.rows.unfold(...taskIds);
    const [first] = taskIds;
    if (first !== undefined && (await this.tasks.reach(first)) !== undefined) this.work.report(this.row(first, taskIds), why);
    else this.troubles.tell({ title: why.title, ...(why.text !== undefined && { text: why.text }) });
  }

  /** A grant that was asked for elsewhere: linked when the person says so. */
  private async offer(persistentTokenId: string, taskId: string | undefined): Promise<void> {
    this.grants.refresh();
    const task = taskId === undefined ? undefined : await this.tasks.reach(taskId);
    if (task === undefined || task.persistentTokenId === persistentTokenId) {
      this.toasts.show(t("done.granted"));
      this.status.say(t("done.granted"));
      return;
    }
    const run = () => void this.link(task.id, persistentTokenId);
    this.troubles.set(task.id, { title: t("done.granted"), action: { label: t("action.useForTask"), run }, state: stateOf(task) });
  }

  /** Lets a task use an access that was granted before. */
  async link(taskId: string, persistentTokenId: string): Promise<void> {
    await this.work.attempt(this.row(taskId), async () => {
      const task = await this.api.linkToken(taskId, persistentTokenId);
      this.tasks.put(task);
      if (task.offlineTokenStatus === "active") this.toasts.show(t("done.ready", { name: short(task.name) }));
    });
  }

  /** taskIds: for which a new consent is asked when the row offers one. */
  row(id: string, taskIds: readonly string[] = [id]): Row {
    const state = () => {
      const task = this.tasks.find(id);
      return task && stateOf(task);
    };
    return { id, state, requestToken: () => void this.request(taskIds) };
  }
}

/** The active grants that a new one replaces: those of the plan, and those asked for the same tasks. */
export function replacedBy(plan: Plan, grants: readonly Grant[]): readonly Grant[] {
  const mine = new Set(plan.taskIds);
  return grants.filter(({ persistentTokenId: id, status, taskId, taskIds }) => {
    const replaced = plan.replaces.includes(id) || [taskId, ...(taskIds ?? [])].some((asked) => asked !== undefined && mine.has(asked));
    return replaced && id !== plan.persistentTokenId && status === "active";
  });
}
