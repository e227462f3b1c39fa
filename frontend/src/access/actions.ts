/** What a person can do with grants. Each action tells its outcome in the grant's own place. */
import type { Api } from "../api/client";
import type { Grant } from "../api/types";
import type { Browser } from "../browser";
import type { Status } from "../status";
import type { TaskStore } from "../tasks/store";
import { t } from "../texts";
import type { Toasts } from "../toasts";
import type { Work } from "../work";
import type { AuditTrails } from "./audit";
import type { GrantStore } from "./store";

export class GrantActions {
  constructor(
    private readonly api: Api,
    private readonly grants: GrantStore,
    private readonly tasks: TaskStore,
    private readonly trails: AuditTrails,
    private readonly work: Work,
    private readonly toasts: Toasts,
    private readonly status: Status,
    private readonly browser: Browser,
  ) {}

  async revoke(grants: readonly Grant[]): Promise<void> {
    let ended = 0;
    for (const { persistentTokenId } of grants) {
      if (await this.attempt(persistentTokenId, () => this.api.revokeToken(persistentTokenId))) ended += 1;
    }
    this.grants.refresh();
    this.tasks.refresh();
    if (ended > 0) this.succeed(t("done.revoked", { count: ended }));
  }

  /** Asks the authorization server now whether the grant lives. */
  async check(grant: Grant): Promise<void> {
    await this.attempt(grant.persistentTokenId, async () => {
      const checked = await this.api.checkGrant(grant.persistentTokenId);
      this.grants.put(checked);
      if (checked.status === "active") this.succeed(t("done.checked"));
    });
    this.grants.refresh();
  }

  /** True when the grant has the name. */
  async rename(grant: Grant, name: string): Promise<boolean> {
    return this.attempt(grant.persistentTokenId, async () => {
      this.grants.put(await this.api.renameToken(grant.persistentTokenId, name));
    });
  }

  /** Ends one ticket; the grant stays. */
  async endTicket(grant: Grant, ticketId: string): Promise<void> {
    const done = await this.attempt(grant.persistentTokenId, () => this.api.endTicket(ticketId));
    if (done) this.succeed(t("done.ticketEnded"));
  }

  async exportAudit(grant: Grant, format: "csv" | "ndjson"): Promise<void> {
    await this.attempt(grant.persistentTokenId, async () => {
      const file = await this.api.exportAudit(grant.persistentTokenId, format);
      this.browser.download(`audit-${grant.persistentTokenId}.${format}`, file);
    });
  }

  async older(grant: Grant): Promise<void> {
    await this.attempt(grant.persistentTokenId, () => this.trails.older(grant.persistentTokenId));
  }

  private attempt(id: string, work: () => Promise<unknown>): Promise<boolean> {
    return this.work.attempt({ id, state: () => this.grants.find(id)?.status }, work);
  }

  private succeed(title: string): void {
    this.toasts.show(title);
    this.status.say(title);
  }
}
