"""Rows that an attacker with the database has changed, added or restored give no token, and send none elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import uuid4

import psycopg
import pytest
import replica
from replica import ALICE, SERVICE, Replica, answer, wish
from scripted_provider import ScriptedProvider

from vault_service.application.errors import (
    GrantUnusableError,
    SealBrokenError,
    ServiceNotAllowedError,
    TicketRefusedError,
    VaultServiceError,
)
from vault_service.application.tickets import TicketActor, TicketOptions
from vault_service.domain.terms import Terms
from vault_service.domain.ticket import TicketFault, TicketSecret

Rows = Callable[..., list[tuple[object, ...]]]
OTHER = replace(SERVICE, client="other-service")
CHANGES = [
    "provider = 'dishonest'",
    "services = services || array['other-service']",
    "not_after = null",
    "not_after = now() + interval '1 year'",
    "max_uses = null",
    "max_uses = 1000",
    "scopes = scopes || array['admin']",
    "subject = 'mallory-sub'",
    "issuer = 'https://elsewhere.example'",
    "token_type = 'refresh'",
    "idle_seconds = 1000000000",
    "max_seconds = 1000000000",
    "account_subject = 'mallory-sub'",
    "account_issuer = 'https://elsewhere.example'",
    "token_identity = '{a,b,c}'",
]
ASKED = [
    "scopes = '{admin}'",
    "asked_by = 'your-bank'",
    "return_to = 'https://elsewhere.example'",
    "asked_by = return_to, return_to = asked_by",
]
"""What an owner is asked, and an active grant no longer needs."""


@pytest.fixture
def two_providers(database_url: str, provider: ScriptedProvider) -> Replica:
    """A vault that knows a dishonest provider, too."""
    terms = {"default": Terms(issuer=provider.issuer), "dishonest": Terms(issuer=provider.issuer)}
    return replica.create(database_url, provider, terms=terms)


@pytest.mark.parametrize("change", CHANGES)
def test_a_grant_whose_terms_were_changed_is_not_refreshed(two_providers: Replica, rows: Rows, change: str) -> None:
    """For every caller: the token does not open, so that it is sent nowhere."""
    vault = two_providers
    grant_id = vault.grant(max_uses=3, not_after=datetime.now(UTC) + timedelta(hours=1))
    rows(f"update grants set {change} returning 1")
    for requester in (SERVICE, OTHER):
        with pytest.raises(VaultServiceError):
            vault.issue(grant_id, requester)
    assert vault.provider.refreshes == 0
    vault.close()


def test_a_cached_token_is_given_by_the_terms_that_were_verified(vault: Replica, rows: Rows) -> None:
    """The process remembers them, whatever the row says now."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    rows("update grants set services = services || array['other-service'] returning 1")
    with pytest.raises(SealBrokenError):
        vault.issue(grant_id, OTHER)


def test_a_limit_that_was_removed_still_holds(vault: Replica, rows: Rows) -> None:
    """A use of a limited grant looks at the whole row."""
    grant_id = vault.grant(max_uses=1)
    vault.issue(grant_id)
    rows("update grants set max_uses = null returning 1")
    with pytest.raises(SealBrokenError):
        vault.issue(grant_id)


@pytest.mark.parametrize(
    "change", ["provider = 'dishonest'", "services = '{other-service}'", "max_uses = null", *ASKED]
)
def test_a_pending_grant_whose_terms_were_changed_is_not_redeemed(
    two_providers: Replica, rows: Rows, change: str
) -> None:
    """The code goes nowhere; the row has a MAC until there is a token."""
    vault = two_providers
    asked = replace(wish(max_uses=3), asked_by="hub", return_to="https://hub.example")
    started = vault.consent.request(asked)
    rows(f"update grants set {change} returning 1")
    arrives_at = "dishonest" if change.startswith("provider") else "default"
    with pytest.raises(SealBrokenError):
        vault.consent.complete(answer(started.state, vault.provider, provider=arrives_at))
    assert rows("select status from grants") == [("pending",)]
    vault.close()


def test_a_token_that_waits_to_be_revoked_goes_to_its_own_provider(two_providers: Replica, rows: Rows) -> None:
    """The outbox row is bound as well."""
    vault = two_providers
    vault.manage.revoke(vault.grant(), ALICE, "task-ui", "request-3")
    rows("update revocations set provider = 'dishonest' returning 1")
    vault.deliver.deliver_one()
    assert vault.provider.revoked == []
    assert rows("select outcome from revocations") == [("unreadable",)]
    vault.close()


def test_the_services_role_changes_nothing_that_decides(vault: Replica, database_url: str) -> None:
    """Neither terms, nor counts, nor ends, nor keys."""
    grant_id, ended = vault.grant(max_uses=3), vault.grant()
    vault.issue(grant_id)
    vault.manage.revoke(ended, ALICE, "task-ui", "request-3")
    statements = [
        *(
            f"update grants set {change}"
            for change in CHANGES
            if not change.startswith(("scopes", "account", "token_i"))
        ),
        "update grants set created_at = 'epoch'",
        "update grants set terms_mac = null",
        "update grants set uses = 0 where uses > 0",
        "update grants set status = 'active', refresh_token = '' where status = 'revoked'",
        "update tickets set secret_hash = ''",
        "update tickets set max_uses = null",
        "update sealing_keys set state = 'retiring'",
        "delete from sealing_keys",
        "insert into sealing_keys (id, purpose, state, wrapped) values (9, 'data', 'retiring', '')",
    ]
    for statement in statements:
        with (
            psycopg.connect(database_url, autocommit=True) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement.encode())


@pytest.mark.parametrize(
    "change",
    [
        "secret_hash = '{hash}'",
        "scopes = '{{}}'",
        "expires_at = expires_at + interval '1 year'",
        "max_uses = null",
        "maker = 'other-service', made_by_owner = true",
        "mac = null",
    ],
)
def test_a_ticket_whose_row_was_changed_gives_nothing(vault: Replica, rows: Rows, change: str) -> None:
    """A ticket with a changed row is unknown."""
    grant_id = vault.grant()
    options = TicketOptions(
        grant_id=grant_id, requester=SERVICE, name="cron", scopes=frozenset({"openid"}), max_uses=2, life=60
    )
    secret, _ = vault.tickets.create(options, "request-5")
    forged = TicketSecret(secret.id, bytes(32))
    shown = forged if "hash" in change else secret
    rows(f"update tickets set {change} returning 1".format(hash="\\x" + sha256(bytes(32)).hexdigest()))
    with pytest.raises(TicketRefusedError) as refused:
        vault.presented.open(shown.reveal())
    assert refused.value.reason is TicketFault.UNKNOWN


def test_a_ticket_that_somebody_has_added_gives_nothing(vault: Replica, database_url: str) -> None:
    """The service's role adds tickets, but it cannot sign them."""
    grant_id = vault.grant()
    forged = TicketSecret(uuid4(), bytes(32))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            b"insert into tickets (id, grant_id, secret_hash, name, scopes, maker, made_by_owner, expires_at)"
            b" values (%s, %s, %s, 'cron', '{}', 'task-service', false, now() + interval '1 day')",
            [forged.id, grant_id, forged.hash],
        )
    with pytest.raises(TicketRefusedError) as refused:
        vault.presented.open(forged.reveal())
    assert refused.value.reason is TicketFault.UNKNOWN


def test_an_extended_ticket_is_authentic(vault: Replica) -> None:
    """The ticket's new end is under the MAC."""
    options = TicketOptions(
        grant_id=vault.grant(), requester=SERVICE, name="cron", scopes=frozenset(), max_uses=None, life=60
    )
    secret, ticket = vault.tickets.create(options, "request-5")
    extended = vault.tickets.extend(secret.id, TicketActor("task-service", "request-6", service="task-service"), 3600)
    assert extended.expires_at > ticket.expires_at
    assert vault.presented.open(secret.reveal()).expires_at == extended.expires_at


def test_a_limit_that_is_lowered_stops_a_cached_token(vault: Replica, rows: Rows) -> None:
    """A lower limit in the row holds at once: the statement checks it."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    rows("update grants set not_after = now() returning 1")
    with pytest.raises(GrantUnusableError):
        vault.issue(grant_id)
    rows("update grants set not_after = null, services = '{}' returning 1")
    with pytest.raises((ServiceNotAllowedError, SealBrokenError)):
        vault.issue(grant_id)


@pytest.mark.parametrize(
    "change",
    [
        "browser_hash = null",
        "browser_hash = '\\x{hash}'",
        "grant_id = '{wide}'",
    ],
)
def test_a_consent_request_whose_row_was_changed_is_not_redeemed(vault: Replica, rows: Rows, change: str) -> None:
    """Neither can another browser bring the answer, nor does it activate another grant of the same person."""
    started = vault.consent.request(replace(wish(max_uses=1), browser_bound=True))
    wide = vault.consent.request(wish())
    statement = change.format(hash=sha256(b"known").hexdigest(), wide=wide.grant_id)
    rows(f"update consent_requests set {statement} where grant_id = '{started.grant_id}' returning 1")
    secret = started.browser_secret if "grant_id" in change else "known"
    with pytest.raises(SealBrokenError):
        vault.consent.complete(replace(answer(started.state, vault.provider), browser_secret=secret))
    assert rows("select distinct status from grants") == [("pending",)]


def test_a_question_whose_row_was_changed_is_not_asked(vault: Replica, rows: Rows) -> None:
    """The question leads its owner nowhere."""
    asked = replace(wish(), asked_by="hub", return_to="https://hub.example", name="Notebook")
    grant_id = vault.asking.ask(asked).grant_id
    rows("update grants set return_to = 'https://elsewhere.example' returning 1")
    for go_on in (
        lambda: vault.asking.begin(grant_id, ALICE, browser_bound=True),
        lambda: vault.asking.decline(grant_id, ALICE, "task-ui", "request-1"),
    ):
        with pytest.raises(SealBrokenError):
            go_on()


def test_a_kept_code_is_confirmed_with_the_secret_that_it_was_kept_for(two: Replica, rows: Rows) -> None:
    """An attacker who sets another hash, with a known secret, confirms nothing."""
    started = two.consent.request(replace(wish(), provider="corp"))
    given = {"browser_secret": started.browser_secret, "provider": "corp"}
    kept = two.consent.complete(answer(started.state, two.provider, **given))
    rows(f"update consent_requests set confirmation_hash = '\\x{sha256(b'known').hexdigest()}' returning 1")
    with pytest.raises(SealBrokenError):
        two.confirm(kept, secret="known")
    assert rows("select status from grants") == [("pending",)]
