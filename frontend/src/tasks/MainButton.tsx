import type { Task } from "../api/types";
import { useApp } from "../app";
import { t } from "../texts";
import { Button } from "../ui/Button";
import type { TaskView } from "./view";

/** R20: purple for a task without a usable token, green for one that can be executed; nothing else. */
export function MainButton({ task, view, describedBy }: { task: Task; view: TaskView; describedBy: string }) {
  const { actions, consents, work } = useApp();
  const busy = work.busy.value.has(task.id);
  if (view.canRequestToken) {
    return <Button small look="purple" busy={busy} describedBy={describedBy} onClick={() => void consents.request([task.id])}>{t("action.requestToken")}</Button>;
  }
  if (!view.canExecute) return null;
  return <Button small look="green" busy={busy} describedBy={describedBy} onClick={() => void actions.execute(task.id)}>{t("action.execute")}</Button>;
}
