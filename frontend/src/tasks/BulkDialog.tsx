import type { TaskFilter } from "../api/types";
import { useApp } from "../app";
import { t } from "../texts/later";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Warning } from "../ui/icons";
import { runBulk, type BulkAction } from "./bulk";

interface BulkDialogProps {
  action: BulkAction;
  filter: TaskFilter;
  /** How many tasks match now; 0: nobody has counted them. */
  count: number;
  onClose: () => void;
}

/** Asks before something is done to all tasks that match, seen or not. */
export function BulkDialog({ action, filter, count, onClose }: BulkDialogProps) {
  const app = useApp();
  const confirm = (close: () => void) => () => {
    close();
    app.rows.choose([]);
    void runBulk(app, action, { filter });
  };
  return (
    <Dialog title="bulk-title" onClose={onClose}>
      {(close) => (
        <>
          <div class={`dialog-icon tone-${action === "execute" ? "green" : "red"}`}><Warning class="icon" /></div>
          <h2 id="bulk-title">{t(`bulk.title.${action}`)}</h2>
          <p>{count > 0 && <strong>{t("bulk.match", { count })}</strong>} {t(`bulk.text.${action}`)}</p>
          <div class="dialog-actions">
            <Button look="quiet" first onClick={close}>{t("action.cancel")}</Button>
            <Button look={action === "execute" ? "green" : "red"} onClick={confirm(close)}>{t(`bulk.${action}`)}</Button>
          </div>
        </>
      )}
    </Dialog>
  );
}
