import type { Task } from "../api/types";
import { useChunk } from "../ui/useChunk";
import { TaskRow } from "./TaskRow";

/** Longer lists keep only the rows near the window in the document. */
const ALL_IN_DOCUMENT = 25;

export interface TaskListProps {
  tasks: readonly Task[];
  onDelete: (tasks: readonly Task[]) => void;
}

/** A long list shows its first rows until the part that handles it is there. */
export function TaskList({ tasks, onDelete }: TaskListProps) {
  const isLong = tasks.length > ALL_IN_DOCUMENT;
  const part = useChunk(isLong && tasks, () => import("./LongList"));
  if (isLong && part !== undefined) return <div class="rows"><part.LongList tasks={tasks} onDelete={onDelete} /></div>;
  return <div class="rows">{tasks.slice(0, ALL_IN_DOCUMENT).map((task) => <TaskRow key={task.id} task={task} onDelete={onDelete} />)}</div>;
}
