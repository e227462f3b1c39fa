import { useState } from "preact/hooks";

import type { Task } from "../api/types";
import { useApp } from "../app";
import { t } from "../texts";
import { Button } from "../ui/Button";
import { CancelDialog } from "./CancelDialog";
import { canCancel, canExecute, needsToken } from "./view";

/** What can be done with the selected tasks that are shown. */
export function SelectionBar({ shown, onDelete }: { shown: readonly Task[]; onDelete: (tasks: readonly Task[]) => void }) {
  const { actions, consents, rows } = useApp();
  const [cancelling, setCancelling] = useState<readonly Task[]>();
  const selected = rows.selected.value;
  if (selected.size === 0) return null;
  const tasks = shown.filter(({ id }) => selected.has(id));
  const ready = tasks.filter(canExecute);
  const underWay = tasks.filter(canCancel);
  const lacking = tasks.filter(needsToken);
  return (
    <div class="selection" role="region" aria-label={t("selection.label")}>
      <label class="selection-all">
        <input
          type="checkbox"
          checked={tasks.length === shown.length}
          onChange={(event) => (rows.selected.value = new Set(event.currentTarget.checked ? shown.map(({ id }) => id) : []))}
        />
        <span>{t("selection.count", { count: tasks.length })}</span>
      </label>
      {ready.length > 0 && <Button small look="green" onClick={() => void actions.executeAll(ready)}>{t("selection.execute", { count: ready.length })}</Button>}
      {lacking.length > 0 && (
        <Button small look="purple" onClick={() => void consents.request(lacking.map(({ id }) => id))}>{t("selection.consent", { count: lacking.length })}</Button>
      )}
      {underWay.length > 0 && <Button small look="quiet" onClick={() => setCancelling(underWay)}>{t("selection.cancel", { count: underWay.length })}</Button>}
      {tasks.length > 0 && <Button small look="quiet" onClick={() => onDelete(tasks)}>{t("selection.delete", { count: tasks.length })}</Button>}
      <Button small look="quiet" onClick={() => (rows.selected.value = new Set())}>{t("selection.clear")}</Button>
      {cancelling && <CancelDialog tasks={cancelling} onClose={() => setCancelling(undefined)} />}
    </div>
  );
}
