"""ID tokens: who logged in, for which client and which login."""

import time
from typing import Any

import pytest
from stub_issuer import SigningKey, StubIssuer

from service_kit.tokens import id_token
from service_kit.tokens.id_token import Expected
from service_kit.tokens.issuer import Issuer
from service_kit.tokens.jwt import InvalidTokenError

CLIENT = "token-vault"


def made(server: StubIssuer, header: dict[str, Any] | None = None, **claims: object) -> str:
    """An ID token as Keycloak makes them, with these claims instead."""
    now = time.time()
    usual: dict[str, object] = {"iat": now, "exp": now + 60, "aud": CLIENT, "azp": CLIENT, "typ": "ID", "nonce": "n-1"}
    return server.token(server.header(**(header or {})), server.claims(**(usual | claims)))


@pytest.mark.parametrize("claims", [{}, {"typ": None}, {"azp": None}, {"aud": [CLIENT]}, {"aud": [CLIENT, "x"]}])
def test_it_names_the_person(server: StubIssuer, issuer: Issuer, claims: dict[str, Any]) -> None:
    """`typ` as a claim is Keycloak's own; `azp` is optional."""
    assert id_token.verify(made(server, **claims), issuer, Expected(CLIENT, "n-1")) == "alice-id"


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "n-2"},
        {"nonce": None},
        {"nonce": "n-1\x00"},
        {"nonce": 1},
        {"typ": "Bearer"},
        {"typ": "Refresh"},
        {"typ": "Logout"},
        {"azp": "task-ui"},
        {"aud": "task-ui"},
        {"exp": 1},
        {"sub": None},
        {"sub": ""},
        {"iss": "http://evil.example"},
    ],
)
def test_others_are_refused(server: StubIssuer, issuer: Issuer, claims: dict[str, Any]) -> None:
    """Another login's, another client's, expired, another issuer's, or an access token."""
    with pytest.raises(InvalidTokenError):
        id_token.verify(made(server, **claims), issuer, Expected(CLIENT, "n-1"))


@pytest.mark.parametrize("kind", ["at+jwt", "logout+jwt", "secevent+jwt"])
def test_tokens_that_say_to_be_something_else_are_refused(server: StubIssuer, issuer: Issuer, kind: str) -> None:
    """RFC 8725 section 3.11: explicit types keep kinds apart."""
    with pytest.raises(InvalidTokenError):
        id_token.verify(made(server, {"typ": kind}, typ=None), issuer, Expected(CLIENT, "n-1"))


def test_another_s_signature_is_refused(server: StubIssuer, issuer: Issuer, other_key: SigningKey) -> None:
    """The signature is checked even though the token came straight from the issuer."""
    header, payload, _ = made(server).split(".")
    forged = server.token(sign=other_key.rs256).split(".")[2]
    with pytest.raises(InvalidTokenError):
        id_token.verify(f"{header}.{payload}.{forged}", issuer, Expected(CLIENT, "n-1"))


def test_a_key_that_the_issuer_has_just_made_is_known_at_once(
    server: StubIssuer, issuer: Issuer, other_key: SigningKey
) -> None:
    """A consent cannot be answered again half a minute later; unknown keys in callers' tokens do have to wait."""
    id_token.verify(made(server), issuer, Expected(CLIENT, "n-1"))
    server.publish(server.key.jwk, other_key.jwk)
    now = time.time()
    claims = server.claims(iat=now, exp=now + 60, aud=CLIENT, azp=CLIENT, typ="ID", nonce="n-1")
    fresh = server.token(server.header(kid=other_key.key_id), claims, other_key.rs256)
    fetched = server.key_fetches
    assert issuer.key(other_key.key_id) is None
    assert server.key_fetches == fetched
    assert id_token.verify(fresh, issuer, Expected(CLIENT, "n-1")) == "alice-id"
    assert server.key_fetches == fetched + 1
