import { useState } from "preact/hooks";

import type { Grant, Ticket } from "../api/types";
import { useApp } from "../app";
import { t } from "../texts/later";
import { Button } from "../ui/Button";
import { Copy } from "../ui/icons";
import { Time } from "../ui/Time";
import { useLoaded } from "../ui/useLoaded";

/** Who holds a ticket for the grant now: each can be ended without the grant. */
export function Tickets({ grant }: { grant: Grant }) {
  const { api, access } = useApp();
  const [round, setRound] = useState(0);
  const { data, failed } = useLoaded(() => api.listTickets(grant.persistentTokenId), [grant, round]);
  const end = (ticket: Ticket) => void access.endTicket(grant, ticket.ticketId).then(() => setRound(round + 1));
  return (
    <section class="sheet panel" aria-labelledby="tickets">
      <div class="panel-head">
        <h2 id="tickets">{t("tickets.title")} <span class="chip-count">{data?.tickets.length ?? ""}</span></h2>
        <CopyCommand grant={grant} />
      </div>
      <p class="soft">{t(failed ? "tickets.failed" : data?.tickets.length === 0 ? "tickets.none" : "tickets.text")}</p>
      <ul class="users">
        {data?.tickets.map((ticket) => (
          <li key={ticket.ticketId} data-ticket={ticket.ticketId}>
            <span class="wrap"><bdi>{ticket.name}</bdi> · {ticket.maker} · {t("tickets.uses", { count: ticket.uses })} · {t("tickets.until")} <Time at={ticket.expiresAt} /></span>
            <Button small look="quiet" onClick={() => end(ticket)}>{t("tickets.end")}<span class="unseen"> {ticket.name}</span></Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The command that makes a ticket. The page makes none: its login gets no access tokens, so a ticket would give it more. */
function CopyCommand({ grant }: { grant: Grant }) {
  const { toasts, troubles } = useApp();
  const id = grant.persistentTokenId;
  const command = `token-vault --vault ${location.origin} ticket create ${id} --name "cron on login3" --expires-in 86400`;
  const copy = () =>
    navigator.clipboard.writeText(command).then(
      () => toasts.show(t("done.copied")),
      () => troubles.set(id, { title: t("problem.notCopied"), text: command }),
    );
  return <Button small look="quiet" onClick={() => void copy()}><Copy class="icon" /> {t("tickets.make")}</Button>;
}
