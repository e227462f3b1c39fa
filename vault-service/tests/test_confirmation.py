"""Accounts at another server than the login's: the code is not redeemed before its owner has confirmed it.

The browser that brought the answer and the person who asked must be the same: each attack lacks one of the two.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest.mock import Mock

import pytest
import replica
from replica import ALICE, CORP, ROOT_KEY, Replica, answer, wish
from scripted_provider import ScriptedProvider

from service_kit.postgres.database import Database
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.rewrap import Rewrapper
from vault_service.adapters.encryption.root_key import LocalRootKey
from vault_service.application.consent import ConsentKept, ConsentStarted
from vault_service.application.errors import (
    ConfirmationRefusedError,
    ConsentError,
    GrantNotFoundError,
    GrantUnusableError,
    ProviderUnavailableError,
)
from vault_service.application.provider_errors import NotSentError
from vault_service.domain.grant import Failure, Status, Subject
from vault_service.domain.terms import Terms

Rows = Callable[..., list[tuple[object, ...]]]
MALLORY = Subject(ALICE.issuer, "mallory-sub")


@pytest.fixture
def redeemed(two: Replica, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Counts the codes that reach the authorization server."""
    spy = Mock(wraps=two.provider.redeem)
    monkeypatch.setattr(two.provider, "redeem", spy)
    return spy


def arrive(vault: Replica, started: ConsentStarted, **changes: str | None) -> ConsentKept:
    """The callback of a consent at `corp`, through the browser that asked."""
    given = {"browser_secret": started.browser_secret, "provider": "corp", **changes}
    kept = vault.consent.complete(answer(started.state, vault.provider, **given))
    assert isinstance(kept, ConsentKept)
    return kept


def ask(vault: Replica, owner: Subject = ALICE) -> ConsentStarted:
    """A consent at `corp`."""
    return vault.consent.request(replace(wish(), provider="corp", owner=owner))


def test_an_account_elsewhere_is_bound_when_its_owner_has_confirmed_it(
    two: Replica, redeemed: Mock, rows: Rows
) -> None:
    """Even when the client runs in no browser. The account is stored and shown; Alice owns the grant."""
    started = ask(two)
    assert started.browser_secret is not None
    kept = arrive(two, started)
    assert redeemed.call_count == 0
    assert two.manage.find(started.grant_id, ALICE).status is Status.PENDING
    two.confirm(kept)
    grant = two.manage.find(started.grant_id, ALICE)
    assert (grant.status, grant.owner, grant.account, grant.provider) == (Status.ACTIVE, ALICE, CORP, "corp")
    assert two.issue(started.grant_id).value
    assert rows("select event, actor, outcome from audit where event like 'consent%%' order by id") == [
        ("consent.requested", "task-ui", "ok"),
        ("consent.granted", "task-ui", "ok"),
    ]


def test_another_browser_keeps_nothing_and_uses_nothing_up(two: Replica, redeemed: Mock) -> None:
    """A victim who follows an attacker's link and consents: the code is not even kept."""
    started = ask(two)
    for other in (None, "another-browser"):
        with pytest.raises(ConsentError) as refused:
            arrive(two, started, browser_secret=other)
        assert refused.value.code == "consent_invalid"
    two.confirm(arrive(two, started))
    assert redeemed.call_count == 1


def test_a_planted_cookie_does_not_bind_the_victims_account(two: Replica, redeemed: Mock) -> None:
    """Mallory has planted her cookie: she lacks the browser's secret, and Alice's browser lacks Mallory's token."""
    started = ask(two, MALLORY)
    kept = arrive(two, started)  # through Alice's browser
    with pytest.raises(GrantNotFoundError):
        two.confirm(kept, ALICE)
    for guess in ("", "made-up", str(started.browser_secret), started.state):
        with pytest.raises(ConfirmationRefusedError):
            two.confirm(kept, MALLORY, secret=guess)
    assert redeemed.call_count == 0
    assert two.manage.find(started.grant_id, MALLORY).status is Status.PENDING


def test_the_answer_of_another_provider_uses_nothing_up(two: Replica, redeemed: Mock) -> None:
    """Each provider has a redirect URI of its own, and the state must be one of its consents."""
    elsewhere, here = ask(two), two.consent.request(wish())
    for started, path in ((elsewhere, "default"), (elsewhere, "nobody"), (elsewhere, ""), (here, "corp")):
        with pytest.raises(ConsentError) as refused:
            arrive(two, started, provider=path)
        assert refused.value.code == "consent_invalid"
    assert redeemed.call_count == 0
    two.confirm(arrive(two, elsewhere))


def test_a_confirmation_counts_once(two: Replica, redeemed: Mock) -> None:
    """Twice at once, and again later: the code is redeemed once."""
    kept = arrive(two, ask(two))

    def confirm(_: int) -> bool:
        try:
            two.confirm(kept)
        except ConfirmationRefusedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(confirm, range(8))) == 1
    with pytest.raises(ConfirmationRefusedError):
        two.confirm(kept)
    assert redeemed.call_count == 1


def test_a_confirmation_has_two_minutes(two: Replica, redeemed: Mock, rows: Rows) -> None:
    """The grant is then pending until its consent has expired."""
    kept = arrive(two, ask(two))
    assert rows("select kept_until - now() between '115 s' and '120 s' from consent_requests") == [(True,)]
    rows("update consent_requests set kept_until = now() returning 1")
    with pytest.raises(ConfirmationRefusedError):
        two.confirm(kept)
    assert redeemed.call_count == 0


def test_an_answer_at_the_last_moment_can_still_be_confirmed(two: Replica, rows: Rows) -> None:
    """The consent does not expire while its confirmation may come."""
    started = ask(two)
    rows("update grants set consent_expires_at = now() + interval '1 second' returning 1")
    arrive(two, started)
    assert rows("select g.consent_expires_at = c.kept_until from grants g, consent_requests c") == [(True,)]


def test_a_grant_that_its_owner_has_ended_is_not_confirmed(two: Replica, redeemed: Mock) -> None:
    """`No, that is not mine` in the page revokes the pending grant."""
    kept = arrive(two, ask(two))
    two.manage.revoke(kept.grant_id, ALICE, "task-ui", "request-9")
    with pytest.raises(ConfirmationRefusedError):
        two.confirm(kept)
    assert redeemed.call_count == 0


def test_a_code_that_does_not_redeem_fails_the_grant(two: Replica) -> None:
    """The caller is told, and so is the owner later."""
    started = ask(two)
    with pytest.raises(GrantUnusableError) as refused:
        two.confirm(arrive(two, started, code="bad"))
    assert refused.value.reason is Failure.PROVIDER_ERROR
    assert two.manage.find(started.grant_id, ALICE).failure is Failure.PROVIDER_ERROR


def test_an_unreachable_server_is_told_as_such(two: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person may ask anew."""
    kept = arrive(two, ask(two))
    monkeypatch.setattr(two.provider, "redeem", Mock(side_effect=NotSentError("away")))
    with pytest.raises(ProviderUnavailableError):
        two.confirm(kept)


def test_a_consent_that_no_browser_is_bound_to_is_not_kept(
    two: Replica, database_url: str, provider: ScriptedProvider, redeemed: Mock
) -> None:
    """For example when the provider was the login's own when the consent was requested."""
    same = Terms(issuer=provider.issuer)
    earlier = replica.create(database_url, provider, terms={"default": same, "corp": same})
    started = ask(earlier)
    earlier.close()
    assert started.browser_secret is None
    with pytest.raises(ConsentError) as refused:
        arrive(two, started, browser_secret=None)
    assert refused.value.code == "wrong_user"
    assert redeemed.call_count == 0


def test_a_kept_code_is_sealed_and_survives_a_new_key(two: Replica, owner_database: Database, rows: Rows) -> None:
    """Neither the code nor the secret is stored in the clear; a rewrap in between loses nothing."""
    kept = arrive(two, ask(two), code="code-in-flight")
    stored = str(rows("select * from consent_requests"))
    assert "code-in-flight" not in stored
    assert kept.secret not in stored + repr(kept)
    Keyring(owner_database, LocalRootKey(ROOT_KEY)).rotate("data")
    two.keyring.load()
    assert sum(step.done for step in Rewrapper(two.databases[0], two.keyring).run()) == 1
    two.confirm(kept)
