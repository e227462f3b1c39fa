"""The vault as a state machine: consents, refreshes, crashes and revocations in any order, on a real database.

The authorization server is the oracle. A refresh token is used once, and once again for each mishap that leaves its use
unknown. A grant is therefore lost only when more mishaps hit one rotation than reuses are allowed.
"""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from uuid import UUID

import hypothesis.strategies as st
import psycopg
import pytest
import replica
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from keycloak_oracle import KeycloakOracle, ServerSession
from replica import ALICE, Replica
from trouble import TROUBLES, Killed, Trouble, unheard

from vault_service.adapters.grants.spool import Spool
from vault_service.application.errors import (
    GrantNotFoundError,
    GrantUnusableError,
    ProviderUnavailableError,
    StorageUnavailableError,
)
from vault_service.domain.grant import Subject
from vault_service.domain.usability import Requester

BOB = Subject(ALICE.issuer, "bob-sub")
PEOPLE = {person.sub: person for person in (ALICE, BOB)}
LONG = os.environ.get("FAULTS") == "long"
REPLICAS = 2
numbers = st.integers(0, REPLICAS - 1)
YOUNG = b"select coalesce(refresh_started_at > now() - interval '15 seconds', false) from grants where id = %s"
"""Whether a refresh may still be under way."""
LET_15_SECONDS_PASS = b"update grants set refresh_started_at = refresh_started_at - interval '15 seconds'"


@dataclass(frozen=True)
class Visit:
    """A caller of a process after tokens have expired. waited: 15 seconds; tidied: housekeeping ran before."""

    number: int
    waited: bool
    tidied: bool


visits = st.builds(Visit, numbers, st.booleans(), st.booleans())


@dataclass(frozen=True)
class Consented:
    """A grant, its owner, and its session at the server."""

    id: UUID
    owner: Subject
    session: ServerSession


class Vaults(RuleBasedStateMachine):
    """Two processes of the vault on one database."""

    grants = Bundle("grants")

    def __init__(self, database_url: str) -> None:
        super().__init__()
        self._url = database_url
        self._connection = psycopg.connect(database_url, autocommit=True)
        self._all: list[Consented] = []
        self._revoked: set[UUID] = set()
        self._withdrawn: set[str] = set()
        self._mishaps: Counter[str] = Counter()
        self._spooled: dict[str, Spool] = {}
        self._issued: Counter[UUID] = Counter()
        self._unheard: Counter[UUID] = Counter()

    @initialize(max_reuse=st.integers(0, 2))
    def begin(self, max_reuse: int) -> None:
        """A server that allows some reuses, and the processes."""
        self._server = KeycloakOracle(PEOPLE, max_reuse)
        self._vaults = [replica.create(self._url, self._server) for _ in range(REPLICAS)]

    # what people and services do

    @rule(target=grants, owner=st.sampled_from([ALICE, BOB]), number=numbers)
    def consent(self, owner: Subject, number: int) -> Consented:
        """A person grants offline access."""
        vault = self._vaults[number]
        started = vault.consent.request(replace(replica.wish(), owner=owner))
        vault.consent.complete(replica.answer(started.state, self._server, code=owner.sub))
        self._all.append(Consented(started.grant_id, owner, self._server.newest_session()))
        return self._all[-1]

    @rule(grant=grants, number=numbers)
    def issue(self, grant: Consented, number: int) -> None:
        """A service requests a token; one that names the wrong owner gets none."""
        self._attempt(grant, self._vaults[number])
        stranger = ALICE if grant.owner == BOB else BOB
        with pytest.raises(GrantNotFoundError):
            self._vaults[number].issue(grant.id, Requester("task-service", is_owner=False, owner=stranger))

    @rule(grant=grants)
    def refresh_everywhere_at_once(self, grant: Consented) -> None:
        """Two callers of each process."""
        self._expire()
        with ThreadPoolExecutor() as callers:
            list(callers.map(lambda vault: self._attempt(grant, vault), self._vaults * 2))

    @rule(grant=grants, number=numbers, here=st.booleans())
    def end(self, grant: Consented, number: int, here: bool) -> None:
        """The owner revokes the grant here, or withdraws it at the server without the vault's knowledge."""
        if here:
            self._vaults[number].manage.revoke(grant.id, grant.owner, "task-ui", "request-9")
            self._revoked.add(grant.id)
        else:
            grant.session.ended = grant.session.ended or "withdrawn"

    @rule(grant=grants, number=numbers, trouble=st.sampled_from(TROUBLES), then=st.lists(visits, max_size=4))
    def go_through(self, grant: Consented, number: int, trouble: Trouble, then: list[Visit]) -> None:
        """A refresh fails at one step; then callers come again."""
        self._expire()
        vault = self._vaults[number]
        with trouble.befalls(vault) as done:
            try:
                astray = self._attempt(grant, vault, unknown=trouble.leaves_unknown)
            except Killed:
                self._replace(number)
            else:
                if astray and isinstance(trouble.error, StorageUnavailableError):
                    self._spooled[self._server.last_used] = vault.refreshes._spool
        self._unheard[grant.id] += unheard(done)
        for visit in then:
            self._visit(grant, visit)
            self.books_agree()

    # what holds

    @invariant()
    def books_agree(self) -> None:
        """Each token is used once, and once again for each mishap. Generations equal the server's refreshes."""
        for grant, status, generation, recorded in self._rows():
            session = grant.session
            mishaps = sum(self._mishaps[token] for token in session.uses)
            assert generation - 1 <= session.refreshes <= generation - 1 + mishaps
            assert all(uses <= 1 + self._mishaps[token] for token, uses in session.uses.items())
            assert session.late_calls <= 1, "asked again after it had been told"
            assert recorded == self._issued[grant.id] + self._unheard[grant.id], "a token left unrecorded"
            if session.ended == "detached":
                worst = max(self._mishaps[token] for token in session.uses)
                assert worst > self._server.max_reuse, "lost without need"
            if grant.id in self._revoked:
                assert status == "revoked"
            elif status != "active":
                assert (status, session.ended != "") == ("failed", True)

    def teardown(self) -> None:
        """Close the connections."""
        self._connection.close()
        for vault in self._vaults:
            vault.close()

    def _attempt(self, grant: Consented, vault: Replica, *, unknown: bool = False) -> bool:
        """Request a token. unknown: the server's answer is lost if it rotates; returns True if it was."""
        before = grant.session.refreshes
        try:
            token = vault.issue(grant.id, Requester("task-service", is_owner=False, owner=grant.owner))
        except (GrantUnusableError, ProviderUnavailableError, StorageUnavailableError):
            pass
        else:
            assert grant.id not in self._revoked, "a token after the revocation"
            assert token.value.startswith(f"{grant.owner.sub}/{grant.session.name}/"), "somebody else's token"
            self._issued[grant.id] += 1
        finally:
            astray = unknown and grant.session.refreshes > before
            self._mishaps[self._server.last_used] += astray
        if astray:
            assert self._is_young(grant), "nothing says that the token may have been used"
        return astray

    def _visit(self, grant: Consented, visit: Visit) -> None:
        """The server is not asked while an earlier request may be running, nor when the outcome is in the spool."""
        vault = self._vaults[visit.number]
        if visit.waited:
            self._connection.execute(LET_15_SECONDS_PASS)
        if visit.tidied:
            self._tidy(vault)
        self._expire()
        kept = [token for token, spool in self._spooled.items() if spool is vault.refreshes._spool]
        young = self._is_young(grant)
        used, asked = [grant.session.uses[token] for token in kept], grant.session.uses.total()
        self._attempt(grant, vault)
        assert used == [grant.session.uses[token] for token in kept]
        assert not young or asked == grant.session.uses.total()

    def _replace(self, number: int) -> None:
        """Start another process in place of a killed one, with its spool."""
        dead, self._vaults[number] = self._vaults[number], replica.create(self._url, self._server)
        self._vaults[number].refreshes._spool = dead.refreshes._spool
        dead.close()

    def _tidy(self, vault: Replica) -> None:
        vault.refreshes.replay_spool()
        while vault.deliver.deliver_one():
            pass

    def _is_young(self, grant: Consented) -> bool:
        row = self._connection.execute(YOUNG, [grant.id]).fetchone()
        return row == (True,)

    def _expire(self) -> None:
        for vault in self._vaults:
            vault.issuing._memory._tokens.clear()  # type: ignore[attr-defined]

    def _rows(self) -> Iterator[tuple[Consented, str, int, int]]:
        query = b"""
            select id, status, generation,
                   (select count(*) from audit where grant_id = grants.id and event = 'token.issued')
            from grants
        """
        rows = {row[0]: row[1:] for row in self._connection.execute(query)}
        for grant in self._all:
            status, generation, recorded = rows[grant.id]
            yield grant, status, generation, recorded


def test_no_order_of_events_loses_or_leaks_a_token(database_url: str) -> None:
    """See the invariants of `Vaults`."""
    run_state_machine_as_test(
        lambda: Vaults(database_url),  # type: ignore[arg-type]  # a factory will do
        settings=settings(
            max_examples=100 if LONG else 8,
            stateful_step_count=30,
            deadline=None,
            derandomize=not LONG,
            phases=(Phase.generate, Phase.shrink) if LONG else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
