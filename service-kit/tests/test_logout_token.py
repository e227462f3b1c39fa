"""Logout tokens: OpenID Connect Back-Channel Logout 1.0 section 2.6, rule by rule."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from stub_issuer import SigningKey, StubIssuer, b64, encode, hs256

from service_kit.tokens import id_token, logout_token
from service_kit.tokens.issuer import Issuer, IssuerUnavailableError
from service_kit.tokens.jwt import InvalidTokenError
from service_kit.tokens.logout_token import EVENT, ExpectedLogout, Logout

CLIENT = "token-vault"
LOGOUT: dict[str, Any] = {EVENT: {}}


def made(server: StubIssuer, header: dict[str, Any] | None = None, sign: Any = None, **claims: object) -> str:
    """A logout token as Keycloak makes them, with these claims instead; None leaves one out."""
    now = time.time()
    usual: dict[str, object] = {
        **dict.fromkeys(("azp", "scope", "resource_access", "nonce"), None),
        "iat": now,
        "exp": now + 120,
        "aud": CLIENT,
        "typ": "Logout",
        "jti": "j-1",
        "sid": "s-1",
        "events": LOGOUT,
    }
    return server.token(
        server.header(**{"typ": "logout+jwt", **(header or {})}), server.claims(**(usual | claims)), sign
    )


def read(server: StubIssuer, issuer: Issuer, **claims: object) -> Logout:
    """The logout that a token with these claims reports."""
    return logout_token.verify(made(server, **claims), issuer, ExpectedLogout(CLIENT))


def test_it_names_person_and_session(server: StubIssuer, issuer: Issuer) -> None:
    """Either may be missing."""
    both = read(server, issuer)
    assert (both.token_id, both.subject, both.session, both.ends_offline) == ("j-1", "alice-id", "s-1", False)
    assert read(server, issuer, sub=None).subject is None
    assert read(server, issuer, sid=None).session is None


@pytest.mark.parametrize(("value", "ends"), [(True, True), ({}, True), (False, False)])
def test_offline_tokens_end_by_keycloak_s_event(server: StubIssuer, issuer: Issuer, value: object, ends: bool) -> None:
    """Keycloak's event is in the token beside the event of the standard."""
    assert read(server, issuer, events={**LOGOUT, "revoke_offline_access": value}).ends_offline is ends


@pytest.mark.parametrize("typ", ["logout+jwt", "application/logout+jwt", "JWT", "jwt"])
def test_the_type_may_be_explicit(server: StubIssuer, issuer: Issuer, typ: str) -> None:
    """Section 2.4; older servers write `JWT`."""
    assert logout_token.verify(made(server, {"typ": typ}, typ=None), issuer, ExpectedLogout(CLIENT)).session == "s-1"


@pytest.mark.parametrize(
    ("claims", "check"),
    [
        ({"iss": "http://evil.example"}, "issuer"),
        ({"aud": "task-ui"}, "audience"),
        ({"aud": ["task-ui", "account"]}, "audience"),
        ({"aud": None}, "not a JWT"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "not a JWT"),
        ({"exp": 1 << 41}, "beyond all times"),
        ({"iat": 1}, "too old"),
        ({"iat": None}, "not a JWT"),
        ({"iat": time.time() + 1000}, "not yet valid"),
        ({"nbf": time.time() + 1000}, "not yet valid"),
        ({"jti": None}, "not a JWT"),
        ({"jti": ""}, "jti"),
        ({"sub": None, "sid": None}, "neither sub nor sid"),
        ({"sub": "", "sid": None}, "neither sub nor sid"),
        ({"sub": None, "sid": ""}, "neither sub nor sid"),
        ({"sid": 7}, "not a JWT"),
        ({"sid": "s\0"}, "zero byte"),
        ({"sub": "a\0"}, "zero byte"),
        ({"events": None}, "not a JWT"),
        ({"events": {}}, "events"),
        ({"events": [EVENT]}, "not a JWT"),
        ({"events": {EVENT: True}}, "events"),
        ({"events": {EVENT: None}}, "events"),
        ({"events": {EVENT + "/": {}}}, "events"),
        ({"nonce": "n-1"}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"typ": "ID"}, "not a logout token"),
        ({"typ": "Bearer"}, "not a logout token"),
    ],
)
def test_each_rule_refuses(server: StubIssuer, issuer: Issuer, claims: dict[str, Any], check: str) -> None:
    """The message names the rule."""
    with pytest.raises(InvalidTokenError, match=check):
        read(server, issuer, **claims)


def test_the_time_is_that_of_the_clock_that_is_given(server: StubIssuer, issuer: Issuer) -> None:
    """The database's, in the vault; that of this machine does not count."""
    late = time.time() + 7200
    expected = ExpectedLogout(CLIENT, clock=lambda: late)
    claims = {"iat": late, "exp": late + 60}
    assert logout_token.verify(made(server, **claims), issuer, expected).subject == "alice-id"
    with pytest.raises(InvalidTokenError, match="its issuer's clock is ahead"):
        read(server, issuer, **claims)


def test_a_nonce_that_is_null_is_a_nonce(server: StubIssuer, issuer: Issuer) -> None:
    """ "A `nonce` Claim MUST NOT be present"."""
    now = time.time()
    claims = {"iss": server.url, "sub": "alice-id", "aud": CLIENT, "iat": now, "exp": now + 60, "jti": "j"}
    with pytest.raises(InvalidTokenError, match="nonce"):
        logout_token.verify(
            server.token(server.header(), {**claims, "events": LOGOUT, "nonce": None}), issuer, ExpectedLogout(CLIENT)
        )


@pytest.mark.parametrize("typ", ["at+jwt", "secevent+jwt", "dpop+jwt", ""])
def test_other_types_are_refused(server: StubIssuer, issuer: Issuer, typ: str) -> None:
    """RFC 8725 section 3.11."""
    with pytest.raises(InvalidTokenError):
        logout_token.verify(made(server, {"typ": typ}), issuer, ExpectedLogout(CLIENT))


@pytest.mark.parametrize(
    ("header", "sign"),
    [
        ({"alg": "none"}, lambda _: b""),
        ({"alg": "HS256"}, hs256(b"secret")),
        ({"alg": "RS256"}, lambda _: b"x" * 256),
        ({"crit": ["exp"]}, None),
        ({"jwk": {}}, None),
    ],
)
def test_unsigned_and_otherwise_signed_tokens_are_refused(
    server: StubIssuer, issuer: Issuer, header: dict[str, Any], sign: Callable[[bytes], bytes] | None
) -> None:
    """Section 2.6: `none` MUST NOT be used; the algorithms are those of ID tokens."""
    with pytest.raises(InvalidTokenError):
        logout_token.verify(made(server, header, sign), issuer, ExpectedLogout(CLIENT))


def test_an_id_token_is_no_logout_token_and_the_other_way_round(server: StubIssuer, issuer: Issuer) -> None:
    """Both are signed by the same key for the same client."""
    now = time.time()
    claims = server.claims(iat=now, exp=now + 60, aud=CLIENT, azp=CLIENT, typ="ID", nonce="n-1")
    with pytest.raises(InvalidTokenError):
        logout_token.verify(server.token(payload=claims), issuer, ExpectedLogout(CLIENT))
    with pytest.raises(InvalidTokenError):
        id_token.verify(made(server, {"typ": "JWT"}, typ=None), issuer, id_token.Expected(CLIENT, "n-1"))


def test_strangers_do_not_make_us_fetch_keys(server: StubIssuer, issuer: Issuer, other_key: SigningKey) -> None:
    """Unknown key ids cause one request in 30 s."""
    read(server, issuer)
    fetched = server.key_fetches
    for _ in range(5):
        with pytest.raises(InvalidTokenError, match="unknown key"):
            logout_token.verify(
                made(server, {"kid": other_key.key_id}, other_key.rs256), issuer, ExpectedLogout(CLIENT)
            )
    assert server.key_fetches <= fetched + 1


def test_a_large_token_is_not_looked_at(server: StubIssuer, issuer: Issuer) -> None:
    """8 KiB, as other tokens of callers."""
    with pytest.raises(InvalidTokenError, match="too long"):
        read(server, issuer, more="x" * 9000)


def test_without_keys_nothing_is_decided(server: StubIssuer) -> None:
    """The sender may try again."""
    token = made(server)
    nowhere = Issuer("http://127.0.0.1:1")
    with pytest.raises(IssuerUnavailableError):
        logout_token.verify(token, nowhere, ExpectedLogout(CLIENT))


@pytest.mark.parametrize("text", ["", "x", "a.b", "a.b.c.d", b64(encode({})) + "..", "\0.\0.\0"])
def test_other_texts_are_refused(issuer: Issuer, text: str) -> None:
    """The texts are no JWS."""
    with pytest.raises(InvalidTokenError):
        logout_token.verify(text, issuer, ExpectedLogout(CLIENT))
