/** What changed between two polls, in words for those who do not see the badges. Progress is not worth a word. */
import type { Task, TaskStatus, TokenStatus } from "../api/types";

const STATUS_WORDS: Record<TaskStatus, string> = {
  pending: "is pending",
  waiting: "is waiting",
  queued: "is queued",
  running: "is running",
  completed: "completed",
  failed: "failed",
  cancelled: "was cancelled",
};

const TOKEN_WORDS: Record<TokenStatus, string> = {
  pending: "is waiting for consent",
  active: "has an active offline token",
  failed: "has a failed offline token",
};

export function changes(before: readonly Task[], after: readonly Task[]): string[] {
  const known = new Map(before.map((task) => [task.id, task]));
  return after.flatMap((task) => {
    const old = known.get(task.id);
    if (old === undefined) return [`New task: ${task.name}`];
    const said: string[] = [];
    if (task.status !== old.status) said.push(`${task.name} ${STATUS_WORDS[task.status]}`);
    const token = task.offlineTokenStatus;
    if (token !== undefined && token !== old.offlineTokenStatus) said.push(`${task.name} ${TOKEN_WORDS[token]}`);
    return said;
  });
}
