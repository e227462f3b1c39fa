/** What has happened to grants: the newest lines of their audit, loaded when somebody looks and again when they change. */
import { signal } from "@preact/signals";

import type { Api } from "../api/client";
import type { AuditLine, Grant } from "../api/types";

/** Lines of a first page: what a lane can show. */
const LINES = 200;

export interface Trail {
  lines: readonly AuditLine[];
  /** The `before` of the next page, when there are older lines. */
  next: number | undefined;
}

export class AuditTrails {
  private readonly known = signal<ReadonlyMap<string, Trail>>(new Map());
  /** What each trail was loaded for. */
  private readonly versions = new Map<string, string>();
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly api: Pick<Api, "audit">) {}

  /** The trail, as far as it is loaded. */
  of(id: string): Trail | undefined {
    return this.known.value.get(id);
  }

  /** Loads the newest lines unless they are known, one grant after the other. A failure is tried again at the next call. */
  ensure(grant: Grant): void {
    const id = grant.persistentTokenId;
    const version = [grant.status, grant.uses, grant.lastUsedAt, grant.lastRefreshedAt, grant.failure].join();
    if (this.versions.get(id) === version) return;
    this.versions.set(id, version);
    this.last = this.last.then(() => this.load(id)).catch(() => this.versions.delete(id));
  }

  /** Adds the next older page. Throws what the request throws. */
  async older(id: string): Promise<void> {
    const trail = this.of(id);
    if (trail?.next === undefined) return;
    const page = await this.api.audit(id, LINES, trail.next);
    this.keep(id, { lines: [...trail.lines, ...page.lines], next: page.next });
  }

  forget(): void {
    this.versions.clear();
    this.known.value = new Map();
  }

  private async load(id: string): Promise<void> {
    const page = await this.api.audit(id, LINES);
    this.keep(id, { lines: page.lines, next: page.next });
  }

  private keep(id: string, trail: Trail): void {
    this.known.value = new Map(this.known.value).set(id, trail);
  }
}
