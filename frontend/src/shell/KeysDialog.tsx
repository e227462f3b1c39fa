import { t } from "../texts/later";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";

const KEYS = [["/", "search"], ["n", "new"], ["j", "next"], ["k", "previous"], ["Enter", "open"], ["Esc", "close"], ["?", "help"]] as const;

export function KeysDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="keys-title" onClose={onClose}>
      {(close) => (
        <>
          <h2 id="keys-title">{t("person.keys")}</h2>
          <dl class="keys">
            {KEYS.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{t(`keys.${what}`)}</dd></div>)}
          </dl>
          <div class="dialog-actions"><Button look="quiet" onClick={close}>{t("action.close")}</Button></div>
        </>
      )}
    </Dialog>
  );
}
