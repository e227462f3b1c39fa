/** The page's actions over an API that answers from a table. */
import { GrantStore } from "../src/access/store";
import { Api } from "../src/api/client";
import { ApiError } from "../src/api/http";
import type { Auth } from "../src/auth";
import { Decisions } from "../src/consent/decisions";
import { Consents } from "../src/consents";
import { Rows } from "../src/rows";
import { Status } from "../src/status";
import { TaskActions } from "../src/tasks/actions";
import { TaskStore } from "../src/tasks/store";
import { Toasts } from "../src/toasts";
import { Troubles } from "../src/troubles";
import { Work } from "../src/work";
import { FakeBrowser, scripted, task } from "./stand-ins";

/** answers: by method and path; an Error is thrown. calls: method, path and body of each request. */
export function wired(answers: Record<string, unknown>) {
  const calls: string[] = [];
  const api = new Api(scripted(answers, calls));
  const browser = new FakeBrowser(() => Promise.reject(new TypeError("not used")));
  const [status, toasts, troubles] = [new Status(), new Toasts(), new Troubles()];
  const store = new TaskStore(api, status);
  store.rows.value = [task()];
  const rows = new Rows();
  const work = new Work(troubles, browser);
  const auth = { session: { value: { kind: "signedIn", name: "Alice", subject: "alice" } } } as unknown as Auth;
  const consents = new Consents(api, auth, store, new GrantStore(api), rows, work, troubles, toasts, status, browser);
  const actions = new TaskActions(api, store, consents, rows, work, troubles, toasts, status);
  const decisions = new Decisions(api, work, browser);
  return { calls, browser, status, toasts, troubles, store, rows, work, consents, decisions, actions };
}

export function refused(code: string, state = 500): ApiError {
  return new ApiError({ title: "Trouble", status: state, code, requestId: "r-1" }, undefined);
}
