/** Starts the page: what the browser can do, configuration, sign-in; then the rows follow the session. */
import { effect, untracked } from "@preact/signals";
import { render } from "preact";

import { createApp, followSession, type App } from "./app";
import { realBrowser, type Browser } from "./browser";
import { ServerClock } from "./clock";
import { loadConfig } from "./config";
import { keepConfirmation } from "./consent/kept";
import { preferredLanguage, speak } from "./texts";
import { startTicking } from "./tick";
import { keepFocus } from "./shell/focusKeeper";
import { NotStarted, type Obstacle } from "./shell/NotStarted";
import { Root } from "./shell/Root";

async function start(root: HTMLElement): Promise<void> {
  root.replaceChildren(); // the sentence for browsers in which nothing of this runs
  await speak(preferredLanguage(null, navigator.languages)).catch(() => undefined);
  const app = await open();
  if (typeof app === "string") render(<NotStarted obstacle={app} />, root);
  else await run(app, root);
}

/** The application, or what keeps it from being one. */
async function open(): Promise<App | Obstacle> {
  if (!isModern()) return "browser";
  const browser = storageOr(realBrowser);
  if (browser === undefined) return "storage";
  const clock = new ServerClock(() => Date.now());
  const config = await loadConfig(browser.fetch, (answer) => clock.observe(answer)).catch(() => undefined);
  if (config === undefined) return browser.online() ? "configuration" : "offline";
  return createApp(config, browser, clock);
}

async function run(app: App, root: HTMLElement): Promise<void> {
  await app.preferences.speakPreferred();
  render(<Root app={app} />, root);
  addEventListener("storage", (event) => app.auth.onSharedStorage(event.key));
  addEventListener("pageshow", (event) => event.persisted && returned(app));
  effect(() => {
    const { kind } = app.auth.session.value;
    untracked(() => followSession(app, kind));
  });
  startTicking();
  keepFocus();
  keepConfirmation(app.browser);
  await app.auth.start();
}

/** The browser kept the page and shows it again: whatever was under way in it is not any more. */
function returned(app: App): void {
  if (app.auth.session.value.kind === "leaving") location.reload();
  app.work.settle();
  app.store.refresh();
}

/** Whether the browser knows what the page is built on. */
function isModern(): boolean {
  const overlays = "showModal" in HTMLDialogElement.prototype && "popover" in HTMLElement.prototype;
  return overlays && CSS.supports("color", "light-dark(#000, #fff)");
}

/** The browser, unless it keeps the page from storing anything: then signing in cannot work. */
function storageOr(open: () => Browser): Browser | undefined {
  try {
    const browser = open();
    for (const storage of [browser.tabStorage, browser.sharedStorage]) {
      storage.setItem("probe", "1");
      storage.removeItem("probe");
    }
    return browser;
  } catch {
    return undefined;
  }
}

const root = document.getElementById("app");
if (root !== null) void start(root);
