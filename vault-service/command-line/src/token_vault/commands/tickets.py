"""`ticket create|list|extend|end`: credentials for one grant, for places that hold no login."""

from typing import Annotated

import typer

from token_vault.commands.grants import AsJson, GrantName
from token_vault.context import Context
from token_vault.output import answer, answer_json, say, table, when
from token_vault_client import TicketInfo

TicketId = Annotated[str, typer.Argument(metavar="TICKET-ID", help="The public id, from `ticket list`.")]
Life = Annotated[int | None, typer.Option(min=1, metavar="SECONDS", help="How long it lives from now on.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Make and end tickets: a credential for one grant.")
    group.command("create")(create)
    group.command("list")(list_)
    group.command("extend")(extend)
    group.command("end")(end)
    app.add_typer(group, name="ticket")


def create(
    context: typer.Context,
    grant: GrantName,
    name: Annotated[str, typer.Option(help="What it is for, in your words.")],
    scope: Annotated[list[str] | None, typer.Option(help="A part of the grant's scopes; may be repeated.")] = None,
    max_uses: Annotated[int | None, typer.Option(min=1, help="How many access tokens it may give.")] = None,
    expires_in: Life = None,
    as_json: AsJson = False,
) -> None:
    """Make a ticket and print it: this once, and nowhere else."""
    here: Context = context.obj
    grant_id = here.known_grant_id(grant)
    with here.vault() as vault:
        made = vault.create_ticket(grant_id, name, scopes=scope or (), max_uses=max_uses, expires_in=expires_in)
    say(f"[green]✓[/] ticket {made.info.ticket_id} ends {when(made.info.expires_at)}; keep what follows secret")
    if as_json:
        answer_json({"ticket": made.value, **_members(made.info)})
    else:
        answer(made.value)


def list_(context: typer.Context, grant: GrantName, as_json: AsJson = False) -> None:
    """List the tickets of a grant, never with their secrets."""
    here: Context = context.obj
    grant_id = here.known_grant_id(grant)
    with here.vault() as vault:
        tickets = vault.tickets(grant_id)
    if as_json:
        answer_json(tickets)
        return
    table(["TICKET-ID", "NAME", "SCOPES", "ENDS", "USES", "LAST USED", "MAKER"], [_row(ticket) for ticket in tickets])


def extend(context: typer.Context, ticket: TicketId, expires_in: Life = None, as_json: AsJson = False) -> None:
    """Move a ticket's end."""
    here: Context = context.obj
    with here.vault() as vault:
        moved = vault.extend_ticket(ticket, expires_in=expires_in)
    if as_json:
        answer_json(moved)
    else:
        say(f"[green]✓[/] it ends {when(moved.expires_at)}")


def end(context: typer.Context, ticket: TicketId) -> None:
    """End a ticket."""
    here: Context = context.obj
    with here.vault() as vault:
        vault.end_ticket(ticket)
    say("[green]✓[/] ended")


def _row(ticket: TicketInfo) -> list[str]:
    uses = "" if ticket.uses is None else str(ticket.uses)
    limit = f"/{ticket.max_uses}" if ticket.max_uses else ""
    scopes = " ".join(sorted(ticket.scopes)) or "all"
    last_used = when(ticket.last_used_at) if ticket.last_used_at else ""
    return [ticket.ticket_id, ticket.name, scopes, when(ticket.expires_at), uses + limit, last_used, ticket.maker]


def _members(info: TicketInfo) -> dict[str, object]:
    return {name: getattr(info, name) for name in info.__dataclass_fields__}
