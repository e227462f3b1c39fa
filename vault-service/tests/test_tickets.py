"""Tickets: what they give, to whom, how often, and when they end; on a real database, with two processes."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from replica import ALICE, SERVICE, TICKETS_PER_GRANT, Replica

from service_kit.postgres.clock import DatabaseClock
from vault_service.adapters.audit.checkpoints import CheckpointWriter
from vault_service.adapters.audit.trail import PostgresAuditTrail
from vault_service.adapters.jobs.cleaning import Cleaning
from vault_service.application.errors import (
    GrantNotFoundError,
    GrantUnusableError,
    InvalidScopeError,
    ScopeNotNarrowedError,
    ServiceNotAllowedError,
    TicketNotFoundError,
    TicketOverError,
    TicketRefusedError,
    TooManyTicketsError,
)
from vault_service.application.tickets import TicketActor, TicketOptions
from vault_service.application.verify_audit import VerifyAudit
from vault_service.domain.audit import AuditedWork
from vault_service.domain.grant import AccessToken, Subject
from vault_service.domain.ticket import TicketFault, TicketSecret, has_ticket
from vault_service.domain.usability import Requester
from vault_service.http import callers
from vault_service.http.token_schemas import TokenQuery

Rows = Callable[..., list[tuple[object, ...]]]
NewReplica = Callable[[], Replica]
OWNER = Requester("dev-cli", is_owner=True, owner=ALICE)
AS_SERVICE = TicketActor("task-service", "request-8", service="task-service")
AS_OWNER = TicketActor("task-ui", "request-8", owner=ALICE)


def make(
    vault: Replica,
    grant_id: UUID,
    requester: Requester = SERVICE,
    *,
    scopes: frozenset[str] = frozenset(),
    max_uses: int | None = None,
    life: int = 600,
    work: AuditedWork | None = None,
) -> tuple[str, UUID]:
    """A ticket's text and its id."""
    options = TicketOptions(
        grant_id=grant_id,
        requester=requester,
        name="attempt 7",
        scopes=scopes,
        max_uses=max_uses,
        life=life,
        work=work,
    )
    secret, ticket = vault.tickets.create(options, "request-5")
    return secret.reveal(), ticket.id


def use(vault: Replica, text: str, scope: str = "") -> AccessToken:
    """An access token by a ticket, as the route gets it."""
    ticket = vault.presented.open(text)
    return vault.issuing.issue(callers.ticket_request(TokenQuery(scope=scope), ticket, "request-6"))


def use_fast(vault: Replica, text: str) -> bool:
    """The same as the fast path does it; whether the token may leave."""
    ticket = vault.presented.remembered(text)
    assert ticket is not None
    request = callers.ticket_request(TokenQuery(), ticket, "request-6")
    assert vault.issuing.remembered(request) is not None
    (is_recorded,) = vault.issuing.record_soon([request]).result(30)
    return is_recorded


def fault_of(vault: Replica, text: str) -> TicketFault:
    """The reason why a ticket is refused."""
    with pytest.raises(TicketRefusedError) as refused:
        use(vault, text)
    return refused.value.reason


@pytest.mark.parametrize("max_uses", [None, 5])
def test_each_line_about_a_ticket_has_what_it_was_made_for(vault: Replica, rows: Rows, max_uses: int | None) -> None:
    """By the route, by the fast path, with and without a limit of uses; created, extended, ended."""
    text, ticket_id = make(vault, vault.grant(), max_uses=max_uses, work=AuditedWork("task-1", 7))
    use(vault, text)
    if max_uses is None:
        assert use_fast(vault, text)
    vault.tickets.extend(ticket_id, AS_SERVICE, 60)
    vault.tickets.end(ticket_id, AS_OWNER)
    lines = rows("select event, task_id, attempt from audit where via_id is not null order by id")
    issued = ["token.issued"] * (1 if max_uses else 2)
    events = ["ticket.created", *issued, "ticket.extended", "ticket.ended"]
    assert lines == [(event, "task-1", 7) for event in events]
    database, _ = vault.databases
    with database.connection() as connection:
        assert list(VerifyAudit(PostgresAuditTrail(connection), vault.keyring.audit_key).verify()) == []


def test_a_typing_error_at_any_place_is_told_from_an_unknown_ticket(vault: Replica) -> None:
    """A changed, missing, additional or exchanged character."""
    secret = TicketSecret(uuid4(), bytes(range(32)))
    text = secret.reveal()
    assert (TicketSecret.parse(text), len(text), has_ticket(f"/x/{text}")) == (secret, 76, True)
    for place in range(4, len(text)):
        other = "A" if text[place] != "A" else "B"
        assert TicketSecret.parse(text[:place] + other + text[place + 1 :]) is None
        assert TicketSecret.parse(text[:place] + text[place + 1 :]) is None
    assert TicketSecret.parse(text + "A") is TicketSecret.parse(text + "\n") is TicketSecret.parse(text.upper()) is None
    assert text not in f"{secret} {secret!r}"
    assert fault_of(vault, text[:-1]) is TicketFault.MISTYPED
    assert fault_of(vault, text) is TicketFault.UNKNOWN


def test_the_id_alone_or_another_secret_opens_nothing(vault: Replica, rows: Rows) -> None:
    """The database has the hash, from which the ticket cannot be made."""
    text, ticket_id = make(vault, vault.grant())
    assert fault_of(vault, TicketSecret(ticket_id, bytes(32)).reveal()) is TicketFault.UNKNOWN
    (stored,) = rows("select to_jsonb(t)::text from tickets t")
    parsed = TicketSecret.parse(text)
    assert parsed is not None
    assert parsed.secret.hex() not in str(stored)
    assert parsed.hash.hex() in str(stored)


def test_a_use_is_recorded_for_the_maker_with_the_ticket(vault: Replica, rows: Rows) -> None:
    """By the route and by the fast path; the list counts both, whether a checkpoint covers them or not."""
    grant_id = vault.grant()
    text, ticket_id = make(vault, grant_id)
    use(vault, text)
    assert use_fast(vault, text)
    lines = rows("select event, actor, via_id, via_name from audit where via_id is not null order by id")
    via = ("task-service", ticket_id, "attempt 7")
    assert lines == [("ticket.created", *via), ("token.issued", *via), ("token.issued", *via)]
    database, _ = vault.databases
    writer = CheckpointWriter(database, vault.keyring, DatabaseClock(database))
    for expected in (2, 3):
        (ticket,) = vault.tickets.of_grant(grant_id, ALICE)
        assert (ticket.uses, ticket.maker, ticket.made_by_owner) == (expected, "task-service", False)
        assert ticket.last_used_at is not None
        writer.write_next()
        assert vault.tickets.of_grant(grant_id, ALICE)[0].uses == expected
        use(vault, text)
    with database.connection() as connection:
        assert list(VerifyAudit(PostgresAuditTrail(connection), vault.keyring.audit_key).verify()) == []


def test_40_parallel_uses_of_7_give_exactly_7(new_replica: NewReplica, rows: Rows) -> None:
    """In two processes; each of the other 33 is told why."""
    replicas = [new_replica(), new_replica()]
    text, _ = make(replicas[0], replicas[0].grant(), max_uses=7)
    barrier = threading.Barrier(40)

    def call(number: int) -> str:
        ticket = replicas[number % 2].presented.open(text)
        request = callers.ticket_request(TokenQuery(), ticket, f"request-{number}")
        barrier.wait()
        try:
            replicas[number % 2].issuing.issue(request)
        except TicketRefusedError as refused:
            return refused.reason.value
        return "ok"

    with ThreadPoolExecutor(40) as pool:
        outcomes = sorted(pool.map(call, range(40)))
    assert outcomes == ["ok"] * 7 + ["ticket_used_up"] * 33
    assert rows("select count(*) from audit where event = 'token.issued'") == [(7,)]
    assert rows("select uses from tickets") == [(7,)]


@pytest.mark.parametrize(("of_grant", "of_ticket", "given"), [(5, 9, 5), (9, 5, 5), (5, None, 5), (5, 5, 5)])
def test_limits_of_grant_and_ticket_hold_together(
    new_replica: NewReplica, rows: Rows, of_grant: int, of_ticket: int | None, given: int
) -> None:
    """A use that one of them refuses does not count for the other."""
    replicas = [new_replica(), new_replica()]
    grant_id = replicas[0].grant(max_uses=of_grant)
    text, _ = make(replicas[0], grant_id, max_uses=of_ticket)
    opened = [replica.presented.open(text) for replica in replicas]

    def call(number: int) -> bool:
        request = callers.ticket_request(TokenQuery(), opened[number % 2], f"request-{number}")
        try:
            replicas[number % 2].issuing.issue(request)
        except (TicketRefusedError, GrantUnusableError):
            return False
        return True

    with ThreadPoolExecutor(24) as pool:
        assert sum(pool.map(call, range(24))) == given
    counted = given if of_ticket is not None else 0
    assert rows("select g.uses, t.uses from grants g join tickets t on t.grant_id = g.id") == [(given, counted)]
    assert rows("select count(*) from audit where event = 'token.issued'") == [(given,)]


@pytest.mark.parametrize("actor", [AS_SERVICE, AS_OWNER], ids=["maker", "owner"])
def test_an_ended_ticket_gives_nothing_in_any_process(new_replica: NewReplica, actor: TicketActor) -> None:
    """Also where it is remembered, with a cached access token. Ending is idempotent."""
    one, other = new_replica(), new_replica()
    text, ticket_id = make(one, one.grant())
    use(other, text)
    assert use_fast(other, text)
    one.tickets.end(ticket_id, actor)
    one.tickets.end(ticket_id, actor)
    assert not use_fast(other, text)
    assert fault_of(other, text) is fault_of(one, text) is TicketFault.ENDED


def test_whoever_holds_a_ticket_can_end_it(vault: Replica, rows: Rows) -> None:
    """RFC 7009; text that is no ticket changes nothing."""
    text, ticket_id = make(vault, vault.grant())
    for nothing in ("", "tvt_", text[:-1], TicketSecret(ticket_id, bytes(32)).reveal()):
        vault.tickets.end_presented(nothing, "request-9")
    assert use(vault, text).value
    vault.tickets.end_presented(text, "request-9")
    vault.tickets.end_presented(text, "request-9")
    assert fault_of(vault, text) is TicketFault.ENDED
    assert rows("select actor, via_id from audit where event = 'ticket.ended'") == [("task-service", ticket_id)]


def test_a_ticket_ends_at_its_time(vault: Replica) -> None:
    """By the database's clock, on the fast path too."""
    text, ticket_id = make(vault, vault.grant())
    use(vault, text)
    vault.tickets.extend(ticket_id, AS_OWNER, -1)
    assert not use_fast(vault, text)
    assert fault_of(vault, text) is TicketFault.EXPIRED


def test_a_ticket_ends_with_its_grant(new_replica: NewReplica) -> None:
    """At once, in every process."""
    one, other = new_replica(), new_replica()
    grant_id = one.grant()
    text, _ = make(one, grant_id)
    use(other, text)
    one.manage.revoke(grant_id, ALICE, "task-ui", "request-7")
    assert not use_fast(other, text)
    with pytest.raises(GrantUnusableError) as refused:
        use(other, text)
    assert refused.value.reason.value == "token_revoked"
    assert one.tickets.of_grant(grant_id, ALICE) == []


def test_the_maker_and_the_owner_extend_a_ticket_and_nobody_else(vault: Replica, rows: Rows) -> None:
    """Others learn nothing of it; a ticket that the owner made is not the service's."""
    _, ticket_id = make(vault, vault.grant(), life=60)
    before = vault.tickets.extend(ticket_id, AS_SERVICE, 600).expires_at
    assert vault.tickets.extend(ticket_id, AS_OWNER, 1200).expires_at - before > timedelta(seconds=590)
    strangers = (
        replace(AS_SERVICE, service="other-service"),
        replace(AS_OWNER, owner=Subject(ALICE.issuer, "bob-sub")),
        replace(AS_OWNER, owner=Subject("https://other.example", ALICE.sub)),
    )
    _, owners = make(vault, vault.grant(), replace(OWNER, client="task-service"))
    for stranger, target in (*((each, ticket_id) for each in strangers), (AS_SERVICE, owners), (AS_OWNER, uuid4())):
        with pytest.raises(TicketNotFoundError):
            vault.tickets.extend(target, stranger, 600)
        with pytest.raises(TicketNotFoundError):
            vault.tickets.end(target, stranger)
    assert rows("select count(*) from audit where event = 'ticket.extended'") == [(2,)]


@pytest.mark.parametrize(
    ("life", "change", "fault"),
    [
        (-1, "uses = 0", TicketFault.EXPIRED),
        (600, "ended_at = now()", TicketFault.ENDED),
        (600, "uses = 1", TicketFault.USED_UP),
    ],
)
def test_a_ticket_that_is_over_stays_so(vault: Replica, rows: Rows, life: int, change: str, fault: TicketFault) -> None:
    """An ended ticket cannot be extended, and the answer says why."""
    _, ticket_id = make(vault, vault.grant(), life=life, max_uses=1)
    rows(f"update tickets set {change} returning 1")
    with pytest.raises(TicketOverError) as refused:
        vault.tickets.extend(ticket_id, AS_OWNER, 600)
    assert refused.value.reason is fault


def test_a_grant_has_a_bounded_number_of_usable_tickets(new_replica: NewReplica) -> None:
    """Made at once in two processes; one that has ended makes room."""
    replicas = [new_replica(), new_replica()]
    grant_id = replicas[0].grant()

    def call(number: int) -> UUID | None:
        try:
            return make(replicas[number % 2], grant_id)[1]
        except TooManyTicketsError:
            return None

    with ThreadPoolExecutor(20) as pool:
        made = [ticket_id for ticket_id in pool.map(call, range(20)) if ticket_id]
    assert len(made) == TICKETS_PER_GRANT == len(replicas[0].tickets.of_grant(grant_id, ALICE))
    replicas[0].tickets.end(made[0], AS_OWNER)
    assert make(replicas[1], grant_id)[1] not in made


def test_who_may_make_a_ticket_for_what(vault: Replica) -> None:
    """Callers that may use the grant now make tickets, for scopes that it has."""
    grant_id, over = vault.grant(), vault.grant()
    vault.manage.revoke(over, ALICE, "task-ui", "request-7")
    bob = Requester("dev-cli", is_owner=True, owner=Subject(ALICE.issuer, "bob-sub"))
    for error, target, requester, scopes in (
        (ServiceNotAllowedError, grant_id, replace(SERVICE, client="other"), frozenset[str]()),
        (GrantNotFoundError, grant_id, bob, frozenset()),
        (GrantUnusableError, over, SERVICE, frozenset()),
        (InvalidScopeError, grant_id, SERVICE, frozenset({"openid", "admin"})),
    ):
        with pytest.raises(error):
            make(vault, target, requester, scopes=scopes)
    assert vault.tickets.of_grant(grant_id, ALICE) == []
    with pytest.raises(GrantNotFoundError):
        vault.tickets.of_grant(grant_id, bob.owner)


def test_scopes_are_narrowed_to_the_tickets_and_never_beyond(vault: Replica) -> None:
    """Requested scopes are a part of the ticket's. Without a request all of them are given."""
    text, _ = make(vault, vault.grant(), scopes=frozenset({"openid", "email"}))
    assert use(vault, text).scopes == {"openid", "email"}
    assert use(vault, text, "openid").scopes == {"openid"}
    with pytest.raises(InvalidScopeError):
        use(vault, text, "openid profile")


def test_a_server_that_does_not_narrow_gives_a_ticket_nothing(
    vault: Replica, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither now nor from a cache, and nothing counts as a use; the answer names the scopes."""
    grant_id = vault.grant()
    text, _ = make(vault, grant_id, scopes=frozenset({"openid"}), max_uses=3)
    answer = vault.provider._answer
    monkeypatch.setattr(vault.provider, "_answer", lambda _: answer(frozenset({"openid", "profile"})))
    for _ in range(2):
        with pytest.raises(ScopeNotNarrowedError, match="profile"):
            use(vault, text)
    request = callers.ticket_request(TokenQuery(), vault.presented.open(text), "request-6")
    assert vault.issuing.remembered(request) is None
    assert rows("select uses from tickets") == [(0,)]
    assert vault.issue(grant_id, scopes=frozenset({"openid"})).value  # the service itself is not limited


def test_a_ticket_fits_its_own_grant_and_owner_only(vault: Replica) -> None:
    """Both need not be named; if they are, they must be the ticket's."""
    grant_id = vault.grant()
    text, _ = make(vault, grant_id)
    ticket = vault.presented.open(text)
    assert callers.ticket_request(TokenQuery(id=str(grant_id), subject=ALICE.sub), ticket, "r").grant_id == grant_id
    with pytest.raises(GrantNotFoundError):
        callers.ticket_request(TokenQuery(id=str(uuid4())), ticket, "r")
    with pytest.raises(ServiceNotAllowedError):
        callers.ticket_request(TokenQuery(subject="bob-sub"), ticket, "r")


def test_tickets_are_removed_a_week_after_their_end(vault: Replica, rows: Rows) -> None:
    """Until then their use still tells why they give nothing."""
    grant_id = vault.grant()
    day = 86_400
    texts = [make(vault, grant_id, life=life)[0] for life in (-8 * day, 600, -6 * day, 600)]
    second = TicketSecret.parse(texts[1])
    assert second
    rows("update tickets set ended_at = now() - interval '8 days' where id = %s returning 1", second.id)
    database, _ = vault.databases
    assert Cleaning(database, 90).clean()["tickets"] == 2
    faults = [fault_of(vault, text) for text in texts[:3]]
    assert faults == [TicketFault.UNKNOWN, TicketFault.UNKNOWN, TicketFault.EXPIRED]
    assert use(vault, texts[3]).value
