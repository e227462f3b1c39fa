import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { lazy, LocationProvider, Route, Router, useLocation } from "preact-iso";

import { useApp } from "../app";
import type { Session } from "../auth";
import { connectRouter } from "../navigation";
import { t } from "../texts";
import { TasksPage } from "../tasks/TasksPage";
import { useChunk } from "../ui/useChunk";
import { Bar } from "./Bar";
import { Guard, NoPage } from "./Guard";
import { HealthStrip } from "./HealthStrip";
import { useKeys } from "./Keys";
import { SessionDialog } from "./SessionDialog";

// Fetched when somebody goes there: the list of tasks is what most people see first.
const AccessPage = lazy(() => import("../access/AccessPage").then((part) => part.AccessPage, () => UnloadedPage));
const AccessDetail = lazy(() => import("../access/AccessDetail").then((part) => part.AccessDetail, () => UnloadedPage));
const ConfirmPage = lazy(() => import("../consent/ConfirmPage").then((part) => part.ConfirmPage, () => UnloadedPage));
const RequestPage = lazy(() => import("../consent/RequestPage").then((part) => part.RequestPage, () => UnloadedPage));
const TaskPage = lazy(() => import("../tasks/TaskPage").then((part) => part.TaskPage, () => UnloadedPage));

export type PersonSession = Extract<Session, { kind: "signedIn" | "ended" }>;

/** Everything that a person sees. It stays as it is when their session ends, under a dialog. */
export function Shell({ session }: { session: PersonSession }) {
  const { consents } = useApp();
  // The address has to be right before the router reads it, and each answer of the vault is taken once.
  const [arrival] = useState(() => consents.takeReturn());
  useEffect(() => {
    if (arrival !== undefined) void consents.arrive(arrival);
  }, []);
  return (
    <LocationProvider>
      <Pages session={session} />
    </LocationProvider>
  );
}

function Pages({ session }: { session: PersonSession }) {
  const { route, path } = useLocation();
  const [help, setHelp] = useState(false);
  const keys = useChunk(help, () => import("./KeysDialog"));
  connectRouter(route);
  useKeys(() => setHelp(true));
  useLayoutEffect(() => {
    if (path === "/") route("/tasks", true);
  }, [path]);
  return (
    <>
      <a class="skip" href="#page-title">{t("app.skip")}</a>
      <Bar session={session} path={path} onHelp={() => setHelp(true)} />
      <HealthStrip />
      <Guard at={path}>
        <Router onRouteChange={focusTitle}>
          <Route path="/tasks" component={TasksPage} />
          <Route path="/tasks/:id" component={TaskPage} />
          <Route path="/access" component={AccessPage} />
          <Route path="/access/:id" component={AccessDetail} />
          <Route path="/consent/confirm" component={ConfirmPage} />
          <Route path="/consent/:id" component={RequestPage} />
          <Route default component={UnknownPage} />
        </Router>
      </Guard>
      {help && keys && <keys.KeysDialog onClose={() => setHelp(false)} />}
      {session.kind === "ended" && <SessionDialog notice={session.notice} />}
    </>
  );
}

/** On a new page the focus is at its title, so that reading goes on from there. */
function focusTitle(): void {
  document.getElementById("page-title")?.focus({ preventScroll: true });
}

const UnloadedPage = () => <NoPage why="unloaded" />;

function UnknownPage() {
  return (
    <main class="page" id="main">
      <div class="sheet empty">
        <h1 id="page-title" tabIndex={-1}>{t("unknown.title")}</h1>
        <p>{t("unknown.text")}</p>
        <a class="button button--primary" href="/tasks">{t("unknown.go")}</a>
      </div>
    </main>
  );
}
