/** Starts the page: configuration, sign-in, then the tasks follow the session. */
import { effect, untracked } from "@preact/signals";
import { render } from "preact";

import { createApp, type App } from "./app";
import { realBrowser } from "./browser";
import { loadConfig } from "./config";
import { followAddress } from "./router";
import { NotStarted, Root } from "./ui/Root";

async function start(root: HTMLElement): Promise<void> {
  let app: App;
  try {
    app = createApp(await loadConfig(), realBrowser());
  } catch {
    render(<NotStarted />, root);
    return;
  }
  render(<Root app={app} />, root);
  addEventListener("storage", (event) => app.auth.onSharedStorage(event.key));
  addEventListener("pageshow", (event) => event.persisted && app.actions.settle());
  await app.auth.start();
  followAddress();
  effect(() => followSession(app, app.auth.session.value.kind));
}

function followSession({ store, actions }: App, kind: string): void {
  if (kind === "leaving") return;
  untracked(() => {
    if (kind === "signedIn") store.watch();
    else store.forget();
    void actions.comeBack(kind === "signedIn");
  });
}

const root = document.getElementById("app");
if (root !== null) void start(root);
