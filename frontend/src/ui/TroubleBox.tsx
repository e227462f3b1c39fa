import { t } from "../texts";
import type { Trouble } from "../troubles";
import { Cross, Warning } from "./icons";

/** An error in its place, with the one thing that can be done about it. */
export function TroubleBox({ trouble, onDismiss }: { trouble: Trouble; onDismiss?: () => void }) {
  const { title, text, requestId, action } = trouble;
  return (
    <div class="box tone-red" role="alert" data-trouble>
      <Warning class="icon" />
      <div key={`${title} ${text ?? ""}`} class="box-body">
        <p class="box-text">{title}</p>
        {text !== undefined && <p class="box-advice">{text}</p>}
        {requestId !== undefined && <p class="request-id">{t("trouble.requestId")} <code>{requestId}</code></p>}
        {action && <button type="button" class="box-action" onClick={action.run}>{action.label}</button>}
      </div>
      {onDismiss && (
        <button type="button" class="icon-button" aria-label={t("action.dismiss", { title })} title={t("action.close")} onClick={onDismiss}>
          <Cross class="icon" />
        </button>
      )}
    </div>
  );
}
