import { useState } from "preact/hooks";

import type { Task } from "../api/types";
import { useApp } from "../app";
import { duration, timestamp } from "../dates";
import { EXECUTE, REQUEST_TOKEN } from "../tasks/actions";
import { viewOf, type TaskView } from "../tasks/view";
import { Badge } from "./Badge";
import { Button } from "./Button";
import { Check, Cross, Key, Trash } from "./icons";

const LONG = 280;

export function TaskCard({ task, onDelete }: { task: Task; onDelete: () => void }) {
  const { actions } = useApp();
  const view = viewOf(task);
  const busy = actions.busy.value.has(task.id);
  const heading = `name-${task.id}`;
  return (
    <article
      class={`card task tone-${view.status.tone}`}
      data-task-id={task.id}
      data-status={task.status}
      data-token-status={task.offlineTokenStatus}
      aria-labelledby={heading}
    >
      <header class="task-head">
        <h3 id={heading} class="task-name">{task.name}</h3>
        <button
          type="button"
          class="icon-button icon-button--red"
          aria-label={`Delete ${task.name}`}
          title="Delete"
          onClick={onDelete}
        >
          <Trash />
        </button>
      </header>
      <div class="badges">
        <Badge {...view.status} />
        {view.token && <Badge {...view.token} />}
      </div>
      {task.description !== "" && <Description text={task.description} />}
      {view.progress !== undefined && <ProgressBar name={task.name} percent={view.progress} />}
      {view.outcome && <Outcome outcome={view.outcome} />}
      {view.hint && <Hint hint={view.hint} />}
      <footer class="task-foot">
        <Times task={task} />
        {view.canRequestToken && (
          <Button look="purple" busy={busy} describedBy={heading} onClick={() => void actions.requestToken(task.id)}>
            {REQUEST_TOKEN}
          </Button>
        )}
        {view.canExecute && (
          <Button look="green" busy={busy} describedBy={heading} onClick={() => void actions.execute(task.id)}>
            {EXECUTE}
          </Button>
        )}
      </footer>
    </article>
  );
}

function Description({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  const long = text.length > LONG || text.split("\n").length > 4;
  return (
    <div class="task-text">
      <p class={long && !open ? "clamped" : ""}>{text}</p>
      {long && (
        <button type="button" class="link" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Show less" : "Show more"}
        </button>
      )}
    </div>
  );
}

function ProgressBar({ name, percent }: { name: string; percent: number }) {
  return (
    <div class="progress">
      <div
        class="progress-track"
        role="progressbar"
        aria-label={`Progress of ${name}`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
      >
        <div class="progress-fill" style={{ "--percent": `${percent}%` }} />
      </div>
      <span class="progress-number">{percent}%</span>
    </div>
  );
}

function Outcome({ outcome }: { outcome: NonNullable<TaskView["outcome"]> }) {
  return (
    <div class={`box tone-${outcome.tone}`} data-outcome={outcome.tone === "green" ? "success" : "error"}>
      {outcome.tone === "green" ? <Check /> : <Cross />}
      <div>
        <p class="box-text">{outcome.text}</p>
        {outcome.advice !== undefined && <p class="box-advice">{outcome.advice}</p>}
      </div>
    </div>
  );
}

function Hint({ hint }: { hint: NonNullable<TaskView["hint"]> }) {
  return (
    <div class={`hint tone-${hint.tone}`}>
      <Key />
      <p>
        <strong>{hint.text}</strong> <span>{hint.advice}</span>
      </p>
    </div>
  );
}

function Times({ task }: { task: Task }) {
  const took = duration(task.startedAt, task.completedAt);
  return (
    <dl class="times">
      <Time label="Created" at={task.createdAt} />
      {task.completedAt !== undefined && (
        <Time label={task.status === "completed" ? "Completed" : "Ended"} at={task.completedAt} note={took} />
      )}
    </dl>
  );
}

function Time({ label, at, note }: { label: string; at: string; note?: string | undefined }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>
        <time dateTime={at} title={at}>{timestamp(at, Date.now())}</time>
        {note !== undefined && <span class="took">took {note}</span>}
      </dd>
    </div>
  );
}
