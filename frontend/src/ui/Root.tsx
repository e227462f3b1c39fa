import { useApp, AppContext, type App } from "../app";
import type { Session } from "../auth";
import { navigate, route } from "../router";
import { Button } from "./Button";
import { Landing } from "./Landing";
import { Logo, Spin } from "./icons";
import { TasksPage } from "./TasksPage";
import { ToastList } from "./ToastList";

export function Root({ app }: { app: App }) {
  return (
    <AppContext.Provider value={app}>
      <Page session={app.auth.session.value} />
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
      return (
        <>
          <a class="skip" href="#list-title">Skip to your tasks</a>
          <Header name={session.name} />
          {route.value.page === "tasks" ? <TasksPage /> : <UnknownPage />}
        </>
      );
  }
}

function Header({ name }: { name: string }) {
  const { auth } = useApp();
  return (
    <header class="top">
      <Logo />
      <h1>Task Manager</h1>
      {name !== "" && (
        <span class="person">
          <span class="initials" aria-hidden="true">{initials(name)}</span>
          <span class="person-name">{name}</span>
        </span>
      )}
      <Button look="glass" onClick={() => void auth.signOut()}>Sign out</Button>
    </header>
  );
}

function UnknownPage() {
  return (
    <main class="landing" id="main">
      <div class="hero">
        <h2>There is no such page</h2>
        <p>The address may be mistyped, or the page has moved.</p>
        <Button look="glass" onClick={() => navigate("/tasks")}>Go to your tasks</Button>
      </div>
    </main>
  );
}

/** Shown between two pages; it appears only when the wait is long enough to be noticed. */
function Wait() {
  return <main class="wait" id="main"><Spin /> <span>One moment…</span></main>;
}

/** Shown when the page can't even learn where to sign in. */
export function NotStarted() {
  return (
    <main class="landing" id="main">
      <div class="hero" role="alert">
        <Logo />
        <h1>Task Manager</h1>
        <p>The page could not be started: its configuration did not arrive.</p>
        <Button look="glass" onClick={() => location.reload()}>Try again</Button>
      </div>
    </main>
  );
}

function initials(name: string): string {
  return name.split(/\s+/).map((word) => word.charAt(0)).slice(0, 2).join("").toUpperCase();
}
