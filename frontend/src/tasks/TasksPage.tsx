import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useLocation } from "preact-iso";

import type { Task } from "../api/types";
import { useApp } from "../app";
import { HowItWorks } from "../shell/HowItWorks";
import { t } from "../texts";
import { Button } from "../ui/Button";
import { Inbox, Plus } from "../ui/icons";
import { OtherTroubles } from "../ui/OtherTroubles";
import { useChunk } from "../ui/useChunk";
import { CreateTask } from "./CreateTask";
import { addressOf, readQuery, select, type TaskQuery } from "./query";
import { SelectionBar } from "./SelectionBar";
import { LONGEST_LIST } from "./store";
import { TaskList } from "./TaskList";
import { Toolbar } from "./Toolbar";

export function TasksPage() {
  const { store, preferences } = useApp();
  const [deleting, setDeleting] = useState<readonly Task[]>();
  const [creating, setCreating] = useState(false);
  const dialogs = useChunk(deleting ?? "soon", () => import("./DeleteDialog"));
  const nameField = useRef<HTMLInputElement>(null);
  const tasks = store.rows.value;
  const { query, show } = useQuery();

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
      <section class="sheet list" aria-labelledby="page-title" aria-busy={tasks === undefined}>
        {tasks === undefined && <Skeletons />}
        <OtherTroubles />
        {tasks?.length === 0 && <Empty onCreate={openForm} />}
        {tasks !== undefined && tasks.length > 0 && <Selected tasks={tasks} query={query} show={show} onDelete={setDeleting} />}
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
  const selection = select(tasks, query);
  return (
    <>
      <Toolbar query={query} counts={selection.counts} onChange={show} />
      <SelectionBar shown={selection.tasks} onDelete={onDelete} />
      {selection.tasks.length === 0
        ? <NothingFound onClear={() => show({ ...query, filter: "all", text: "" })} />
        : <TaskList tasks={selection.tasks} onDelete={onDelete} />}
      <p class="list-end">{tasks.length === LONGEST_LIST ? t("tasks.cut", { count: tasks.length }) : t("tasks.end", { shown: selection.tasks.length, count: tasks.length })}</p>
    </>
  );
}

/** The query stands in the address, so that it survives a reload and can be sent to somebody. */
function useQuery(): { query: TaskQuery; show: (query: TaskQuery) => void } {
  const { url, route } = useLocation();
  return { query: readQuery(new URL(url, location.origin).searchParams), show: (query) => route(addressOf(query), true) };
}

/** Runs `act` when a key asks for that field. */
function useField(field: string, act: () => void): void {
  useLayoutEffect(() => {
    const listen = (event: Event) => (event as CustomEvent<string>).detail === field && act();
    addEventListener("visit-field", listen);
    return () => removeEventListener("visit-field", listen);
  });
}

/** Whoever has had a task completed knows how it works. */
function useIntroduced(tasks: readonly Task[] | undefined): void {
  const { preferences } = useApp();
  const done = tasks?.some(({ status }) => status === "completed") ?? false;
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
