import type { Grant } from "../api/types";
import { useApp } from "../app";
import { maybe, t } from "../texts";
import { Button } from "../ui/Button";
import { Time } from "../ui/Time";

/** What has happened to a grant, newest first, as far as it is loaded; never a silent end. */
export function AuditTable({ grant }: { grant: Grant }) {
  const { trails, access, work } = useApp();
  const trail = trails.of(grant.persistentTokenId);
  if (trail === undefined) return <p class="soft" aria-busy="true">{t("audit.loading")}</p>;
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label={t("audit.label")}>
        <table>
          <thead>
            <tr>{(["when", "event", "who", "outcome", "request"] as const).map((column) => <th key={column} scope="col">{t(`audit.${column}`)}</th>)}</tr>
          </thead>
          <tbody>
            {trail.lines.map((line, index) => (
              <tr key={`${line.requestId} ${line.event} ${trail.lines.length - index}`}>
                <td><Time at={line.at} /></td>
                <td>{maybe(`event.${line.event}`) ?? line.event}</td>
                <td>{line.actor}</td>
                <td class={line.outcome === "ok" ? "" : "bad"}>{line.outcome === "ok" ? t("audit.ok") : (maybe(`failure.${line.outcome}`) ?? line.outcome)}</td>
                <td><code>{line.requestId}</code></td>
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
