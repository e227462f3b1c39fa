/** Puts the parts together. The only place that knows all of them. */
import { computed, type ReadonlySignal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";

import { GrantActions } from "./access/actions";
import { AuditTrails } from "./access/audit";
import { GrantStore } from "./access/store";
import { accessOf, type Access } from "./access/view";
import { Api } from "./api/client";
import { Http } from "./api/http";
import { Auth } from "./auth";
import type { Browser } from "./browser";
import { ServerClock } from "./clock";
import type { Config } from "./config";
import { Decisions } from "./consent/decisions";
import { Consents } from "./consents";
import { Drafts } from "./drafts";
import { Preferences } from "./preferences";
import { Rows } from "./rows";
import { Status } from "./status";
import { TaskActions } from "./tasks/actions";
import { RunHistory } from "./tasks/history";
import { Schedules } from "./tasks/schedules";
import { TaskStore } from "./tasks/store";
import { minute } from "./tick";
import { Toasts } from "./toasts";
import { Troubles } from "./troubles";
import { Work } from "./work";

export interface App {
  api: Api;
  auth: Auth;
  browser: Browser;
  clock: ServerClock;
  store: TaskStore;
  grants: GrantStore;
  /** The grants with the tasks that use them. */
  granted: ReadonlySignal<readonly Access[]>;
  trails: AuditTrails;
  history: RunHistory;
  schedules: Schedules;
  consents: Consents;
  decisions: Decisions;
  actions: TaskActions;
  access: GrantActions;
  rows: Rows;
  work: Work;
  troubles: Troubles;
  toasts: Toasts;
  status: Status;
  preferences: Preferences;
  drafts: Drafts;
}

/** clock: is shown the answers of our own server. */
export function createApp(config: Config, browser: Browser, clock: ServerClock): App {
  const auth = new Auth(config, browser, clock);
  const observed: typeof fetch = async (input, init) => {
    const answer = await browser.fetch(input, init);
    clock.observe(answer);
    return answer;
  };
  const api = new Api(new Http(observed, auth).fetch);
  const status = new Status();
  const toasts = new Toasts();
  const troubles = new Troubles();
  const rows = new Rows();
  const work = new Work(troubles, browser);
  const store = new TaskStore(api, status);
  const grants = new GrantStore(api);
  const granted = computed(() => accessOf(grants.rows.value ?? [], store.linked.rows.value ?? [], minute.value));
  const trails = new AuditTrails(api);
  const history = new RunHistory(api);
  const consents = new Consents(api, auth, store, grants, rows, work, troubles, toasts, status, browser);
  const decisions = new Decisions(api, work, browser);
  const actions = new TaskActions(api, store, consents, rows, work, troubles, toasts, status);
  const schedules = new Schedules(api, store, consents, work, toasts, status);
  const access = new GrantActions(api, grants, store, trails, work, toasts, status, browser);
  const preferences = new Preferences(browser.sharedStorage);
  const drafts = new Drafts(browser.tabStorage);
  return {
    api, auth, browser, clock, store, grants, granted, trails, history, schedules, consents, decisions, actions, access, rows, work, troubles, toasts, status, preferences,
    drafts,
  };
}

/** Follows the session: what belongs to a person is kept for as long as they are signed in, or their page is open. */
export function followSession({ store, grants, trails, history, rows, troubles }: App, kind: string): void {
  switch (kind) {
    case "signedIn":
      store.watch();
      grants.watch();
      return;
    case "ended":
      store.rest();
      grants.rest();
      return;
    case "signedOut":
      for (const part of [store, grants, trails, history, rows, troubles]) part.forget();
  }
}

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
  const app = useContext(AppContext);
  if (app === undefined) throw new Error("rendered outside of AppContext");
  return app;
}
