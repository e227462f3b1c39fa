import { useState } from "preact/hooks";

import type { Task } from "../api/types";
import { useApp } from "../app";
import { duration, length } from "../dates";
import { t } from "../texts";
import { Button } from "../ui/Button";
import { Again, Check, Cross, Hourglass, Key, Stop } from "../ui/icons";
import { Progress } from "../ui/Progress";
import { Time } from "../ui/Time";
import { useChunk } from "../ui/useChunk";
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
      {view.note && <Note note={view.note} />}
      {view.hint && <Hint hint={view.hint} />}
      {view.canRequestToken && <UseAccess task={task} />}
      <footer class="task-foot">
        <Times task={task} page={page} />
        {!page && <RunButtons task={task} view={view} />}
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
        <p key={outcome.text} class="box-text" dir="auto">{outcome.text}</p>
        {outcome.advice !== undefined && <p class="box-advice">{outcome.advice}</p>}
      </div>
    </div>
  );
}

/** Why the task waits and when it goes on, or why it was cancelled. */
function Note({ note }: { note: NonNullable<TaskView["note"]> }) {
  const { tone, text, advice, nextAttemptAt } = note;
  return (
    <div class={`hint tone-${tone}`} data-note>
      {tone === "gray" ? <Stop class="icon" /> : <Hourglass class="icon" />}
      <p key={`${text} ${advice ?? ""}`} class="wrap" dir="auto">
        <strong>{text}</strong>{nextAttemptAt !== undefined && <> {t("note.next")} <Time at={nextAttemptAt} ago />.</>} {advice !== undefined && <span>{advice}</span>}
      </p>
    </div>
  );
}

/** What can be done with the latest run. */
export function RunButtons({ task, view }: { task: Task; view: TaskView }) {
  const { actions, work } = useApp();
  const [cancelling, setCancelling] = useState(false);
  const dialogs = useChunk(cancelling, () => import("./CancelDialog"));
  const busy = work.busy.value.has(task.id);
  return (
    <>
      {view.canRunAgain && <Button small look="quiet" busy={busy} onClick={() => void actions.runAgain(task.id)}><Again class="icon" /> {t("action.runAgain")}</Button>}
      {view.canCancel && <Button small look="quiet" busy={busy} onClick={() => setCancelling(true)}><Stop class="icon" /> {t("action.cancelRun")}</Button>}
      {cancelling && dialogs && <dialogs.CancelDialog tasks={[task]} onClose={() => setCancelling(false)} />}
    </>
  );
}

function Hint({ hint }: { hint: NonNullable<TaskView["hint"]> }) {
  return (
    <div class={`hint tone-${hint.tone}`}>
      <Key class="icon" />
      <p key={hint.text}><strong>{hint.text}</strong> <span>{hint.advice}</span></p>
    </div>
  );
}

function Times({ task, page }: { task: Task; page: boolean }) {
  const took = duration(task.startedAt, task.completedAt);
  const ended = task.status === "completed" ? t("task.completed") : t("task.ended");
  return (
    <dl class="times">
      <div><dt>{t("task.created")}</dt><dd><Time at={task.createdAt} /></dd></div>
      {task.completedAt !== undefined && (
        <div>
          <dt key={ended}>{ended}</dt>
          <dd><Time at={task.completedAt} />{took !== undefined && <span class="took">{t("task.took", { duration: took })}</span>}</dd>
        </div>
      )}
      {page && task.retry !== undefined && (
        <div>
          <dt>{t("retry.title")}</dt>
          <dd>{t("retry.policy", { most: task.retry.maxAttempts, first: length(task.retry.backoff), longest: length(task.retry.maxBackoff) })}</dd>
        </div>
      )}
      {task.schedule?.nextRunAt && <div><dt>{t("schedule.nextRun")}</dt><dd><Time at={task.schedule.nextRunAt} /></dd></div>}
    </dl>
  );
}
