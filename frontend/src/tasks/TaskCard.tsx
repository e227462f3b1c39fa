import { useState } from "preact/hooks";

import type { Task } from "../api/types";
import { duration } from "../dates";
import { t } from "../texts";
import { Check, Cross, Key } from "../ui/icons";
import { Progress } from "../ui/Progress";
import { Time } from "../ui/Time";
import { UseAccess } from "./UseAccess";
import type { TaskView } from "./view";

const LONG = 280;

/** Everything about a task that its line has no room for (R17 to R21). */
export function TaskCard({ task, view, page = false }: { task: Task; view: TaskView; page?: boolean }) {
  return (
    <div class="task-card">
      {task.description !== "" && <Description text={task.description} />}
      {view.progress !== undefined && <Progress name={task.name} percent={view.progress} large />}
      {view.outcome && <Outcome outcome={view.outcome} />}
      {view.hint && <Hint hint={view.hint} />}
      {view.canRequestToken && <UseAccess task={task} />}
      <footer class="task-foot">
        <Times task={task} />
        {!page && <a class="link" href={`/tasks/${encodeURIComponent(task.id)}`}>{t("task.open")}<span class="unseen"> {task.name}</span></a>}
        {!page && task.persistentTokenId !== undefined && <a class="link" href={`/access/${encodeURIComponent(task.persistentTokenId)}`}>{t("task.itsAccess")}</a>}
      </footer>
    </div>
  );
}

function Description({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  const long = text.length > LONG || text.split("\n").length > 4;
  return (
    <div class="task-text">
      <p class={long && !open ? "clamped" : ""} dir="auto">{text}</p>
      {long && (
        <button type="button" class="link" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? t("task.less") : t("task.more")}
        </button>
      )}
    </div>
  );
}

function Outcome({ outcome }: { outcome: NonNullable<TaskView["outcome"]> }) {
  const good = outcome.tone === "green";
  return (
    <div class={`box tone-${outcome.tone}`} data-outcome={good ? "success" : "error"}>
      {good ? <Check class="icon" /> : <Cross class="icon" />}
      <div class="box-body">
        <p class="box-text" dir="auto">{outcome.text}</p>
        {outcome.advice !== undefined && <p class="box-advice">{outcome.advice}</p>}
      </div>
    </div>
  );
}

function Hint({ hint }: { hint: NonNullable<TaskView["hint"]> }) {
  return (
    <div class={`hint tone-${hint.tone}`}>
      <Key class="icon" />
      <p><strong>{hint.text}</strong> <span>{hint.advice}</span></p>
    </div>
  );
}

function Times({ task }: { task: Task }) {
  const took = duration(task.startedAt, task.completedAt);
  const ended = task.status === "completed" ? t("task.completed") : t("task.ended");
  return (
    <dl class="times">
      <div><dt>{t("task.created")}</dt><dd><Time at={task.createdAt} /></dd></div>
      {task.completedAt !== undefined && (
        <div>
          <dt>{ended}</dt>
          <dd><Time at={task.completedAt} />{took !== undefined && <span class="took">{t("task.took", { duration: took })}</span>}</dd>
        </div>
      )}
    </dl>
  );
}
