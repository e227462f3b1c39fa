import type { RefObject } from "preact";
import { useRef, useState } from "preact/hooks";

import type { Task } from "../api/types";
import { useApp } from "../app";
import type { Health } from "../tasks/poller";
import { tokenOnlyUsedBy } from "../tasks/view";
import { Button } from "./Button";
import { CreateTask } from "./CreateTask";
import { DeleteDialog } from "./DeleteDialog";
import { HowItWorks } from "./HowItWorks";
import { Inbox } from "./icons";
import { TaskCard } from "./TaskCard";

export function TasksPage() {
  const { store, actions } = useApp();
  const [deleting, setDeleting] = useState<{ task: Task }>();
  const nameField = useRef<HTMLInputElement>(null);
  const listTitle = useRef<HTMLHeadingElement>(null);
  const tasks = store.tasks.value;

  const remove = (task: Task, revoke: string | undefined) => {
    listTitle.current?.focus(); // the button that had the focus goes with its card
    void actions.remove(task, revoke);
  };

  return (
    <main class="tasks-page" id="main">
      <div class="side">
        <CreateTask nameField={nameField} />
        <HowItWorks />
      </div>
      <section class="list" aria-labelledby="list-title" aria-busy={tasks === undefined}>
        <div class="list-head">
          <h2 id="list-title" ref={listTitle} tabIndex={-1}>Your tasks</h2>
          {tasks !== undefined && tasks.length > 0 && <span class="count">{tasks.length}</span>}
          <Connection health={store.health.value} />
        </div>
        {tasks === undefined && <Skeletons />}
        {tasks?.length === 0 && <Empty nameField={nameField} />}
        {tasks?.map((task) => <TaskCard key={task.id} task={task} onDelete={() => setDeleting({ task })} />)}
      </section>
      {deleting && (
        <DeleteDialog
          key={deleting.task.id}
          task={deleting.task}
          token={tokenOnlyUsedBy(deleting.task, tasks ?? [])}
          onConfirm={(revoke) => remove(deleting.task, revoke)}
          onClose={() => setDeleting((now) => (now === deleting ? undefined : now))}
        />
      )}
    </main>
  );
}

const HEALTH: Record<Health, string> = {
  live: "Live",
  offline: "Offline – trying again",
  trouble: "Server trouble – trying again",
};

function Connection({ health }: { health: Health }) {
  return <span class={`connection connection--${health}`} data-health={health}>{HEALTH[health]}</span>;
}

function Skeletons() {
  return (
    <>
      <p class="unseen">Loading your tasks</p>
      {[1, 2, 3].map((number) => (
        <div key={number} class="card skeleton" aria-hidden="true">
          <i class="bone bone--title" />
          <i class="bone bone--badge" />
          <i class="bone" />
          <i class="bone bone--short" />
        </div>
      ))}
    </>
  );
}

function Empty({ nameField }: { nameField: RefObject<HTMLInputElement | null> }) {
  return (
    <div class="card empty">
      <div class="empty-icon"><Inbox /></div>
      <h3>No tasks yet</h3>
      <p>A task can work for you while you are away, with a token that never leaves the vault.</p>
      <Button look="primary" onClick={() => nameField.current?.focus()}>Create your first task</Button>
    </div>
  );
}
