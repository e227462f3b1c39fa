/** A page that a browser translates: each text is replaced by an element with other words. What changes later is seen. */
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it } from "vitest";

import type { Task } from "../src/api/types";
import { createApp, type App } from "../src/app";
import { ServerClock } from "../src/clock";
import { Root } from "../src/shell/Root";
import { FakeBrowser, ISSUER, json, task } from "./stand-ins";

let app: App;
let root: HTMLElement;

beforeEach(async () => {
  history.replaceState(null, "", "/tasks");
  root = document.body.appendChild(document.createElement("div"));
  const browser = new FakeBrowser(() => Promise.resolve(json(503, { title: "Away", status: 503, code: "service_unavailable" })));
  app = createApp({ issuer: new URL(ISSUER), clientId: "task-ui" }, browser, new ServerClock(browser.now));
  app.auth.session.value = { kind: "signedIn", name: "Alice Archer", subject: "alice" };
  await act(() => render(<Root app={app} />, root));
});

afterEach(() => {
  render(null, root);
  root.remove();
});

const show = (...tasks: Task[]) => act(() => void (app.store.rows.value = tasks));
const row = () => root.querySelector("article")?.textContent ?? "";

function translate(): void {
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found: Text[] = [];
  while (texts.nextNode()) found.push(texts.currentNode as Text);
  for (const text of found.filter(({ data }) => data.trim() !== "")) {
    const other = document.createElementNS("http://www.w3.org/1999/xhtml", "font");
    other.textContent = `»${text.data}`;
    text.replaceWith(other);
  }
}

const usable = { persistentTokenId: "p1", offlineTokenStatus: "active" } as const;
const STATES: Partial<Task>[] = [
  {},
  { ...usable },
  { ...usable, status: "queued" },
  { ...usable, status: "running", progress: 40 },
  { ...usable, status: "running", progress: 70 },
  { ...usable, status: "waiting", waitReason: "retry", statusReason: "No answer." },
  { ...usable, status: "waiting", waitReason: "dependency", statusReason: "Waits for Load." },
  { ...usable, status: "completed", result: "42 files.", completedAt: "2025-01-18T12:00:20Z" },
  { ...usable, status: "failed", error: "The disk is full.", completedAt: "2025-01-18T12:00:20Z" },
  { ...usable, status: "failed", error: "The disk is still full.", completedAt: "2025-01-18T12:00:20Z" },
  { ...usable, status: "cancelled", statusReason: "wrong file", offlineTokenStatus: "failed" },
];

it.each([true, false])("shows each new state of a task, and nothing of the one before (open: %s)", async (open) => {
  if (open) await act(() => app.rows.unfold("task-1"));
  for (const state of STATES) {
    await show(task(state));
    const shown = row();
    await show();
    await show(task(state));
    expect(shown.replaceAll("»", "")).toBe(row());
    translate();
  }
});

it("shows how things stand now", async () => {
  await show(task());
  translate();
  await act(() => void (app.store.health.value = { state: "trouble", code: "service_unavailable" }));
  const [pill, strip] = [root.querySelector(".health"), root.querySelector("[data-strip]")];
  expect(pill?.textContent).toBe("Task service unavailable");
  expect(strip?.textContent).toContain("Task service unavailable");
});
