import { useId, useState } from "preact/hooks";

import { useAccess } from "../access/useAccess";
import { nameOf } from "../access/view";
import type { Task } from "../api/types";
import { useApp } from "../app";
import { moment } from "../dates";
import { language, t } from "../texts";
import { Button } from "../ui/Button";

/** Lets a task use an access that its person has granted already, instead of a new consent. */
export function UseAccess({ task }: { task: Task }) {
  const { consents, work } = useApp();
  const field = useId();
  const usable = useAccess().filter(({ grant }) => grant.status === "active");
  const [chosen, setChosen] = useState("");
  const [first] = usable;
  if (first === undefined) return null;
  const id = usable.some(({ grant }) => grant.persistentTokenId === chosen) ? chosen : first.grant.persistentTokenId;
  return (
    <div class="use-access">
      <label for={field}>{t("task.useAccess")}</label>
      <select id={field} value={id} onChange={(event) => setChosen(event.currentTarget.value)}>
        {usable.map((access) => (
          <option key={access.grant.persistentTokenId} value={access.grant.persistentTokenId}>
            {nameOf(access, moment(access.grant.createdAt, language.value))}
          </option>
        ))}
      </select>
      <Button small look="quiet" busy={work.busy.value.has(task.id)} onClick={() => void consents.link(task.id, id)}>{t("task.use")}</Button>
    </div>
  );
}
