"""Refusals of authorization servers: counted in the grant's row, told to the owner, and final in the end."""

from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from uuid import UUID

import pytest
import replica
from replica import ALICE, Replica, answer, wish

from vault_service.application.errors import (
    ConsentError,
    GrantUnusableError,
    ProviderUnavailableError,
    ScopeNotNarrowedError,
)
from vault_service.application.ports.provider import TokenAnswer
from vault_service.application.provider_errors import (
    BusyError,
    GrantRefusedError,
    RefusedForNowError,
    RevocationRefusedError,
    UnusableAnswerError,
)
from vault_service.domain.grant import Failure, FailureDetail, ObtainedToken, RefreshToken, Status
from vault_service.domain.refusal import ANY_UNTIL_FINAL, END_TOLERANCE, EQUAL_UNTIL_FINAL, failure_at, pause_after
from vault_service.domain.revocation import LAST_ATTEMPT, RevocationOutcome
from vault_service.domain.terms import Terms

Rows = Callable[..., list[tuple[object, ...]]]
Replicas = Callable[[], Replica]
INTERACTION = FailureDetail(400, "interaction_required")


@pytest.fixture
def passes(rows: Rows) -> Callable[[], object]:
    """Let the pauses of all grants pass."""
    return lambda: rows("update grants set retry_at = now() - interval '1 second' returning 1")


def refused(vault: Replica, grant_id: UUID) -> float:
    """One use that is to be retried; after how many seconds."""
    with pytest.raises(ProviderUnavailableError) as unavailable:
        vault.issue(grant_id)
    return unavailable.value.retry_after


def test_the_rule_has_an_end_and_growing_pauses() -> None:
    """The same word three times, or six of any kind."""
    assert pause_after(["a"] * EQUAL_UNTIL_FINAL) is None
    assert pause_after(["b", "a", "a"]) is not None
    words = ["a", "b"] * ANY_UNTIL_FINAL
    pauses = [pause_after(words[:count]) for count in range(1, ANY_UNTIL_FINAL + 1)]
    assert pauses.pop() is None
    assert all(earlier < later for earlier, later in pairwise(filter(None, pauses)))


def test_a_word_that_comes_again_and_again_is_final_on_every_replica(
    new_replica: Callable[[], Replica], passes: Callable[[], object]
) -> None:
    """Each refusal is seen by another process; in between nothing is sent. The owner is told why."""
    vaults = [new_replica() for _ in range(3)]
    grant_id = vaults[0].grant()
    provider = vaults[0].provider
    provider.script.extend([RefusedForNowError("interaction_required", INTERACTION)] * 3)
    pauses = []
    for vault in vaults[:2]:
        pauses.append(refused(vault, grant_id))
        sent = len(provider.script)
        assert 0 < refused(vaults[2], grant_id) <= pauses[-1]
        assert len(provider.script) == sent
        assert vault.manage.find(grant_id, ALICE).failure_detail == INTERACTION
        passes()
    assert pauses[0] < pauses[1]
    for _ in range(2):
        with pytest.raises(GrantUnusableError) as ended:
            vaults[2].issue(grant_id)
        assert ended.value.reason is Failure.REAUTHORIZATION_REQUIRED
    grant = vaults[2].manage.find(grant_id, ALICE)
    assert (grant.status, grant.failure_detail) == (Status.FAILED, INTERACTION)
    assert provider.refreshes == 0


def test_a_success_forgets_the_refusals(vault: Replica, passes: Callable[[], object], rows: Rows) -> None:
    """Only refusals in a row count."""
    grant_id = vault.grant()
    for _ in range(EQUAL_UNTIL_FINAL - 1):
        vault.provider.script.append(RefusedForNowError("access_denied", FailureDetail(403, "access_denied")))
        refused(vault, grant_id)
        passes()
    assert vault.issue(grant_id).value
    assert rows("select refusals, failure_detail, retry_at from grants") == [([], None, None)]


def test_one_grants_429_pauses_that_grant_on_every_replica(new_replica: Callable[[], Replica]) -> None:
    """The other grant is still refreshed."""
    one, other = new_replica(), new_replica()
    busy, healthy = one.grant(), one.grant()
    one.provider.script.append(BusyError("429", 60.0, FailureDetail(429)))
    assert refused(one, busy) == 60.0
    assert 55 < refused(other, busy) <= 60
    assert other.issue(healthy).value


def test_the_reason_of_a_final_refusal_is_told(vault: Replica, rows: Rows) -> None:
    """Status and word, and no token."""
    grant_id = vault.grant()
    vault.provider.script.append(GrantRefusedError(Failure.TOKEN_REVOKED, FailureDetail(400, "invalid_grant")))
    with pytest.raises(GrantUnusableError):
        vault.issue(grant_id)
    assert rows("select failure_detail from grants") == [({"status": 400, "error": "invalid_grant"},)]


@pytest.mark.parametrize("failure", [Failure.TOKEN_REVOKED, Failure.REAUTHORIZATION_REQUIRED])
def test_a_token_that_is_refused_at_its_announced_end_has_expired(vault: Replica, rows: Rows, failure: Failure) -> None:
    """Servers refuse expired and revoked tokens with the same words."""
    grant_id = vault.grant()
    rows("update grants set expires_at = now() + interval '20 seconds' returning 1")
    vault.provider.script.append(GrantRefusedError(failure, FailureDetail(400, "invalid_grant")))
    with pytest.raises(GrantUnusableError) as ended:
        vault.issue(grant_id)
    assert ended.value.reason is Failure.TOKEN_EXPIRED
    assert rows("select failure from grants") == [("token_expired",)]


@pytest.mark.parametrize("end", ["null", "now() + interval '10 minutes'"], ids=["no end", "an end to come"])
def test_a_token_that_is_refused_before_its_end_was_revoked(vault: Replica, rows: Rows, end: str) -> None:
    """The announced end tells the two apart."""
    grant_id = vault.grant()
    rows(f"update grants set expires_at = {end} returning 1")
    vault.provider.script.append(GrantRefusedError(Failure.TOKEN_REVOKED, FailureDetail(400, "invalid_grant")))
    with pytest.raises(GrantUnusableError) as ended:
        vault.issue(grant_id)
    assert ended.value.reason is Failure.TOKEN_REVOKED


def test_the_end_does_not_excuse_another_persons_token() -> None:
    """Only refusals that say no more than that the token is over are read by its end."""
    assert failure_at(0.0, Failure.WRONG_USER) is Failure.WRONG_USER
    assert failure_at(END_TOLERANCE, Failure.TOKEN_REVOKED) is Failure.TOKEN_EXPIRED
    assert failure_at(END_TOLERANCE + 1, Failure.TOKEN_REVOKED) is Failure.TOKEN_REVOKED


def test_a_grant_whose_server_says_that_its_life_is_over_gives_nothing_more(vault: Replica, rows: Rows) -> None:
    """Neither the token that came with it nor another refresh; 0 seconds in the port stand for less than nothing."""
    grant_id = vault.grant()
    vault.provider.refresh_expires_in = 0.0
    for _ in range(2):
        with pytest.raises(GrantUnusableError) as over:
            vault.issue(grant_id)
        assert over.value.reason is Failure.TOKEN_EXPIRED
    assert vault.provider.refreshes == 1
    assert vault.manage.find(grant_id, ALICE).status is Status.EXPIRED
    assert rows("select count(*) from audit where event = 'token.issued'") == [(0,)]


def test_the_token_of_an_unusable_answer_is_stored_and_used_next(
    vault: Replica, passes: Callable[[], object], rows: Rows
) -> None:
    """The server has rotated: the old one is dead."""
    grant_id = vault.grant()
    used: list[str] = []
    refresh = vault.provider.refresh

    def recorded(token: RefreshToken, scopes: frozenset[str] | None, begun: float = 0.0) -> TokenAnswer:
        used.append(token.value)
        return refresh(token, scopes, begun)

    vault.provider.refresh = recorded  # type: ignore[method-assign]
    rotated = ObtainedToken(RefreshToken("rotated-elsewhere"))
    vault.provider.script.append(UnusableAnswerError("access_token", rotated))
    assert refused(vault, grant_id) > 0
    assert rows("select status, failure_detail from grants") == [("active", {"status": 200, "check": "access_token"})]
    passes()
    assert vault.issue(grant_id).value
    assert used == ["refresh-1", "rotated-elsewhere"]


def test_an_answer_for_somebody_else_fails_the_grant_with_its_token_stored(vault: Replica, rows: Rows) -> None:
    """Nothing that was obtained is thrown away, and nothing is handed out."""
    grant_id = vault.grant()
    [(before,)] = rows("select refresh_token from grants")
    vault.provider.claimed_person = vault.provider.identity = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vault_service.application.refresh_outcomes.is_same_identity", lambda *_: False)
        with pytest.raises(GrantUnusableError):
            vault.issue(grant_id)
    [(status, failure, after)] = rows("select status, failure, refresh_token from grants")
    assert (status, failure) == ("failed", "wrong_user")
    assert after != before


def test_a_consent_whose_answer_is_refused_has_its_token_revoked(vault: Replica, rows: Rows) -> None:
    """Also when it was refused before the account was known."""
    started = vault.consent.request(wish())

    def redeem(*_: str) -> None:
        raise UnusableAnswerError("id_token:signature", ObtainedToken(RefreshToken("left alive")))

    vault.provider.redeem = redeem  # type: ignore[method-assign, assignment]
    with pytest.raises(ConsentError) as failed:
        vault.consent.complete(answer(started.state, vault.provider))
    assert failed.value.code == "provider_error"
    assert vault.manage.find(started.grant_id, ALICE).failure_detail == FailureDetail(200, None, "id_token:signature")
    assert vault.deliver.deliver_one()
    assert vault.provider.revoked == ["left alive"]


def test_a_wider_token_is_not_given_as_a_narrow_one(vault: Replica, rows: Rows) -> None:
    """A server that ignores `scope`; what it rotated is stored."""
    vault.provider.granted = frozenset({"openid", "offline_access", "read", "write"})
    grant_id = vault.grant()
    assert vault.issue(grant_id, scopes=frozenset({"read"})).scopes == {"read"}
    refresh = vault.provider.refresh

    def ignores_scope(token: RefreshToken, _: frozenset[str] | None, begun: float = 0.0) -> TokenAnswer:
        return refresh(token, None, begun)

    vault.provider.refresh = ignores_scope  # type: ignore[method-assign, assignment]
    for _ in range(2):
        with pytest.raises(ScopeNotNarrowedError):
            vault.issue(grant_id, scopes=frozenset({"write"}))
    assert vault.issue(grant_id).scopes == vault.provider.granted
    assert rows("select status from grants") == [("active",)]


def test_nothing_is_narrowed_at_a_server_that_would_narrow_the_grant(database_url: str, new_replica: Replicas) -> None:
    """django-oauth-toolkit: nothing is sent. All scopes can be requested by name."""
    provider = new_replica().provider
    vault = replica.create(database_url, provider, terms={"default": Terms(issuer=provider.issuer, narrows=False)})
    with closing(vault):
        provider.granted = frozenset({"openid", "offline_access", "read"})
        grant_id = vault.grant()
        refreshes = provider.refreshes
        with pytest.raises(ScopeNotNarrowedError, match="read"):
            vault.issue(grant_id, scopes=frozenset({"openid"}))
        assert provider.refreshes == refreshes
        assert vault.issue(grant_id, scopes=frozenset({"openid", "read"})).scopes == provider.granted


def test_a_revocation_that_is_refused_is_given_up_with_a_line(vault: Replica, rows: Rows) -> None:
    """The revocation would be refused again."""
    vault.manage.revoke(vault.grant(), ALICE, "task-ui", "r")
    vault.provider.refuses_to_revoke = RevocationRefusedError(FailureDetail(400, "unsupported_token_type"))
    delivery = vault.deliver.deliver_one()
    assert delivery is not None
    assert delivery.outcome is RevocationOutcome.REFUSED
    assert vault.deliver.deliver_one() is None
    assert rows("select outcome from audit where event = 'revocation.sent'") == [("refused",)]


def test_a_revocation_that_nobody_answers_ends(vault: Replica, rows: Rows) -> None:
    """After about two days."""
    vault.manage.revoke(vault.grant(), ALICE, "task-ui", "r")
    vault.provider.refuses_to_revoke = BusyError("503")
    rows("update revocations set attempts = %s returning 1", LAST_ATTEMPT - 1)
    delivery = vault.deliver.deliver_one()
    assert delivery is not None
    assert delivery.outcome is RevocationOutcome.GIVEN_UP
    assert rows("select outcome, refresh_token from revocations") == [("given_up", None)]


@pytest.mark.parametrize(("session", "checked"), [(None, True), ("session-1", False)])
def test_siblings_are_checked_once_where_the_server_names_no_sessions(
    vault: Replica, session: str | None, *, checked: bool
) -> None:
    """The revocation has ended the other grant there: its owner is told, and services get 409 at once."""
    vault.provider.session = session
    sibling, own = vault.grant(), vault.grant()
    if session is not None:
        vault.provider.session = "session-2"
        own = vault.grant()
    vault.manage.revoke(own, ALICE, "task-ui", "r")
    assert vault.deliver.deliver_one()
    vault.provider.script.append(GrantRefusedError(Failure.TOKEN_REVOKED, FailureDetail(400, "invalid_grant")))
    assert vault.siblings.check_one() is checked
    assert vault.siblings.check_one() is False
    assert (vault.manage.find(sibling, ALICE).status is Status.FAILED) is checked
