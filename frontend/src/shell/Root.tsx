import { AppContext, type App } from "../app";
import type { Session } from "../auth";
import { t } from "../texts";
import { Spin } from "../ui/icons";
import { ToastList } from "../ui/ToastList";
import { Guard } from "./Guard";
import { Landing } from "./Landing";
import { Shell } from "./Shell";

export function Root({ app }: { app: App }) {
  return (
    <AppContext.Provider value={app}>
      <Guard at={app.auth.session.value.kind}><Page session={app.auth.session.value} /></Guard>
      <ToastList />
      <div role="status" class="unseen">{app.status.text.value}</div>
    </AppContext.Provider>
  );
}

function Page({ session }: { session: Session }) {
  switch (session.kind) {
    case "starting":
    case "leaving":
      return <Wait />;
    case "signedOut":
      return <Landing notice={session.notice} />;
    case "signedIn":
    case "ended":
      return <Shell session={session} />;
  }
}

/** Shown between two pages; it appears only when the wait is long enough to be noticed. */
function Wait() {
  return <main class="wait" id="main"><Spin class="icon icon--spin" /> <span>{t("app.wait")}</span></main>;
}
