import type { Run } from "../api/types";
import { t } from "../texts";
import { statusBadge } from "./view";

/** How runs ended or stand, given the latest first and shown with the latest on the right. In words: how many of each. */
export function RunStrip({ runs }: { runs: readonly Pick<Run, "status" | "waitReason">[] }) {
  const shown = runs.map(({ status, waitReason }) => ({ status, label: statusBadge(status, waitReason ?? undefined).label })).reverse();
  const counts = new Map<string, number>();
  for (const { label } of shown) counts.set(label, (counts.get(label) ?? 0) + 1);
  const words = [...counts].map(([label, count]) => `${label}: ${count}`).join(", ");
  return (
    <div class="run-strip" role="img" aria-label={t("runs.strip", { count: shown.length, words })} data-strip-of={shown.length}>
      {shown.map(({ status, label }, index) => <i key={index} class={`run-bar run-bar--${status}`} title={label} />)}
    </div>
  );
}
