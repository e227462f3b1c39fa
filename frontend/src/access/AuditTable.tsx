import type { Grant } from "../api/types";
import { useApp } from "../app";
import { maybe, t } from "../texts/later";
import { Button } from "../ui/Button";
import { Time } from "../ui/Time";

const COLUMNS = ["when", "event", "who", "outcome", "request"] as const;

/** What has happened to a grant, newest first, as far as it is loaded; never a silent end. A phone shows each line as a card: the roles keep it a table. */
export function AuditTable({ grant }: { grant: Grant }) {
  const { trails, access, work } = useApp();
  const trail = trails.of(grant.persistentTokenId);
  if (trail === undefined) return <p class="soft" aria-busy="true">{t("audit.loading")}</p>;
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label={t("audit.label")}>
        <table class="ledger" role="table">
          <thead role="rowgroup">
            <tr role="row">{COLUMNS.map((column) => <th key={column} scope="col" role="columnheader">{t(`audit.${column}`)}</th>)}</tr>
          </thead>
          <tbody role="rowgroup">
            {trail.lines.map((line, index) => (
              <tr role="row" key={`${line.requestId} ${line.event} ${trail.lines.length - index}`}>
                <td role="cell"><Time at={line.at} /></td>
                <td role="cell">{maybe(`event.${line.event}`) ?? line.event}</td>
                <td role="cell">{line.actor}{line.taskId && <> · <TaskLink id={line.taskId} /></>}{line.attempt && <> · {t("attempt.name", { number: line.attempt })}</>}</td>
                <td role="cell" class={line.outcome === "ok" ? "" : "bad"}>{line.outcome === "ok" ? t("audit.ok") : (maybe(`failure.${line.outcome}`) ?? line.outcome)}</td>
                <td role="cell"><code>{line.requestId}</code></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {trail.next === undefined
        ? <p class="list-end">{t("audit.end", { count: trail.lines.length })}</p>
        : <Button small look="quiet" busy={work.busy.value.has(grant.persistentTokenId)} onClick={() => void access.older(grant)}>{t("audit.older")}</Button>}
    </>
  );
}

function TaskLink({ id }: { id: string }) {
  const { store } = useApp();
  return <a href={`/tasks/${encodeURIComponent(id)}`} dir="auto">{store.find(id)?.name ?? t("audit.task")}</a>;
}
