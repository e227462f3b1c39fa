"""`consent`, `list`, `audit`, `revoke`: the owner's view of grants."""

import sys
from datetime import datetime
from typing import Annotated

import typer
from rich.text import Text

from token_vault.context import Context
from token_vault.output import answer, answer_json, say, table, when
from token_vault_client import GrantInfo

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
GrantName = Annotated[str, typer.Argument(metavar="GRANT", help="Its id, the beginning of it, or its name.")]
_MARKS = {"active": Text("●", "green"), "pending": Text("○", "yellow"), "failed": Text("✗", "red")}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(consent)
    app.command("list")(list_)
    app.command()(audit)
    app.command()(revoke)


def consent(  # noqa: PLR0913, PLR0917 - what a person may wish
    context: typer.Context,
    name: Annotated[str | None, typer.Option(help="What it is for, in your words.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="A scope beyond openid; may be repeated.")] = None,
    service: Annotated[list[str] | None, typer.Option(help="A client that may use it; may be repeated.")] = None,
    provider: Annotated[str | None, typer.Option(help="An authorization server that the vault knows.")] = None,
    max_uses: Annotated[int | None, typer.Option(min=1, help="How many access tokens it may give.")] = None,
    until: Annotated[datetime | None, typer.Option(help="When it ends; your time zone.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until you have answered.")] = True,
    as_json: AsJson = False,
) -> None:
    """Grant access: prints the address, waits for your answer, prints the id."""
    here: Context = context.obj
    with here.vault() as vault:
        asked = vault.request_consent(
            name=name,
            scopes=scope or (),
            services=service or (),
            provider=provider,
            max_uses=max_uses,
            not_after=until.astimezone() if until else None,
        )
        say(
            f"Open this address in your browser and grant access ({when(asked.expires_at)} it ends):\n\n  {asked.url}\n"
        )
        grant = vault.wait_for_consent(asked.persistent_token_id) if wait else None
    if grant is not None:
        say("[green]✓[/] granted")
    if as_json:
        url = {} if grant else {"consentUrl": asked.url}
        answer_json(grant or {"persistentTokenId": asked.persistent_token_id, "expiresAt": asked.expires_at, **url})
    else:
        answer(asked.persistent_token_id)


def list_(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what you have granted."""
    here: Context = context.obj
    with here.vault() as vault:
        grants = vault.grants()
    shown = [grant for grant in grants if everything or grant.status not in {"revoked", "expired"}]
    if as_json:
        answer_json(shown)
        return
    columns = ["", "ID", "FOR", "SERVICES", "SCOPES", "USED", "ENDS", "USES"]
    table(columns, [_row(grant) for grant in shown])


def _row(grant: GrantInfo) -> list[str | Text]:
    token_id = grant.persistent_token_id
    return [
        _MARKS.get(grant.status, Text("-", "dim")) if sys.stdout.isatty() else grant.status,
        token_id[:8] if sys.stdout.isatty() else token_id,
        grant.name or ", ".join(grant.task_ids),
        " ".join(sorted(grant.services)),
        " ".join(sorted(grant.scopes - {"openid", "offline_access"})),
        when(grant.last_used_at),
        when(grant.not_after or grant.expires_at) if grant.status == "active" else "",
        f"{grant.uses}/{grant.max_uses}" if grant.max_uses else str(grant.uses),
    ]


def audit(
    context: typer.Context,
    grant: GrantName,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many lines.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show who used a grant, when, and how it ended; newest first."""
    here: Context = context.obj
    with here.vault() as vault:
        page = vault.audit(here.known_grant_id(grant), limit=limit)
    if as_json:
        answer_json(page.lines)
        return
    rows = [[when(line.at), line.event, line.actor, line.outcome, line.request_id] for line in page.lines]
    table(["WHEN", "WHAT", "WHO", "OUTCOME", "REQUEST"], rows)


def revoke(
    context: typer.Context,
    grant: GrantName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """End a grant: here at once, at the authorization server as soon as it can be reached.

    At a terminal you are asked whether you mean it.
    """
    here: Context = context.obj
    token_id = here.known_grant_id(grant)
    if not yes and sys.stdin.isatty():
        typer.confirm(f"End {token_id}? Whatever uses it stops.", abort=True, err=True)
    with here.vault() as vault:
        vault.revoke(token_id)
    say("[green]✓[/] revoked")
