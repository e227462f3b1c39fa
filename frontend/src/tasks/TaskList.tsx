import { WindowVirtualizer } from "virtua";

import type { Task } from "../api/types";
import { TaskRow } from "./TaskRow";

/** Longer lists keep only the rows near the window in the document. */
const ALL_IN_DOCUMENT = 25;

export interface TaskListProps {
  tasks: readonly Task[];
  onDelete: (tasks: readonly Task[]) => void;
}

export function TaskList({ tasks, onDelete }: TaskListProps) {
  if (tasks.length <= ALL_IN_DOCUMENT) {
    return <div class="rows">{tasks.map((task) => <TaskRow key={task.id} task={task} onDelete={onDelete} />)}</div>;
  }
  return (
    <div class="rows">
      <WindowVirtualizer data={tasks} itemSize={65}>
        {(task) => <TaskRow key={task.id} task={task} onDelete={onDelete} />}
      </WindowVirtualizer>
    </div>
  );
}
