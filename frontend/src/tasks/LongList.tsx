import { WindowVirtualizer } from "virtua";

import type { TaskListProps } from "./TaskList";
import { TaskRow } from "./TaskRow";

/** Keeps only the rows near the window in the document. A chunk of its own: most lists are short. */
export function LongList({ tasks, onDelete }: TaskListProps) {
  return (
    <WindowVirtualizer data={tasks} itemSize={65}>
      {(task) => <TaskRow key={task.id} task={task} onDelete={onDelete} />}
    </WindowVirtualizer>
  );
}
