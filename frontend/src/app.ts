/** Puts the parts together. The only place that knows all of them. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";

import { Api } from "./api/client";
import { Http } from "./api/http";
import { Auth } from "./auth";
import type { Browser } from "./browser";
import type { Config } from "./config";
import { Status } from "./status";
import { TaskActions } from "./tasks/actions";
import { TaskStore } from "./tasks/store";
import { Toasts } from "./toasts";

export interface App {
  auth: Auth;
  store: TaskStore;
  actions: TaskActions;
  toasts: Toasts;
  status: Status;
}

export function createApp(config: Config, browser: Browser): App {
  const auth = new Auth(config, browser);
  const api = new Api(new Http(browser.fetch, auth).fetch);
  const status = new Status();
  const toasts = new Toasts();
  const store = new TaskStore(api, status);
  const actions = new TaskActions(api, store, toasts, status, browser);
  return { auth, store, actions, toasts, status };
}

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
  const app = useContext(AppContext);
  if (app === undefined) throw new Error("rendered outside of AppContext");
  return app;
}
