"""Properties of token verification: it never surprises its caller, and never accepts what an independent library
would not.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt as oracle
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry
from stub_issuer import AUDIENCE, NOW, Clock, SigningKey, StubIssuer

from service_kit.tokens.bearer import Claims, Verifier
from service_kit.tokens.issuer import Issuer
from service_kit.tokens.jwt import LEEWAY_SECONDS, InvalidTokenError

FAST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.floats(allow_nan=True),
    st.text(max_size=8),
    st.lists(st.text(max_size=4), max_size=2),
    st.sampled_from([NOW, NOW - 10, NOW + 10, NOW + 60, AUDIENCE, "alice-id", "RS256", "key-1", "Bearer", [AUDIENCE]]),
)
HEADER_CHANGES = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "x"]), ODD, max_size=2)
CLAIM_CHANGES = st.dictionaries(
    st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "typ", "azp", "scope", "x"]), ODD, max_size=3
)
DROPPED = st.sets(st.sampled_from(["iss", "sub", "aud", "exp", "iat", "typ", "azp"]), max_size=1)


@pytest.fixture(scope="module")
def steady(signing_key: SigningKey) -> Iterator[StubIssuer]:
    """A server that no example changes."""
    server = StubIssuer(signing_key)
    yield server
    server.close()


@pytest.fixture(scope="module")
def steady_verifier(steady: StubIssuer) -> Verifier:
    """The issuer's verifier, with a clock that does not move."""
    return Verifier(Issuer(steady.url, clock=Clock(1000)), AUDIENCE, clock=Clock(NOW))


def verdict(verifier: Verifier, token: str) -> Claims | None:
    """The claims, or None for the one way to refuse; anything else is a fault."""
    try:
        return verifier.verify(token)
    except InvalidTokenError:
        return None


def oracle_accepts(server: StubIssuer, token: str) -> dict[str, Any] | None:
    """The claims by joserfc and the same rules, or None."""
    registry = oracle.JWTClaimsRegistry(
        now=int(NOW),
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": server.url},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
        sub={"essential": True},
    )
    try:
        key = RSAKey.import_key(server.key.pem)
        decoded = oracle.decode(token, key, ["RS256"], JWSRegistry(strict_check_header=False))
        registry.validate(decoded.claims)
    except (JoseError, ValueError, TypeError, OverflowError):
        return None
    return decoded.claims


def agree(server: StubIssuer, verifier: Verifier, token: str) -> None:
    """Every token that we accept is accepted by the oracle, with the same claims."""
    ours = verdict(verifier, token)
    if ours is None:
        return
    theirs = oracle_accepts(server, token)
    assert theirs is not None
    assert (theirs["iss"], theirs["sub"], theirs["exp"]) == (ours.issuer, ours.subject, ours.expires_at)


def test_both_accept_the_good_token(steady: StubIssuer, steady_verifier: Verifier) -> None:
    """Else the comparison would say nothing."""
    token = steady.token()
    assert verdict(steady_verifier, token)
    assert oracle_accepts(steady, token)


@FAST
@given(header=HEADER_CHANGES, claims=CLAIM_CHANGES, dropped=DROPPED)
def test_signed_tokens_with_odd_members(
    steady: StubIssuer, steady_verifier: Verifier, header: dict[str, Any], claims: dict[str, Any], dropped: set[str]
) -> None:
    """The signature is good; members are of odd types and values, or absent."""
    payload = {name: value for name, value in (steady.claims() | claims).items() if name not in dropped}
    agree(steady, steady_verifier, steady.token(steady.header() | header, payload))


@FAST
@given(claims=CLAIM_CHANGES, first=st.booleans())
def test_signed_tokens_with_members_that_stand_twice(
    steady: StubIssuer, steady_verifier: Verifier, claims: dict[str, Any], first: bool
) -> None:
    """Two readings are never possible."""
    parts = [json.dumps(steady.claims())[1:-1], json.dumps(claims)[1:-1]]
    document = "{" + ", ".join(part for part in (parts if first else parts[::-1]) if part) + "}"
    agree(steady, steady_verifier, steady.token(payload=document.encode()))


@FAST
@given(data=st.data())
def test_tokens_with_characters_changed(steady: StubIssuer, steady_verifier: Verifier, data: st.DataObject) -> None:
    """Replaced, inserted or removed, anywhere: no changed token is accepted."""
    token = steady.token()
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, min(len(token), start + 3)))
    put = data.draw(st.text("AZaz09-_.=+/ \n\x00é", max_size=3))
    changed = token[:start] + put + token[end:]
    if changed != token:
        assert verdict(steady_verifier, changed) is None


@settings(FAST, max_examples=300)
@given(
    token=st.one_of(st.text(), st.text("abcXYZ019-_.="), st.lists(st.text("eyJhbGciOi-_"), max_size=4).map(".".join))
)
def test_any_text_at_all_is_refused_in_one_way(steady_verifier: Verifier, token: str) -> None:
    """Lone surrogates included."""
    assert verdict(steady_verifier, token) is None


JSON = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


@FAST
@given(header=st.one_of(st.binary(max_size=40), JSON), payload=st.one_of(st.binary(max_size=40), JSON))
def test_any_signed_documents_are_refused_in_one_way(
    steady: StubIssuer, steady_verifier: Verifier, header: object, payload: object
) -> None:
    """Whatever the header or the payload is, be the other one good and the signature too."""
    assert verdict(steady_verifier, steady.token(payload=payload or b" ")) is None
    assert verdict(steady_verifier, steady.token(header or b" ")) is None
