import { useState } from "preact/hooks";

import type { Task } from "../api/types";
import { useApp } from "../app";
import { t } from "../texts/later";
import { Button } from "../ui/Button";
import { BulkDialog } from "./BulkDialog";
import { runBulk, type BulkAction } from "./bulk";
import { CancelDialog } from "./CancelDialog";
import { countsOf, filterOf, type TaskQuery } from "./query";
import { canCancel, canExecute, needsToken } from "./view";

export interface SelectionBarProps {
  shown: readonly Task[];
  query: TaskQuery;
  onDelete: (tasks: readonly Task[]) => void;
}

/** What can be done with the selected tasks, or with all that match; while it is done, how far it is. */
export function SelectionBar({ shown, query, onDelete }: SelectionBarProps) {
  const { rows, store } = useApp();
  const selected = rows.selected.value;
  if (rows.bulk.value !== undefined) return <BulkProgress />;
  if (selected.size === 0) return null;
  const tasks = shown.filter(({ id }) => selected.has(id));
  const every = tasks.length === shown.length;
  const { counts } = store;
  const matching = query.text.trim() === "" && counts.value !== undefined ? countsOf(counts.value)[query.filter] : 0;
  const more = store.next.value !== undefined || query.after !== undefined;
  const whole = rows.whole.value;
  return (
    <div class="selection" role="region" aria-label={t("selection.label")}>
      <label class="selection-all">
        <input
          type="checkbox"
          checked={every}
          onChange={(event) => rows.choose(event.currentTarget.checked ? shown.map(({ id }) => id) : [])}
        />
        <span>{whole ? t("selection.whole", { count: matching }) : t("selection.count", { count: tasks.length })}</span>
      </label>
      {every && more && !whole && <button type="button" class="link" onClick={() => (rows.whole.value = true)}>{t("selection.choose", { count: matching })}</button>}
      {whole ? <WholeActions query={query} count={matching} /> : <SomeActions tasks={tasks} onDelete={onDelete} />}
      <Button small look="quiet" onClick={() => rows.choose([])}>{t("selection.clear")}</Button>
    </div>
  );
}

function SomeActions({ tasks, onDelete }: { tasks: readonly Task[]; onDelete: (tasks: readonly Task[]) => void }) {
  const app = useApp();
  const [cancelling, setCancelling] = useState<readonly Task[]>();
  const ready = tasks.filter(canExecute);
  const underWay = tasks.filter(canCancel);
  const lacking = tasks.filter(needsToken);
  const ids = (some: readonly Task[]) => some.map(({ id }) => id);
  const execute = () => {
    app.rows.choose([]);
    void runBulk(app, "execute", { ids: ids(ready) });
  };
  return (
    <>
      {ready.length > 0 && <Button small look="green" onClick={execute}>{t("selection.execute", { count: ready.length })}</Button>}
      {lacking.length > 0 && <Button small look="purple" onClick={() => void app.consents.request(ids(lacking))}>{t("selection.consent", { count: lacking.length })}</Button>}
      {underWay.length > 0 && <Button small look="quiet" onClick={() => setCancelling(underWay)}>{t("selection.cancel", { count: underWay.length })}</Button>}
      {tasks.length > 0 && <Button small look="quiet" onClick={() => onDelete(tasks)}>{t("selection.delete", { count: tasks.length })}</Button>}
      {cancelling && <CancelDialog tasks={cancelling} onClose={() => setCancelling(undefined)} />}
    </>
  );
}

/** By filter: the server finds the tasks, those on other pages too. */
function WholeActions({ query, count }: { query: TaskQuery; count: number }) {
  const [asking, setAsking] = useState<BulkAction>();
  return (
    <>
      <Button small look="green" onClick={() => setAsking("execute")}>{t("bulk.execute")}</Button>
      <Button small look="quiet" onClick={() => setAsking("cancel")}>{t("bulk.cancel")}</Button>
      <Button small look="quiet" onClick={() => setAsking("delete")}>{t("bulk.delete")}</Button>
      {asking && <BulkDialog action={asking} filter={filterOf(query)} count={count} onClose={() => setAsking(undefined)} />}
    </>
  );
}

function BulkProgress() {
  const { rows } = useApp();
  const bulk = rows.bulk.value;
  if (bulk === undefined) return null;
  const { action, done, most, stop } = bulk;
  return (
    <div class="selection" role="region" aria-label={t("selection.label")} data-bulk={action}>
      <label class="bulk">
        <span>{t(`bulk.doing.${action}`)} {most === undefined ? "" : t("bulk.far", { done, most })}</span>
        <progress max={most ?? 1} {...(most !== undefined && { value: done })} />
      </label>
      <Button small look="quiet" busy={stop} onClick={() => (rows.bulk.value = { ...bulk, stop: true })}>{t("bulk.stop")}</Button>
    </div>
  );
}
