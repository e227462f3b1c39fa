import type { Grant } from "../api/types";
import { useApp } from "../app";
import { t } from "../texts/later";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Warning } from "../ui/icons";
import { Time } from "../ui/Time";
import { useLoaded } from "../ui/useLoaded";

/** So many tasks are named; the others are a number. */
const NAMED = 8;

/** Shows what breaks before access is revoked. */
export function RevokeDialog({ grants, onClose }: { grants: readonly Grant[]; onClose: () => void }) {
  const { access, store } = useApp();
  const ids = grants.map((grant) => grant.persistentTokenId);
  const asked = useLoaded(() => store.usersOf(ids), []);
  const listed = () => (store.linked.rows.value ?? []).filter(({ persistentTokenId: id }) => id !== undefined && ids.includes(id));
  const hit = asked.data ?? listed();
  const sure = asked.data !== undefined || store.linked.complete;
  const busy = hit.filter(({ status }) => status === "running" || status === "queued").length;
  const confirm = (close: () => void) => () => {
    close();
    void access.revoke(grants);
  };
  return (
    <Dialog title="revoke-title" onClose={onClose}>
      {(close) => (
        <>
          <div class="dialog-icon tone-red"><Warning class="icon" /></div>
          <h2 id="revoke-title">{t("revoke.title", { count: grants.length })}</h2>
          <p>{t("revoke.text")}</p>
          {hit.length === 0 && <p>{t(sure ? "revoke.noTask" : "revoke.unsure")}</p>}
          {hit.length > 0 && (
            <div class="blast" data-blast={hit.length}>
              <p><strong>{t("revoke.breaks", { count: hit.length })}</strong> {busy > 0 && t("revoke.running", { count: busy })}</p>
              <ul>
                {hit.slice(0, NAMED).map((task) => <li key={task.id}><bdi>{task.name}</bdi>{task.schedule?.nextRunAt && <> · {t("schedule.nextRun")} <Time at={task.schedule.nextRunAt} /></>}</li>)}
                {hit.length > NAMED && <li>{t("revoke.more", { count: hit.length - NAMED })}</li>}
              </ul>
            </div>
          )}
          <div class="dialog-actions">
            <Button look="quiet" onClick={close}>{t("action.cancel")}</Button>
            <Button look="red" onClick={confirm(close)}>{t("revoke.confirm", { count: grants.length })}</Button>
          </div>
        </>
      )}
    </Dialog>
  );
}
