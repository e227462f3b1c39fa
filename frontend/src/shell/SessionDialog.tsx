import { useApp } from "../app";
import type { Notice } from "../auth";
import { t } from "../texts";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Key } from "../ui/icons";

/** The session is over: the page behind stays as it is until its person signs in again or leaves. */
export function SessionDialog({ notice }: { notice: Notice | undefined }) {
  const { auth } = useApp();
  return (
    <Dialog title="session-title" onClose={() => undefined} firm>
      {() => (
        <>
          <div class="dialog-icon tone-yellow"><Key class="icon" /></div>
          <h2 id="session-title">{t("session.title")}</h2>
          <p>{t("session.text")}</p>
          {notice !== undefined && <p class="box tone-red" role="alert">{t(`notice.${notice}`, { origin: location.origin })}</p>}
          <div class="dialog-actions">
            <Button look="quiet" onClick={() => auth.leave()}>{t("session.leave")}</Button>
            <Button look="primary" first onClick={() => void auth.signIn()}>{t("session.again")}</Button>
          </div>
        </>
      )}
    </Dialog>
  );
}
