"""Attacks with forged, stolen and twisted tokens on both APIs, through the gateway. Each test first shows that its good
token works, so that a refusal means something.
"""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from api import MANAGER, Api, problem
from forgery import Forger, encoded, hs256
from stack import TIMEOUT, Stack

ADDRESSES = {"tasks": "/api/tasks", "vault": f"{MANAGER}/tokens"}
REFUSED = (401, "unauthorized")
BOTH = pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES.keys())


@pytest.fixture
def forger(stack: Stack, alice: Api) -> Forger:
    """An attacker with a good token of Alice's."""
    return Forger.of(stack, alice.bearer or "")


def all_refused(stack: Stack, address: str, good: str, tokens: Mapping[str, str]) -> None:
    """The good token is accepted, every other is a 401 that says so."""
    assert Api(stack, good).get(address).status_code == 200
    answers = {name: Api(stack, token).get(address) for name, token in tokens.items()}
    assert {name: problem(answer) for name, answer in answers.items()} == dict.fromkeys(tokens, REFUSED)
    assert all("Bearer" in answer.headers["WWW-Authenticate"] for answer in answers.values())


@BOTH
def test_algorithms_that_the_attacker_chooses(stack: Stack, forger: Forger, address: str) -> None:
    """`none` in every spelling, HS256 with the public key in every form, and other algorithms by name only."""
    unsigned = {
        f"{name!r}, {len(signature)}": f"{encoded({**forger.header, 'alg': name})}.{encoded(forger.claims)}.{signature}"
        for name in ("none", "None", "NONE", "nOnE", "", "RS256")
        for signature in ("", "AA")
    }
    confused = {
        f"{algorithm} {form}": forger.token(hs256(key), alg=algorithm)
        for form, key in forger.key_forms.items()
        for algorithm in ("HS256", "RS256")
    }
    renamed = {name: forger.token(alg=name) for name in ("PS256", "RS512", "ES256", "EdDSA", "dir")}
    all_refused(stack, address, forger.good, unsigned | confused | renamed)


@BOTH
def test_keys_that_the_token_brings_along(stack: Stack, forger: Forger, address: str) -> None:
    """Embedded, by address, or under a key id that means something elsewhere; and under the realm's own key id."""
    offers: dict[str, Any] = {"jwk": {**forger.own_jwk, "kid": "mine"}, "x5c": ["MIIB"]}
    offers |= {"jku": f"{stack.gateway}/keys", "x5u": f"{stack.gateway}/x5u"}
    ids = ["mine", "", None, 5, "../../dev/null", "' OR 1=1 --", "\x00", "k" * 3000, "http://127.0.0.1:9/"]
    tokens = {name: forger.token(**{name: value}) for name, value in offers.items()}
    tokens |= {f"kid {number}": forger.token(kid=key_id) for number, key_id in enumerate(ids)}
    all_refused(stack, address, forger.good, {**tokens, "the realm's kid": forger.token()})


@BOTH
def test_shapes_that_are_no_compact_jws(stack: Stack, forger: Forger, address: str) -> None:
    """A JWE to the realm's key with a good token inside, wrong numbers of parts, empty parts, and lax base64."""
    header, payload, signature = forger.good.split(".")
    shapes = {
        "encrypted claims": forger.encrypted(json.dumps(forger.claims)),
        "encrypted token": forger.encrypted(forger.good),
        "two parts": f"{header}.{payload}",
        "no signature": f"{header}.{payload}.",
        "no header": f".{payload}.{signature}",
        "no payload": f"{header}..{signature}",
        "dots": "..",
        "five parts": f"{header}.{payload}.{signature}.{payload}.{signature}",
        "padded": f"{header}.{payload}.{signature}=",
        "padded to the full": f"{header}.{payload}.{signature}==",
        "other alphabet": f"{header}.{payload}.+/{signature[2:]}",
        "one character": "a",
    }
    all_refused(stack, address, forger.good, shapes)


@BOTH
def test_what_only_the_realm_could_sign(dev_stack: Stack, forger: Forger, address: str) -> None:
    """Signed by the realm's own key: claims missing, of other types, of another realm or time; other kinds of token."""

    def minted(header: dict[str, Any] | None = None, **changes: Any) -> str:
        claims = {name: value for name, value in {**forger.claims, **changes}.items() if value is not None}
        return str(dev_stack.control("POST", "/mint", {"claims": claims, "header": header or {}}).json()["token"])

    expiry = int(forger.claims["exp"])
    issuer = str(forger.claims["iss"])
    claims: dict[str, dict[str, Any]] = {
        **{f"no {name}": {name: None} for name in ("iss", "sub", "aud", "exp", "typ")},
        **{f"typ {name}": {"typ": name} for name in ("Refresh", "Offline", "ID", "Logout", "bearer")},
        **{f"exp {value!r}": {"exp": value} for value in (str(expiry), [expiry], {"a": expiry}, True, 1, -1, 10**30)},
        **{f"aud {value!r}": {"aud": value} for value in ("", [], ["x"], {"a": 1}, "TASK-SERVICE", 5)},
        **{f"iss {value!r}": {"iss": value} for value in (issuer + "/", issuer.upper(), issuer[:-1] + "x", [issuer])},
        "not before": {"nbf": expiry},
        "issued later": {"iat": expiry},
        "no subject": {"sub": ""},
    }
    headers: dict[str, dict[str, Any]] = {
        "crit": {"crit": ["exp"]},
        "crit of its own": {"crit": ["x"], "x": 1},
        "b64": {"b64": False, "crit": ["b64"]},
        "zip": {"zip": "DEF"},
        "jku": {"jku": "http://127.0.0.1:9/"},
        "typ": {"typ": "logout+jwt"},
        "none": {"alg": "none"},
        "hs256": {"alg": "HS256"},
    }
    tokens = {name: minted(**change) for name, change in claims.items()}
    tokens |= {name: minted(header) for name, header in headers.items()}
    all_refused(dev_stack, address, minted(), tokens)


@BOTH
def test_a_realm_s_other_tokens(stack: Stack, forger: Forger, address: str) -> None:
    """The tokens that come with an access token: refresh token and ID token."""
    form = {"grant_type": "password", "client_id": "dev-cli", "username": "alice", "password": "alice"}
    form["scope"] = "openid"
    answer = requests.post(f"{stack['ISSUER']}/protocol/openid-connect/token", data=form, timeout=TIMEOUT).json()
    others = {name: answer[name] for name in ("refresh_token", "id_token") if name in answer}
    assert others
    all_refused(stack, address, answer["access_token"], others)


@BOTH
def test_tokens_in_other_places(stack: Stack, nobody: Api, alice: Api, address: str) -> None:
    """RFC 6750 section 2.1 only: not in the query, a form, a cookie or another header."""
    token = alice.bearer or ""
    assert alice.get(address).status_code == 200
    elsewhere = {
        "query": nobody.get(f"{address}?access_token={token}"),
        "cookie": nobody.get(address, headers={"Cookie": f"access_token={token}; Authorization={token}"}),
        "forwarded": nobody.get(address, headers={"X-Forwarded-Access-Token": token, "X-Auth-Token": token}),
        "proxy": nobody.get(address, headers={"Proxy-Authorization": f"Bearer {token}"}),
        "form": nobody.call("GET", address, data={"access_token": token}),
    }
    assert {name: problem(answer) for name, answer in elsewhere.items()} == dict.fromkeys(elsewhere, REFUSED)


@BOTH
@pytest.mark.parametrize(
    "value",
    [
        b"Bearer \xff\xfe\xfd",
        b"Bearer \xc3\xa9.\xc3\xa9.\xc3\xa9",
        b"Bearer " + b"a" * 9000,
        b"Bearer " + b"a." * 7000,
        b"Bearer " + b"a" * 1_000_000,
        b"Bearer a b c",
        b"Bearer\ta.b.c",
        b"Bearer a.b.c, Bearer a.b.c",
        b"Basic YWxpY2U6YWxpY2U=",
    ],
    ids=lambda value: f"{value[:20]!r}-{len(value)}",
)
def test_headers_that_hold_no_token(stack: Stack, address: str, value: bytes) -> None:
    """Not UTF-8, over long (8 KiB at the services, 16 KiB at the gateway), several: a problem of the client's."""
    status, document = raw_get(stack, address, [value])
    assert (status, document["code"]) in {REFUSED, (400, "bad_request"), (431, "header_too_large")}


@BOTH
def test_two_authorization_headers(stack: Stack, alice: Api, address: str) -> None:
    """Which of the two would count? Neither."""
    good = f"Bearer {alice.bearer}".encode()
    assert raw_get(stack, address, [good])[0] == 200
    for headers in ([good, b"Bearer x"], [b"Bearer x", good], [good, good]):
        status, document = raw_get(stack, address, headers)
        assert (status, document["code"]) in {REFUSED, (400, "bad_request")}


def raw_get(stack: Stack, address: str, authorization: list[bytes]) -> tuple[int, dict[str, Any]]:
    """GET with these Authorization headers, byte by byte: status and body."""
    target = urlsplit(stack.gateway)
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=TIMEOUT)
    try:
        connection.putrequest("GET", address)
        for value in authorization:
            connection.putheader("Authorization", value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(json.loads(answer.read()))
    finally:
        connection.close()
