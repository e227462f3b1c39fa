import { useRef, useState } from "preact/hooks";

import type { Grant } from "../api/types";
import { useApp } from "../app";
import { t } from "../texts/later";
import { Button } from "../ui/Button";

/** So long may a name be at the vault. */
const LONGEST = 100;

/** Gives a grant another name. */
export function Rename({ grant }: { grant: Grant }) {
  const { access: actions, work } = useApp();
  const [open, setOpen] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  if (!open) return <Button small look="glass" onClick={() => setOpen(true)}>{t("rename.open")}</Button>;
  const submit = async (event: Event) => {
    event.preventDefault();
    const name = field.current?.value.trim() ?? "";
    if (name === "" || (await actions.rename(grant, name))) setOpen(false);
  };
  return (
    <form class="rename" onSubmit={(event) => void submit(event)}>
      <input ref={field} name="name" aria-label={t("rename.label")} defaultValue={grant.name ?? ""} maxLength={LONGEST} dir="auto" autofocus />
      <Button small look="glass" type="submit" busy={work.busy.value.has(grant.persistentTokenId)}>{t("rename.save")}</Button>
    </form>
  );
}
