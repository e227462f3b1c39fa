import { memo } from "preact/compat";

import type { Task } from "../api/types";
import { useApp } from "../app";
import { t } from "../texts";
import { Badge } from "../ui/Badge";
import { Clock, Trash, Unfold } from "../ui/icons";
import { Progress } from "../ui/Progress";
import { Time } from "../ui/Time";
import { TroubleBox } from "../ui/TroubleBox";
import { MainButton } from "./MainButton";
import { RunStrip } from "./RunStrip";
import { TaskCard } from "./TaskCard";
import { stateOf, viewOf, type TaskView } from "./view";

export interface TaskRowProps {
  task: Task;
  onDelete: (tasks: readonly Task[]) => void;
}

/** One task: a line that says what matters, and opens to everything. Equal tasks are not rendered again. */
export const TaskRow = memo(({ task, onDelete }: TaskRowProps) => {
  const { rows, troubles } = useApp();
  const view = viewOf(task);
  const open = rows.open.value.has(task.id);
  const trouble = troubles.of(task.id, stateOf(task));
  const toggle = (event: MouseEvent) => {
    const { target } = event;
    if (target instanceof Element && target.closest("button, input, a, label") === null && getSelection()?.isCollapsed !== false) rows.toggle(task.id);
  };
  return (
    <article class="row" data-row data-open={open} data-task-id={task.id} data-status={task.status} data-token-status={task.offlineTokenStatus} aria-labelledby={`name-${task.id}`}>
      <div class="row-line" onClick={toggle}>
        <label class="row-check">
          <input type="checkbox" checked={rows.selected.value.has(task.id)} onChange={() => rows.select(task.id)} aria-label={t("task.select", { name: task.name })} />
        </label>
        <div class="row-text">
          <h2 id={`name-${task.id}`} dir="auto">
            <button type="button" class="row-toggle" data-row-toggle aria-expanded={open} aria-controls={`card-${task.id}`} onClick={() => rows.toggle(task.id)}>{task.name}</button>
          </h2>
          {!open && <SubLine task={task} view={view} />}
          {!open && task.schedule?.nextRunAt && <p class="row-sub row-coming"><NextRun at={task.schedule.nextRunAt} /></p>}
        </div>
        <div class="row-badges">
          <div class="row-status"><Badge {...view.status} /></div>
          <div class="row-token">{view.token && <Badge {...view.token} />}</div>
          {task.lastRuns && task.lastRuns.length > 1 && <div class="row-strip"><RunStrip runs={task.lastRuns.map((status) => ({ status }))} /></div>}
        </div>
        <div class="row-when">{task.schedule?.nextRunAt ? <NextRun at={task.schedule.nextRunAt} /> : <Time at={task.completedAt ?? task.createdAt} />}</div>
        <div class="row-action">
          {view.progress !== undefined && !open && <Progress name={task.name} percent={view.progress} />}
          <MainButton task={task} view={view} describedBy={`name-${task.id}`} />
        </div>
        <button type="button" class="icon-button icon-button--red row-delete" aria-label={t("task.delete", { name: task.name })} title={t("action.delete")} onClick={() => onDelete([task])}>
          <Trash class="icon" />
        </button>
        <Unfold class="icon row-unfold" />
      </div>
      {trouble && <div class="row-trouble"><TroubleBox trouble={trouble} onDismiss={() => troubles.clear(task.id)} /></div>}
      <div id={`card-${task.id}`}>{open && <TaskCard task={task} view={view} />}</div>
    </article>
  );
});

/** Stands in a column of its own, and beneath the name where there is no room for one. */
function NextRun({ at }: { at: string }) {
  return <span class="row-next" title={t("schedule.nextRun")}><Clock class="icon" /><span class="unseen">{t("schedule.nextRun")} </span><Time at={at} /></span>;
}

/** What a closed row says beneath the name: how it ended, what an asked-for token lacks, else the description. */
function SubLine({ task, view }: { task: Task; view: TaskView }) {
  const { outcome, hint, note } = view;
  if (outcome !== undefined) return <p key={outcome.text} class={`row-sub row-sub--${outcome.tone}`} dir="auto">{outcome.text}</p>;
  if (note !== undefined) {
    const { tone, text, advice, nextAttemptAt } = note;
    const words = nextAttemptAt === undefined ? [text, advice].filter(Boolean).join(" ") : (advice ?? text);
    return <p key={words} class={`row-sub row-sub--${tone}`} dir="auto">{nextAttemptAt !== undefined && <>{t("note.next")} <Time at={nextAttemptAt} ago />. </>}{words}</p>;
  }
  if (hint !== undefined && view.token !== undefined) return <p key={hint.text} class={`row-sub row-sub--${hint.tone}`}>{hint.text}</p>;
  return task.description === "" ? null : <p key="" class="row-sub" dir="auto">{task.description}</p>;
}
