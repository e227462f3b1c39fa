"""`vault-service grants` and `stats`: find grants of all owners, look at them and revoke them."""

import argparse
import getpass
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC
from typing import Any
from uuid import UUID, uuid4

from service_kit.http import text
from service_kit.postgres.clock import DatabaseClock
from service_kit.postgres.database import Database
from vault_service import config
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.grants.endings import Endings
from vault_service.adapters.grants.operator import FoundGrant, GrantSearch, GrantsOfAll
from vault_service.adapters.grants.outbox import Outbox
from vault_service.adapters.grants.owned_grants import PostgresOwnedGrants
from vault_service.adapters.postgres.database import vault_database
from vault_service.config import VaultSettings
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import Status

EX_USAGE = 64  # sysexits.h
EX_NOT_FOUND = 1
ENDED = {Status.REVOKED, Status.EXPIRED}
_COLUMNS = ("ID", "STATUS", "SUBJECT", "PROVIDER", "SERVICES", "TICKETS", "CREATED", "REFRESHED", "ENDS")


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register the commands."""
    parser = commands.add_parser("grants", help="find grants of all owners, look at them and revoke them")
    actions = parser.add_subparsers(dest="action", required=True)
    find = _action(actions, "list", "list the grants that fit", _list)
    _add_search(find)
    find.add_argument("--limit", type=int, default=1000, help="list no more than so many (default: 1000)")
    show = _action(actions, "show", "show one grant", _show)
    show.add_argument("id", type=UUID, help="persistent token id")
    revoke = _action(actions, "revoke", "revoke the grants that fit, here and at their authorization server", _revoke)
    _add_search(revoke)
    revoke.add_argument("--id", type=UUID, help="persistent token id")
    revoke.add_argument("--reason", required=True, help="why; the owner reads it in the audit")
    revoke.add_argument("--operator", default=None, help="who you are (default: the name of your account here)")
    revoke.add_argument("--yes", action="store_true", help="revoke; without it, only list what would be revoked")
    stats = commands.add_parser("stats", help="count grants, tickets and access tokens")
    stats.add_argument("--json", action="store_true", help="as JSON")
    stats.set_defaults(run=_stats)


def _action(actions: Any, name: str, words: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=words)
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)
    return parser


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--subject", help="of this owner: the `sub` of their tokens")
    parser.add_argument("--service", help="that this client id may use")
    parser.add_argument("--provider", help="of this provider")
    parser.add_argument("--state", choices=[status.value for status in Status], help="in this state")


@contextmanager
def _opened(settings: VaultSettings) -> Iterator[Database]:
    database = vault_database(settings.database_url.reveal(), name="vault-grants", size=1)
    try:
        yield database
    finally:
        database.close()


def _list(options: argparse.Namespace) -> int:
    with _opened(config.read()) as database:
        _print(GrantsOfAll(database).find(_search(options), options.limit), as_json=options.json)
    return 0


def _show(options: argparse.Namespace) -> int:
    with _opened(config.read()) as database:
        found = GrantsOfAll(database).find(GrantSearch(id=options.id), 1)
    if not found:
        sys.stderr.write(f"vault-service: there is no grant {options.id}\n")
        return EX_NOT_FOUND
    members = _members(found[0])
    if options.json:
        print(json.dumps(members, indent=2))
    else:
        print("\n".join(f"{name + ':':<18} {_text(value)}" for name, value in members.items()))
    return 0


def _revoke(options: argparse.Namespace) -> int:
    search = _search(options)
    if search.is_empty:
        sys.stderr.write(
            "vault-service: name the grants to revoke by --id, --subject, --service, --provider or --state\n"
        )
        return EX_USAGE
    try:
        operator = text.line(options.operator or getpass.getuser(), 100)
        reason = text.line(options.reason, 200)
    except ValueError as error:
        limits = "reason and operator are one line of text, up to 200 and 100 characters"
        sys.stderr.write(f"vault-service: {limits}; one of them {error}\n")
        return EX_USAGE
    settings = config.read()
    with _opened(settings) as database:
        found = [grant for grant in GrantsOfAll(database).find(search, sys.maxsize) if grant.status not in ENDED]
        if options.yes:
            _end(settings, database, found, f"operator:{operator}", reason)
    _print(found, as_json=options.json)
    done = "revoked" if options.yes else "to be revoked; --yes does it"
    sys.stderr.write(f"vault-service: {len(found)} {done}\n")
    return 0


def _end(settings: VaultSettings, database: Database, grants: Sequence[FoundGrant], actor: str, reason: str) -> None:
    """Revoke here at once; a running vault sends the revocations to the authorization servers."""
    keyring = Keyring(database, settings.root_key)
    keyring.load()
    sealer, audit = Sealer(keyring), AuditLog(database, keyring)
    owned = PostgresOwnedGrants(database, Endings(sealer, audit, Outbox(database, sealer, audit)), audit)
    clock, request_id = DatabaseClock(database), uuid4().hex
    for grant in grants:
        entry = Entry(Event.GRANT_REVOKED, grant.id, grant.owner, actor, request_id, clock.now(), reason=reason)
        owned.revoke(grant.id, grant.owner, entry)


def _stats(options: argparse.Namespace) -> int:
    with _opened(config.read()) as database:
        counted = GrantsOfAll(database).stats()
    if options.json:
        nested: dict[str, dict[str, int]] = {}
        for what, state, number in counted:
            nested.setdefault(what, {})[state] = number
        print(json.dumps(nested, indent=2))
    else:
        _table([(what, state, str(number)) for what, state, number in counted], ("WHAT", "STATE", "NUMBER"))
    return 0


def _search(options: argparse.Namespace) -> GrantSearch:
    return GrantSearch(
        id=getattr(options, "id", None),
        subject=options.subject,
        service=options.service,
        provider=options.provider,
        status=Status(options.state) if options.state else None,
    )


def _print(grants: Sequence[FoundGrant], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_members(grant) for grant in grants], indent=2))
        return
    shown = ("id", "status", "subject", "provider", "services", "tickets", "createdAt", "lastRefreshedAt", "endsAt")
    _table([[_text(_members(grant)[name]) for name in shown] for grant in grants], _COLUMNS)


def _members(grant: FoundGrant) -> dict[str, Any]:
    """The members of its JSON; times are RFC 3339."""
    members = asdict(grant)
    return {
        "id": str(grant.id),
        "status": grant.status.value,
        "failure": grant.failure and grant.failure.value,
        "issuer": grant.owner.issuer,
        "subject": grant.owner.sub,
        "provider": grant.provider,
        "services": list(grant.services),
        "taskId": grant.task_ids[0] if grant.task_ids else None,
        "taskIds": list(grant.task_ids),
        "tickets": grant.tickets,
        **{
            name: members[field] and members[field].astimezone(UTC).isoformat(timespec="seconds")
            for name, field in (
                ("createdAt", "created_at"),
                ("lastRefreshedAt", "last_refreshed_at"),
                ("endsAt", "ends_at"),
            )
        },
    }


def _text(value: object) -> str:
    """A value for people, on one line: what others wrote cannot move the cursor."""
    text = " ".join(value) if isinstance(value, list) else "-" if value is None else str(value)
    return "".join(character if character.isprintable() else "?" for character in text)


def _table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
