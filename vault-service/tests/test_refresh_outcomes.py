"""What becomes of an authorization server's answer to a refresh, case by case. The store notes what it is told."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from vault_service.application.errors import (
    GrantNotFoundError,
    GrantUnusableError,
    ProviderUnavailableError,
    ScopeNotNarrowedError,
    VaultServiceError,
)
from vault_service.application.ports.provider import TokenAnswer
from vault_service.application.ports.refresh import CallerUse, Finished, Refreshes, StoredGrant, Verdict
from vault_service.application.provider_errors import RefusedForNowError, UnusableAnswerError
from vault_service.application.refresh_outcomes import REPLAY_AFTER, RefreshOutcomes
from vault_service.application.token_request import TokenRequest
from vault_service.domain.audit import Entry, Event, Via
from vault_service.domain.grant import (
    Failure,
    FailureDetail,
    Limits,
    ObtainedToken,
    RefreshToken,
    Status,
    Subject,
    TokenIdentity,
    TokenType,
)
from vault_service.domain.grant_terms import RequestedTerms
from vault_service.domain.terms import Expiry, Terms
from vault_service.domain.usability import Requester

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALICE = Subject("https://issuer.example", "alice-sub")
MAIL, CALENDAR = frozenset({"mail"}), frozenset({"calendar"})
DETAIL = FailureDetail(error="no")


@dataclass
class Told(Refreshes):
    """Takes what it is told unless the grant `has_moved_on`. why: that the grant cannot be used now."""

    has_moved_on: bool = False
    is_used: bool = True
    why: VaultServiceError | None = None
    entries: list[Entry] = field(default_factory=list)
    uses: list[CallerUse | None] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    refusals: list[tuple[str, float]] = field(default_factory=list)

    def finish(
        self,
        grant: StoredGrant,
        answer: TokenAnswer,
        entry: Entry,
        verdict: Verdict = Verdict(),  # noqa: B008 - frozen
        use: CallerUse | None = None,
    ) -> Finished:
        self.entries.append(entry)
        self.verdicts.append(verdict)
        self.uses.append(use)
        return Finished(not self.has_moved_on, self.is_used and use is not None)

    def keep(self, grant: StoredGrant, obtained: ObtainedToken, entry: Entry, verdict: Verdict) -> bool:
        self.entries.append(entry)
        self.verdicts.append(verdict)
        return not self.has_moved_on

    def fail(self, grant: StoredGrant, failure: Failure, entry: Entry, detail: FailureDetail) -> bool:
        self.entries.append(entry)
        self.verdicts.append(Verdict(failure=failure, detail=detail))
        return not self.has_moved_on

    def refuse(self, grant: StoredGrant, word: str, seconds: float, detail: FailureDetail) -> None:
        self.refusals.append((word, seconds))

    def refusal(self, grant_id: UUID, requester: Requester) -> VaultServiceError | None:
        return self.why


class Stands:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW


GRANT = StoredGrant(
    id=uuid4(),
    owner=ALICE,
    account=ALICE,
    identity=TokenIdentity(ALICE.issuer, ALICE.sub, "vault"),
    provider="default",
    requested=RequestedTerms(
        provider="default",
        token_type=TokenType.OFFLINE,
        limits=Limits(frozenset({"task-service"})),
        expiry=Expiry(),
    ),
    terms=b"",
    status=Status.ACTIVE,
    scopes=MAIL | CALENDAR,
    generation=3,
    intent_age=None,
    lifetime=300.0,
    lifetime_age=0.0,
    refresh_token=RefreshToken("old"),
)
REQUEST = TokenRequest(
    grant_id=GRANT.id,
    requester=Requester("task-service", is_owner=False, owner=ALICE),
    scopes=frozenset(),
    min_valid=0.0,
    request_id="request-1",
)
BY_TICKET = replace(REQUEST, requester=replace(REQUEST.requester, via=Via(uuid4(), "cron")), scopes=MAIL)
ANSWER = TokenAnswer(
    access_token="new",
    expires_in=300.0,
    scopes=None,
    refresh_token=RefreshToken("rotated"),
    refresh_expires_in=None,
    identity=GRANT.identity,
)


def outcomes(store: Told, **terms: object) -> RefreshOutcomes:
    """Over one provider."""
    return RefreshOutcomes(store, {"default": Terms(issuer=ALICE.issuer, **terms)}, Stands())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("requested", "told", "scopes"),
    [
        (frozenset(), None, MAIL | CALENDAR),
        (MAIL, None, MAIL),
        (frozenset(), CALENDAR, CALENDAR),
        (MAIL, MAIL | {"openid"}, MAIL | {"openid"}),
    ],
)
def test_the_scopes_of_a_token_are_the_servers_or_what_was_requested(
    requested: frozenset[str], told: frozenset[str] | None, scopes: frozenset[str]
) -> None:
    """RFC 6749 section 5.1. Its end is by the vault's clock, its life as the server tells."""
    answer = replace(ANSWER, scopes=told)
    obtained = outcomes(Told()).stored(replace(REQUEST, scopes=requested), GRANT, answer)
    assert obtained.token.scopes == scopes
    assert (obtained.token.value, obtained.token.lifetime) == ("new", 300.0)
    assert obtained.token.expires_at == NOW.timestamp() + 300.0
    assert obtained.is_new


@pytest.mark.parametrize("is_waiting", [True, False])
@pytest.mark.parametrize("is_used", [True, False])
def test_the_use_of_a_caller_that_waits_is_recorded_with_the_outcome(is_waiting: bool, is_used: bool) -> None:
    """Not that of a renewal; and the caller is told whether it was."""
    store, request = Told(is_used=is_used), replace(REQUEST, is_waiting=is_waiting)
    obtained = outcomes(store).stored(request, GRANT, ANSWER)
    assert store.uses == [request.use(NOW) if is_waiting else None]
    assert obtained.used_by == (request if is_waiting and is_used else None)
    assert [(entry.event, entry.outcome, entry.actor) for entry in store.entries] == [
        (Event.GRANT_REFRESHED, "ok", "task-service")
    ]


@pytest.mark.parametrize(("min_valid", "is_recorded"), [(299.0, True), (300.0, True), (301.0, False)])
def test_a_token_that_lives_too_short_is_stored_and_not_counted(min_valid: float, is_recorded: bool) -> None:
    """The caller gets an error, so it has used nothing."""
    store = Told()
    outcomes(store).stored(replace(REQUEST, min_valid=min_valid), GRANT, ANSWER)
    assert (store.uses[0] is not None) == is_recorded


def test_a_token_that_is_wider_than_requested_is_stored_and_given_to_nobody() -> None:
    """The refresh token counts all the same."""
    store, wide = Told(), replace(ANSWER, scopes=MAIL | CALENDAR)
    with pytest.raises(ScopeNotNarrowedError):
        outcomes(store).stored(replace(REQUEST, scopes=MAIL), GRANT, wide)
    assert store.uses == [None]
    assert len(store.entries) == 1


def test_a_tickets_use_is_not_counted_when_the_server_adds_scopes_that_the_ticket_lacks() -> None:
    """Identity scopes are no excess for a service, and are for a ticket."""
    store, answer = Told(), replace(ANSWER, scopes=MAIL | {"openid"})
    outcomes(store).stored(BY_TICKET, GRANT, answer)
    outcomes(store).stored(replace(REQUEST, scopes=MAIL), GRANT, answer)
    assert [use is None for use in store.uses] == [True, False]


STRANGER = TokenIdentity(ALICE.issuer, "bob-sub", "vault")


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        ({"identity": STRANGER}, GRANT.identity),
        ({"person": STRANGER}, GRANT.identity),
        ({"person": STRANGER}, None),
        ({"identity": TokenIdentity("https://other.example", ALICE.sub, "vault")}, GRANT.identity),
        ({"identity": TokenIdentity(ALICE.issuer, ALICE.sub, "another client")}, GRANT.identity),
    ],
)
def test_an_answer_for_somebody_else_fails_the_grant(answer: dict[str, TokenIdentity], known: TokenIdentity) -> None:
    """Whichever of its tokens says so."""
    store = Told()
    with pytest.raises(GrantUnusableError) as failed:
        outcomes(store).stored(REQUEST, replace(GRANT, identity=known), replace(ANSWER, **answer))  # type: ignore[arg-type]
    assert failed.value.reason is Failure.WRONG_USER
    (verdict,) = store.verdicts
    assert (verdict.is_usable, verdict.failure) == (False, Failure.WRONG_USER)
    assert verdict.detail == FailureDetail(check="identity")
    assert [(entry.event, entry.outcome) for entry in store.entries] == [(Event.GRANT_FAILED, "wrong_user")]


@pytest.mark.parametrize("known", [None, GRANT.identity])
@pytest.mark.parametrize("told", [None, GRANT.identity])
def test_an_answer_that_names_nobody_else_is_the_grants(known: TokenIdentity, told: TokenIdentity) -> None:
    """An access token need not be a JWT."""
    answer = replace(ANSWER, identity=told, person=TokenIdentity(ALICE.issuer, ALICE.sub, ""))
    assert outcomes(Told()).stored(REQUEST, replace(GRANT, identity=known), answer).token.value == "new"


@pytest.mark.parametrize("why", [None, GrantNotFoundError()])
def test_a_grant_that_has_moved_on_is_read_again(why: VaultServiceError | None) -> None:
    """Its new state says what the caller is told; a lost race is no revocation."""
    store = Told(has_moved_on=True, why=why)
    unusable = UnusableAnswerError("nonsense", ObtainedToken(RefreshToken("rotated")))
    expected = ProviderUnavailableError if why is None else GrantNotFoundError
    for answer in (ANSWER, replace(ANSWER, identity=STRANGER)):
        with pytest.raises(expected):
            outcomes(store).stored(REQUEST, GRANT, answer)
    told = [
        outcomes(store).failed(REQUEST, GRANT, Failure.TOKEN_REVOKED, DETAIL),
        outcomes(store).kept(REQUEST, GRANT, unusable),
    ]
    assert [type(error) for error in told] == [expected, expected]
    assert all(error.retry_after == 1.0 for error in told if isinstance(error, ProviderUnavailableError))


@pytest.mark.parametrize(
    ("ends_in", "failure"),
    [
        (None, Failure.TOKEN_REVOKED),
        (31.0, Failure.TOKEN_REVOKED),
        (30.0, Failure.TOKEN_EXPIRED),
        (5.0, Failure.TOKEN_EXPIRED),
    ],
)
def test_a_final_refusal_fails_the_grant(ends_in: float | None, failure: Failure) -> None:
    """With the reason that the announced end tells."""
    store = Told()
    error = outcomes(store).failed(REQUEST, replace(GRANT, ends_in=ends_in), Failure.TOKEN_REVOKED, DETAIL)
    assert isinstance(error, GrantUnusableError)
    assert error.reason is failure
    assert [(entry.event, entry.outcome) for entry in store.entries] == [(Event.GRANT_FAILED, failure.value)]
    assert store.verdicts[0].detail is DETAIL


@pytest.mark.parametrize(
    ("before", "pause"),
    [
        ((), 10.0),
        (("a",), 30.0),
        (("no",), 30.0),
        (("no", "no"), None),
        (("a", "b") * 2, 240.0),
        (("a",) * 5, None),
        (("a", "b") * 4, None),
    ],
)
def test_a_passing_refusal_is_counted_until_it_is_final(before: tuple[str, ...], pause: float | None) -> None:
    """The same word three times, or six words."""
    store, refused = Told(), RefusedForNowError("no", DETAIL)
    error = outcomes(store).refused_for_now(REQUEST, replace(GRANT, refusals=before), refused)
    if pause is None:
        assert isinstance(error, GrantUnusableError)
        assert error.reason is Failure.REAUTHORIZATION_REQUIRED
        assert store.refusals == []
    else:
        assert isinstance(error, ProviderUnavailableError)
        assert error.retry_after == pause
        assert store.refusals == [("no", pause)]
        assert store.entries == []


@pytest.mark.parametrize("has_token", [True, False])
def test_the_refresh_token_of_an_unusable_answer_is_kept(has_token: bool) -> None:
    """The old one may have been used up. The callers come back when the server has certainly ended."""
    obtained = ObtainedToken(RefreshToken("rotated")) if has_token else None
    store = Told()
    error = outcomes(store).kept(REQUEST, GRANT, UnusableAnswerError("nonsense", obtained))
    assert isinstance(error, ProviderUnavailableError)
    assert error.retry_after == REPLAY_AFTER
    assert [(entry.event, entry.outcome) for entry in store.entries] == (
        [(Event.GRANT_REFRESHED, "answer_unusable")] if has_token else []
    )
    assert [(verdict.is_usable, verdict.failure, verdict.pause) for verdict in store.verdicts] == (
        [(False, None, REPLAY_AFTER)] if has_token else []
    )


@pytest.mark.parametrize(
    ("narrows", "requested", "sent"),
    [
        (True, MAIL, MAIL),
        (True, frozenset(), frozenset()),
        (False, frozenset(), frozenset()),
        (False, MAIL | CALENDAR, frozenset()),
    ],
)
def test_which_scopes_are_requested(narrows: bool, requested: frozenset[str], sent: frozenset[str]) -> None:
    """Where a refresh token would be narrow for ever, all are."""
    request = replace(REQUEST, scopes=requested)
    assert outcomes(Told(), narrows=narrows).to_request(request, GRANT) == sent


def test_a_server_that_would_narrow_for_ever_is_not_asked_for_less() -> None:
    """Before anything is sent."""
    with pytest.raises(ScopeNotNarrowedError):
        outcomes(Told(), narrows=False).to_request(replace(REQUEST, scopes=MAIL), GRANT)
