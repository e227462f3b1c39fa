"""Issuing of tokens: permitted callers, counts, and the audit."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from replica import ALICE, SERVICE, Replica
from stack import eventually

from vault_service.application.errors import (
    GrantNotFoundError,
    GrantUnusableError,
    InvalidScopeError,
    ServiceNotAllowedError,
    StorageUnavailableError,
)
from vault_service.application.issue import parse_scope
from vault_service.application.ports.manage import GrantFilter
from vault_service.domain import audit
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import Failure, Subject
from vault_service.domain.usability import Requester

Rows = Callable[..., list[tuple[object, ...]]]
BOB = Subject(ALICE.issuer, "bob-sub")


@pytest.mark.parametrize(
    ("requester", "error"),
    [
        (Requester("other-service", is_owner=False, owner=ALICE), ServiceNotAllowedError),
        (Requester("task-service", is_owner=False, owner=BOB), GrantNotFoundError),
        (Requester("dev-cli", is_owner=True, owner=BOB), GrantNotFoundError),
        (Requester("task-service", is_owner=False, owner=Subject("https://other", ALICE.sub)), GrantNotFoundError),
    ],
)
def test_others_get_nothing_not_even_what_is_cached(
    vault: Replica, requester: Requester, error: type[Exception], rows: Rows
) -> None:
    """Each request is checked, even if the token is cached."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    with pytest.raises(error):
        vault.issue(grant_id, requester)
    assert rows("select count(*) from audit where event = 'token.issued'") == [(1,)]


def test_the_owner_gets_tokens_whatever_services_are_named(vault: Replica) -> None:
    """The owner's client must be an allowed one."""
    assert vault.issue(vault.grant(), Requester("dev-cli", is_owner=True, owner=ALICE)).value


def test_unknown_ids_are_not_found(vault: Replica) -> None:
    """The answer is the same as for another person's grant."""
    with pytest.raises(GrantNotFoundError):
        vault.issue(uuid4())


def test_uses_are_counted_exactly_under_64_callers(new_replica: Callable[[], Replica], rows: Rows) -> None:
    """Parallel callers of several replicas cannot exceed `maxUses`, and each success is one line in the audit."""
    vaults = [new_replica() for _ in range(2)]
    grant_id = vaults[0].grant(max_uses=10)
    barrier = threading.Barrier(64)

    def call(number: int) -> bool:
        barrier.wait()
        try:
            vaults[number % 2].issue(grant_id)
        except GrantUnusableError as error:
            return error.reason is not Failure.TOKEN_EXPIRED
        return True

    with ThreadPoolExecutor(64) as pool:
        assert sum(pool.map(call, range(64))) == 10
    assert rows("select uses from grants") == [(10,)]
    assert rows("select count(*) from audit where event = 'token.issued'") == [(10,)]


def test_after_its_time_a_grant_gives_nothing(vault: Replica, rows: Rows) -> None:
    """`notAfter` holds for a cached token as well."""
    grant_id = vault.grant(not_after=datetime.now(UTC) + timedelta(hours=1))
    vault.issue(grant_id)
    rows("update grants set not_after = now() - interval '1 second' returning 1")
    with pytest.raises(GrantUnusableError):
        vault.issue(grant_id)


def test_a_revocation_holds_at_once_on_every_replica(new_replica: Callable[[], Replica]) -> None:
    """The revocation holds for a cached token, too."""
    first, second = new_replica(), new_replica()
    grant_id = first.grant()
    for vault in (first, second):
        vault.issue(grant_id)
    first.manage.revoke(grant_id, ALICE, "task-ui", "request-3")
    for vault in (first, second):
        with pytest.raises(GrantUnusableError) as refused:
            vault.issue(grant_id)
        assert refused.value.reason is Failure.TOKEN_REVOKED


@pytest.mark.parametrize(
    "end", ["status = 'revoked', refresh_token = null", "expires_at = clock_timestamp()"], ids=["revoked", "over"]
)
def test_a_limited_use_that_waits_looks_again(vault: Replica, database_url: str, rows: Rows, end: str) -> None:
    """Counting waits for the row's lock, and does not use a grant that was ended under that lock."""
    grant_id = vault.grant(max_uses=10)
    vault.issue(grant_id)
    with psycopg.connect(database_url) as other, ThreadPoolExecutor(4) as pool:
        other.execute(f"update grants set {end}")
        uses = [pool.submit(vault.issue, grant_id) for _ in range(4)]
        eventually(lambda: rows("select count(*) from pg_locks where not granted") >= [(1,)], "a use waits")
        other.commit()
        for use in uses:
            with pytest.raises(GrantUnusableError):
                use.result()
    assert rows("select uses from grants") == [(1,)]
    assert rows("select count(*) from audit where event = 'token.issued'") == [(1,)]


def test_the_last_use_is_served_though_its_token_is_due_for_renewal(vault: Replica, rows: Rows) -> None:
    """The use was counted and recorded, so a failed renewal must not withhold the token."""
    grant_id = vault.grant(max_uses=2)
    token = vault.issue(grant_id)
    old = replace(token, expires_at=token.expires_at - 0.8 * token.lifetime)
    vault.issuing._memory.put(grant_id, frozenset(), old)
    assert vault.issue(grant_id) == old
    assert rows("select uses from grants") == [(2,)]


def test_no_token_leaves_unrecorded(vault: Replica, postgres_url: str, database_url: str) -> None:
    """No token, cached or not, is issued while the audit cannot be written."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    name = database_url.rpartition("/")[2]
    with psycopg.connect(postgres_url.rpartition("/")[0] + f"/{name}", autocommit=True) as superuser:
        superuser.execute("revoke insert on audit from vault")
        for scopes in (frozenset(), frozenset({"openid"})):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, StorageUnavailableError)):
                vault.issue(grant_id, scopes=scopes)
        superuser.execute("grant insert on audit to vault")
    assert vault.issue(grant_id).value


def test_an_unreachable_database_issues_nothing(vault: Replica) -> None:
    """The caller gets StorageUnavailableError, and no token."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    vault.close()
    with pytest.raises(StorageUnavailableError):
        vault.issue(grant_id)


def test_a_restarted_database_costs_no_request(vault: Replica, rows_of_service: Rows) -> None:
    """All connections are dead at once, and each kind of access replaces its own."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    for act in (
        lambda: vault.issue(grant_id),
        lambda: vault.issue(grant_id, scopes=frozenset({"openid"})),
        vault.grant,
        lambda: vault.manage.of_owner(ALICE, GrantFilter(), None, 10),
        lambda: vault.manage.revoke(grant_id, ALICE, "task-ui", "request-3"),
    ):
        rows_of_service(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name like 'test%%'", *()
        )
        act()


def test_a_line_that_was_changed_is_noticed(vault: Replica, rows: Rows) -> None:
    """The MAC covers every field of a line."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    columns = "event, grant_id, issuer, subject, actor, request_id, at, outcome"
    columns += ", writer_id, writer_seq, writer_mark, key_id, mac"
    event, found, issuer, subject, actor, request_id, at, outcome, *place, key_id, mac = rows(
        f"select {columns} from audit where event = 'token.issued'"
    )[0]
    assert found == grant_id
    entry = Entry(
        Event(event), grant_id, Subject(str(issuer), str(subject)), str(actor), str(request_id), at, str(outcome)
    )  # type: ignore[arg-type]
    key = vault.keyring.key("audit", key_id)  # type: ignore[arg-type]
    where = audit.AuditPlace(*place)  # type: ignore[arg-type]
    assert audit.mac(key, entry, where) == mac
    changes: list[Entry] = [
        replace(entry, actor="somebody"),
        replace(entry, outcome="failed"),
        replace(entry, event=Event.GRANT_REVOKED),
        replace(entry, at=entry.at + timedelta(microseconds=1)),
        replace(entry, grant_id=uuid4()),
        replace(entry, owner=BOB),
        replace(entry, request_id="other"),
    ]
    assert not any(audit.mac(key, changed) == mac for changed in changes)


def test_scopes_are_parsed_as_the_rfc_says() -> None:
    """RFC 6749 section 3.3: printable characters but for quote and backslash, separated by one space."""
    assert parse_scope("openid  profile") == {"openid", "profile"}
    assert parse_scope("") == frozenset()
    for bad in ('a"b', "a\\b", "a\tb", "ä"):
        with pytest.raises(InvalidScopeError):
            parse_scope(bad)


def test_a_narrowed_token_is_cached_apart(vault: Replica) -> None:
    """One token for each set of scopes."""
    grant_id = vault.grant()
    whole = vault.issue(grant_id)
    narrow = vault.issue(grant_id, SERVICE, scopes=frozenset({"openid"}))
    assert narrow.scopes == {"openid"}
    assert vault.issue(grant_id) == whole
    assert vault.provider.refreshes == 2
