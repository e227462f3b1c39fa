import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useLocation } from "preact-iso";

import type { Task } from "../api/types";
import { useApp } from "../app";
import { useField } from "../navigation";
import { HowItWorks } from "../shell/HowItWorks";
import { t } from "../texts";
import { Button } from "../ui/Button";
import { Inbox, Plus } from "../ui/icons";
import { OtherTroubles } from "../ui/OtherTroubles";
import { useChunk } from "../ui/useChunk";
import { Words } from "../ui/Words";
import { CreateTask } from "./CreateTask";
import { addressOf, countsOf, fromStart, readQuery, type TaskQuery } from "./query";
import { TaskList } from "./TaskList";
import { Toolbar } from "./Toolbar";

export function TasksPage() {
  const { store, rows, preferences } = useApp();
  const [deleting, setDeleting] = useState<readonly Task[]>();
  const [creating, setCreating] = useState(false);
  const dialogs = useChunk(deleting ?? "soon", () => import("./DeleteDialog"));
  const nameField = useRef<HTMLInputElement>(null);
  const tasks = store.listed;
  const { query, show } = useQuery();
  const address = addressOf(query);
  useLayoutEffect(() => {
    rows.choose([]);
    store.show({ list: query });
  }, [address]);
  useTop(query.after);

  const openForm = () => {
    setCreating(true);
    requestAnimationFrame(() => nameField.current?.focus());
  };
  useField("new", openForm);
  useIntroduced(tasks);

  return (
    <main class="page tasks-page" id="main" data-creating={creating}>
      <div class="page-head">
        <h1 id="page-title" tabIndex={-1}>{t("tasks.title")}</h1>
        <Button look="glass" onClick={() => (creating ? setCreating(false) : openForm())}>
          <Plus class="icon" /> {t("tasks.new")}
        </Button>
      </div>
      <section class="sheet list" aria-labelledby="page-title" aria-busy={tasks === undefined || store.late.value}>
        {tasks === undefined && <Skeletons />}
        <OtherTroubles />
        {tasks?.length === 0 && address === "/tasks" && <Empty onCreate={openForm} />}
        {tasks !== undefined && (tasks.length > 0 || address !== "/tasks") && <Selected tasks={tasks} query={query} show={show} onDelete={setDeleting} />}
      </section>
      <aside class="side">
        <CreateTask nameField={nameField} />
        {!preferences.introduced.value && <HowItWorks class="sheet" />}
      </aside>
      {deleting && dialogs && <dialogs.DeleteDialog tasks={deleting} onClose={() => setDeleting(undefined)} />}
    </main>
  );
}

interface SelectedProps {
  tasks: readonly Task[];
  query: TaskQuery;
  show: (query: TaskQuery) => void;
  onDelete: (tasks: readonly Task[]) => void;
}

function Selected({ tasks, query, show, onDelete }: SelectedProps) {
  const { store, rows } = useApp();
  const counts = store.counts.value;
  const bar = useChunk(rows.selected.value.size > 0 || rows.bulk.value !== undefined, () => import("./SelectionBar"));
  const shown = counts !== undefined && query.text.trim() === "" ? countsOf(counts) : undefined;
  return (
    <>
      <Toolbar query={query} counts={shown} onChange={show} />
      {bar && <bar.SelectionBar shown={tasks} query={query} onDelete={onDelete} />}
      {tasks.length === 0
        ? !store.late.value && <NothingFound onClear={() => show({ ...query, filter: "all", text: "" })} />
        : <TaskList tasks={tasks} onDelete={onDelete} />}
      <Pager query={query} />
      <p class="list-end"><Words text={t("tasks.end", { shown: tasks.length, count: Math.max(tasks.length, counts?.total ?? 0) })} /></p>
    </>
  );
}

/** The server's pages: each begins where the one before has ended. */
function Pager({ query }: { query: TaskQuery }) {
  const { store } = useApp();
  const { after } = query;
  const first = fromStart(query);
  const next = store.next.value;
  if (after === undefined && next === undefined) return null;
  const before = after === undefined ? undefined : store.pageBefore(after);
  return (
    <nav class="pager" aria-label={t("pager.label")}>
      {after !== undefined && <a class="button button--small button--quiet" rel="prev" href={addressOf(before ? { ...first, after: before } : first)}>{t(before === undefined ? "pager.first" : "pager.previous")}</a>}
      {next !== undefined && <a class="button button--small button--quiet" rel="next" href={addressOf({ ...first, after: next })}>{t("pager.next")}</a>}
    </nav>
  );
}

/** Another page of the list begins at its top. */
function useTop(after: string | undefined): void {
  const first = useRef(true);
  useLayoutEffect(() => {
    if (!first.current) {
      scrollTo(0, 0);
      document.getElementById("page-title")?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [after]);
}

/** The query stands in the address, so that it survives a reload and can be sent to somebody. */
function useQuery(): { query: TaskQuery; show: (query: TaskQuery) => void } {
  const { url, route } = useLocation();
  return { query: readQuery(new URL(url, location.origin).searchParams), show: (query) => route(addressOf(fromStart(query)), true) };
}

/** Whoever has had a task completed knows how it works. */
function useIntroduced(tasks: readonly Task[] | undefined): void {
  const { preferences, store } = useApp();
  const done = (store.counts.value?.completed ?? 0) > 0 || (tasks?.some(({ status }) => status === "completed") ?? false);
  useEffect(() => {
    if (done && !preferences.introduced.value) preferences.setIntroduced();
  }, [done]);
}

function Skeletons() {
  return (
    <>
      <p class="unseen">{t("tasks.loading")}</p>
      {[1, 2, 3, 4].map((number) => (
        <div key={number} class="skeleton" aria-hidden="true">
          <i class="bone bone--badge" />
          <i class="bone bone--title" />
          <i class="bone bone--short" />
        </div>
      ))}
    </>
  );
}

function Empty({ onCreate }: { onCreate: () => void }) {
  return (
    <div class="empty">
      <div class="empty-icon"><Inbox class="icon" /></div>
      <h2>{t("tasks.none")}</h2>
      <p>{t("tasks.none.text")}</p>
      <Button look="primary" onClick={onCreate}>{t("tasks.first")}</Button>
    </div>
  );
}

function NothingFound({ onClear }: { onClear: () => void }) {
  return (
    <div class="empty">
      <h2>{t("tasks.notFound")}</h2>
      <p>{t("tasks.notFound.text")}</p>
      <Button look="quiet" onClick={onClear}>{t("tasks.clear")}</Button>
    </div>
  );
}
