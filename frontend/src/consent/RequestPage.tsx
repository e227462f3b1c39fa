import { useEffect } from "preact/hooks";

import type { Grant } from "../api/types";
import { useApp } from "../app";
import { t } from "../texts/later";
import { Button } from "../ui/Button";
import { DecisionSheet, DecisionWait, NoDecision } from "./DecisionSheet";

type Asked = Grant & { askedBy: NonNullable<Grant["askedBy"]> };

/** A service asks: the person sees who, for what and until when, before the authorization server is asked. */
export function RequestPage({ params }: { params?: Record<string, string> }) {
  const { decisions, troubles, work } = useApp();
  const id = params?.id ?? "";
  useEffect(() => void decisions.look(id), [id]);
  const grant = decisions.grant.value;
  if (grant === undefined && troubles.of(id) === undefined) return <DecisionWait />;
  if (!isOpen(grant, id)) return <NoDecision id={id} title={t("request.none")} text={t("request.none.text")} />;
  const busy = work.busy.value.has(id);
  return (
    <DecisionSheet grant={grant} title={t("request.title", { service: grant.askedBy.name })} text={t("request.text", { name: grant.name ?? "", host: hostOf(grant) })}>
      <Button look="quiet" busy={busy} onClick={() => void decisions.decline(grant)}>{t("request.no")}</Button>
      <Button look="primary" busy={busy} onClick={() => void decisions.begin(grant)}>{t("request.yes")}</Button>
    </DecisionSheet>
  );
}

function isOpen(grant: Grant | null | undefined, id: string): grant is Asked {
  return grant?.status === "pending" && grant.persistentTokenId === id && grant.askedBy !== undefined;
}

/** Where the person goes afterwards. */
function hostOf({ askedBy }: Asked): string {
  return askedBy.returnTo ? new URL(askedBy.returnTo).host : "";
}
