import { t } from "../texts";
import { Words } from "./Words";

/** R19: the blue bar moves for as long as the next answer takes to come, so that it never jumps. */
export function Progress({ name, percent, large = false }: { name: string; percent: number; large?: boolean }) {
  return (
    <div class={`progress ${large ? "progress--large" : ""}`}>
      <div class="progress-track" role="progressbar" aria-label={t("task.progress", { name })} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
        <div class="progress-fill" style={{ "--percent": `${percent}%` }} />
      </div>
      <span class="progress-number"><Words text={`${percent}%`} /></span>
    </div>
  );
}
