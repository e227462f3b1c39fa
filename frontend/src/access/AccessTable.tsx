import { moment } from "../dates";
import { language, t } from "../texts/later";
import { Time } from "../ui/Time";
import { End } from "./End";
import { nameOf, type Access } from "./view";

/** The picture's twin: the same grants as a table. */
export function AccessTable({ all }: { all: readonly Access[] }) {
  return (
    <details class="twin">
      <summary>{t("table.show")}</summary>
      <div class="scroll" tabIndex={0} role="region" aria-label={t("table.label")}>
        <table>
          <thead>
            <tr>{(["name", "state", "services", "scopes", "tasks", "granted", "uses", "last", "end"] as const).map((column) => <th key={column} scope="col">{t(`table.${column}`)}</th>)}</tr>
          </thead>
          <tbody>
            {all.map((access) => {
              const { grant, tasks } = access;
              return (
                <tr key={grant.persistentTokenId}>
                  <th scope="row" dir="auto"><a href={`/access/${grant.persistentTokenId}`}>{nameOf(access, moment(grant.createdAt, language.value))}</a></th>
                  <td>{t(`grant.${grant.status}`)}</td>
                  <td>{grant.services.join(", ")}</td>
                  <td>{grant.scopes.join(" ")}</td>
                  <td class="number">{tasks.length}</td>
                  <td>{grant.activatedAt === undefined ? "—" : <Time at={grant.activatedAt} />}</td>
                  <td class="number">{grant.uses}</td>
                  <td>{grant.lastUsedAt === undefined ? "—" : <Time at={grant.lastUsedAt} />}</td>
                  <td><End access={access} /></td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </details>
  );
}
