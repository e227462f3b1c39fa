import { useEffect } from "preact/hooks";

import { useApp } from "../app";
import { t } from "../texts/later";
import { Button } from "../ui/Button";
import { DecisionSheet, DecisionWait, NoDecision } from "./DecisionSheet";
import { keptConfirmation } from "./kept";

/** The way back from another authorization server: nothing is stored before the person has said that it is theirs. */
export function ConfirmPage() {
  const { browser, decisions, troubles, work } = useApp();
  useEffect(() => void decisions.lookAtKept(), []);
  const id = keptConfirmation(browser.tabStorage)?.persistentTokenId ?? "";
  const grant = decisions.grant.value;
  const waits = grant?.status === "pending" && grant.persistentTokenId === id;
  if (grant === undefined && troubles.of(id) === undefined) return <DecisionWait />;
  if (!waits) return <NoDecision id={id} title={t("confirm.none")} text={t("confirm.none.text")} />;
  const busy = work.busy.value.has(id);
  return (
    <DecisionSheet grant={grant} title={t("confirm.title", { provider: grant.provider })} text={t("confirm.text")}>
      <Button look="quiet" busy={busy} onClick={() => void decisions.deny(grant)}>{t("confirm.deny")}</Button>
      <Button look="primary" busy={busy} onClick={() => void decisions.confirm(grant)}>{t("confirm.yes")}</Button>
    </DecisionSheet>
  );
}
