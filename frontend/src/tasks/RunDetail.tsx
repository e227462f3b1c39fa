import { useState } from "preact/hooks";

import type { Attempt, Task } from "../api/types";
import { duration } from "../dates";
import { t } from "../texts/later";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { Check, Cross } from "../ui/icons";
import { Time } from "../ui/Time";
import { MOST_ATTEMPTS, type OpenRun } from "./history";
import { RunLog } from "./RunLog";
import { attemptBadge } from "./runs";

/** So many attempts are shown at first. */
const FEW = 5;

/** How a run went: its result or error, the ledger of its attempts, and its log. told: how it ended stands above already, as the task's state. */
export function RunDetail({ task, open, told }: { task: Task; open: OpenRun; told: boolean }) {
  const { record } = open;
  const { result, error, statusReason, status } = record;
  return (
    <>
      {!told && result && <div class="box tone-green"><Check class="icon" /><p class="box-body box-text" dir="auto">{result}</p></div>}
      {!told && error && <div class="box tone-red"><Cross class="icon" /><p class="box-body box-text" dir="auto">{error}</p></div>}
      {!told && statusReason && (status === "cancelled" || status === "waiting") && <p class="wrap" dir="auto"><span class="soft">{t("runs.reason")}</span> {statusReason}</p>}
      <Attempts record={record} />
      <RunLog task={task} open={open} />
    </>
  );
}

function Attempts({ record: { attempts } }: { record: OpenRun["record"] }) {
  const [every, setEvery] = useState(false);
  if (attempts.length === 0) return <p class="soft">{t("attempt.none")}</p>;
  const shown = every ? attempts : attempts.slice(0, FEW);
  return (
    <section class="attempts" aria-label={t("attempt.title")}>
      <h4>{t("attempt.title")} <span class="chip-count">{attempts.length}</span></h4>
      <ol>{shown.map((attempt) => <AttemptItem key={attempt.attempt} attempt={attempt} />)}</ol>
      {shown.length < attempts.length && <Button small look="quiet" onClick={() => setEvery(true)}>{t("attempt.all", { count: attempts.length })}</Button>}
      {attempts.length === MOST_ATTEMPTS && <p class="soft">{t("attempt.cut", { count: MOST_ATTEMPTS })}</p>}
    </section>
  );
}

/** A line of the ledger: which access the attempt used, when, and with which scopes. */
function AttemptItem({ attempt }: { attempt: Attempt }) {
  const { persistentTokenId, requestId, startedAt, endedAt, outcome, error, ticketId, tokenFetchedAt, tokenExpiresAt, tokenScopes } = attempt;
  const took = duration(startedAt ?? undefined, endedAt ?? undefined);
  return (
    <li class="attempt" data-attempt={attempt.attempt} data-outcome-of-attempt={outcome}>
      <div class="attempt-head">
        <strong>{t("attempt.name", { number: attempt.attempt })}</strong>
        <Badge {...attemptBadge(outcome ?? undefined, Boolean(startedAt))} />
        <span class="soft"><Time at={startedAt ?? attempt.queuedAt} />{took !== undefined && ` · ${t("task.took", { duration: took })}`}</span>
      </div>
      {error && <p class="attempt-error wrap" dir="auto">{error}</p>}
      <dl class="facts">
        <div><dt>{t("attempt.access")}</dt><dd><a href={`/access/${persistentTokenId}`}>{persistentTokenId.slice(0, 8)}…</a></dd></div>
        <div><dt>{t("attempt.token")}</dt><dd>{tokenFetchedAt ? <Time at={tokenFetchedAt} /> : t("attempt.noToken")}</dd></div>
        {tokenExpiresAt && <div><dt>{t("attempt.expires")}</dt><dd><Time at={tokenExpiresAt} /></dd></div>}
        {tokenScopes && <div><dt>{t("fact.scopes")}</dt><dd>{tokenScopes.join(" ") || "—"}</dd></div>}
        {ticketId && <div><dt>{t("attempt.ticket")}</dt><dd><code>{ticketId}</code></dd></div>}
        <div><dt>{t("audit.request")}</dt><dd><code>{requestId}</code></dd></div>
      </dl>
    </li>
  );
}
