"""Access tokens: which are believed, and what is remembered of them."""

from collections.abc import Callable
from typing import Any

import pytest
from stub_issuer import AUDIENCE, NOW, Clock, StubIssuer

from service_kit.tokens import bearer, jwt
from service_kit.tokens.bearer import Verifier
from service_kit.tokens.issuer import Issuer
from service_kit.tokens.jwt import InvalidTokenError

NO_CLAIM = {"typ": None}


def test_a_good_token_says_who_calls_and_what_for(server: StubIssuer, verifier: Verifier) -> None:
    """The claims are typed; roles are those of the audience's own client."""
    roles = {AUDIENCE: {"roles": ["token:mint"]}, "other": {"roles": ["admin"]}}
    claims = verifier.verify(server.token(payload=server.claims(resource_access=roles)))
    assert claims == bearer.Claims(
        issuer=server.url,
        subject="alice-id",
        client="task-ui",
        scopes=frozenset({"openid", "profile"}),
        roles=frozenset({"token:mint"}),
        expires_at=NOW + 300,
    )


def test_client_id_names_the_client_where_azp_does_not(server: StubIssuer, verifier: Verifier) -> None:
    """RFC 9068 section 2.2 calls it `client_id`."""
    token = server.token(payload=server.claims(azp=None, client_id="dev-cli", scope=None, resource_access=None))
    claims = verifier.verify(token)
    assert (claims.client, claims.scopes, claims.roles) == ("dev-cli", frozenset(), frozenset())


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({}, {"aud": [AUDIENCE, "task-service"]}),
        ({}, {"exp": NOW + 0.5}),
        ({}, {"exp": NOW - 9.5}),
        ({}, {"nbf": NOW + 9.5, "iat": NOW + 9.5}),
        ({}, {"iat": None}),
        ({}, {"something": {"unknown": [1, None]}}),
        ({"something": "unknown"}, {}),
        ({"typ": None}, {}),
        ({"typ": "jwt"}, {}),
        ({"typ": "at+jwt"}, {}),
        ({"typ": "at+jwt"}, NO_CLAIM),
        ({"typ": "AT+JWT"}, NO_CLAIM),
        ({"typ": "application/at+jwt"}, NO_CLAIM),
    ],
)
def test_harmless_variants_are_good(
    server: StubIssuer, verifier: Verifier, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    """Lists of audiences, ten seconds of leeway, unknown members, and the ways to say "access token"."""
    token = server.token(server.header(**header), server.claims(**claims))
    assert verifier.verify(token).subject == "alice-id"


@pytest.mark.parametrize(
    ("header", "claim"),
    [
        ("JWT", "Refresh"),
        ("JWT", "Offline"),
        ("JWT", "ID"),
        ("JWT", "Logout"),
        ("JWT", "bearer"),
        ("JWT", "at+jwt"),
        ("JWT", None),
        ("JWT", ""),
        (None, None),
        ("at+jwt", "Refresh"),
        ("at+jwt", "ID"),
        ("logout+jwt", None),
        ("logout+jwt", "Bearer"),
        ("dpop+jwt", "Bearer"),
        ("JWE", "Bearer"),
        ("", "Bearer"),
        ("JWT\x00", "Bearer"),
        (5, "Bearer"),
        (["at+jwt"], None),
        ("JWT", ["Bearer"]),
    ],
)
def test_no_other_kind_of_token_is_an_access_token(
    server: StubIssuer, verifier: Verifier, header: object, claim: object
) -> None:
    """A refresh, offline, ID or logout token of the same issuer, for the same audience, is not accepted."""
    token = server.token(server.header(typ=header), server.claims(typ=claim))
    with pytest.raises(InvalidTokenError):
        verifier.verify(token)


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature was really checked."""
    checked: list[str] = []
    verify: Callable[..., Any] = jwt.verify

    def count(token: str, *rest: Any) -> Any:
        checked.append(token)
        return verify(token, *rest)

    monkeypatch.setattr(jwt, "verify", count)
    return checked


def test_a_verdict_is_remembered_for_a_minute(
    server: StubIssuer, verifier: Verifier, wall_clock: Clock, verifications: list[str]
) -> None:
    """Up to 60 s the signature is not checked again; then it is."""
    token = server.token()
    verifier.verify(token)
    wall_clock.now = NOW + 59.9
    verifier.verify(token)
    assert len(verifications) == 1
    wall_clock.now = NOW + 60
    verifier.verify(token)
    assert len(verifications) == 2


def test_a_remembered_verdict_ends_with_the_token(
    server: StubIssuer, verifier: Verifier, wall_clock: Clock, verifications: list[str]
) -> None:
    """At `exp` the token is looked at again, and past the leeway it is refused."""
    token = server.token(payload=server.claims(exp=NOW + 20))
    verifier.verify(token)
    wall_clock.now = NOW + 20
    verifier.verify(token)
    assert len(verifications) == 2
    wall_clock.now = NOW + 30
    with pytest.raises(InvalidTokenError):
        verifier.verify(token)


def test_a_refusal_is_not_remembered(server: StubIssuer, verifier: Verifier, wall_clock: Clock) -> None:
    """A token that is not valid yet becomes so."""
    token = server.token(payload=server.claims(nbf=NOW + 30))
    with pytest.raises(InvalidTokenError):
        verifier.verify(token)
    wall_clock.now = NOW + 21
    verifier.verify(token)


def test_a_remembered_token_vouches_for_no_other(server: StubIssuer, verifier: Verifier) -> None:
    """Same header and claims, another signature: another token."""
    token = server.token()
    verifier.verify(token)
    signed, _, signature = token.rpartition(".")
    with pytest.raises(InvalidTokenError):
        verifier.verify(f"{signed}.{signature[:-4]}{'AAAA' if signature[-4:-1] != 'AAA' else 'BAAA'}")


def test_audiences_share_no_memory(server: StubIssuer, verifier: Verifier, wall_clock: Clock) -> None:
    """A token that the vault has verified is verified again by the task service."""
    token = server.token()
    verifier.verify(token)
    with pytest.raises(InvalidTokenError):
        Verifier(verifier._issuer, "task-service", clock=wall_clock).verify(token)


def test_the_memory_is_bounded(server: StubIssuer, verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest verdicts make room; all tokens stay good."""
    monkeypatch.setattr(bearer, "MEMO_SIZE", 8)
    tokens = [server.token(payload=server.claims(jti=str(number))) for number in range(20)]
    for token in tokens:
        verifier.verify(token)
        assert len(verifier._memo) <= 8
    assert verifier.verify(tokens[0]).subject == "alice-id"


def test_the_memory_holds_no_token(server: StubIssuer, verifier: Verifier) -> None:
    """Only its hash: a core dump gives no token away."""
    token = server.token()
    verifier.verify(token)
    assert token not in repr(verifier._memo)
    assert all(len(digest) == 32 for digest in verifier._memo)


def test_a_token_that_nobody_has_seen_does_not_ask_for_the_time(issuer: Issuer) -> None:
    """The clock may have to be fetched first, and who only wants to know what is remembered must not wait for it."""

    def unknown() -> float:
        raise AssertionError("nobody knows the time yet")

    assert Verifier(issuer, AUDIENCE, clock=unknown).remembered("anything") is None
