/** What changed between two polls, in words for those who do not see the badges. Progress is not worth a word. */
import type { Task } from "../api/types";
import { t } from "../texts";

/** More changes than these at once are told as a number. */
const TOLD = 5;

export function changes(before: readonly Task[], after: readonly Task[]): string[] {
  const same = new Set(before); // unchanged tasks keep their objects
  const known = new Map(before.map((task) => [task.id, task]));
  const all = after.flatMap((task) => {
    if (same.has(task)) return [];
    const old = known.get(task.id);
    if (old === undefined) return [t("said.new", { name: task.name })];
    const said: string[] = [];
    if (task.status !== old.status) said.push(t(`said.${task.status}`, { name: task.name }));
    const token = task.offlineTokenStatus;
    if (token !== undefined && token !== old.offlineTokenStatus) said.push(t(`said.token.${token}`, { name: task.name }));
    return said;
  });
  return all.length > TOLD ? [t("said.many", { count: all.length })] : all;
}
