import type { Run } from "../api/types";
import { t } from "../texts/later";
import { kindOf, runBadge } from "./runs";

/** Runs of the strip, at most. */
const SHOWN = 20;

/** How the last runs ended, the latest on the right. In words: how many of each. */
export function RunStrip({ runs }: { runs: readonly Run[] }) {
  const shown = runs.slice(0, SHOWN).reverse();
  const counts = new Map<string, number>();
  for (const run of shown) counts.set(runBadge(run).label, (counts.get(runBadge(run).label) ?? 0) + 1);
  const words = [...counts].map(([label, count]) => `${label}: ${count}`).join(", ");
  return (
    <div class="run-strip" role="img" aria-label={t("runs.strip", { count: shown.length, words })} data-strip-of={shown.length}>
      {shown.map((run) => <i key={run.number} class={`run-bar run-bar--${kindOf(run)}`} title={`${t("runs.run", { number: run.number })}: ${runBadge(run).label}`} />)}
    </div>
  );
}
