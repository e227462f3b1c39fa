"""Discovery and keys: fetched when needed, kept through outages, never hammered, never taken from elsewhere."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from stub_issuer import Clock, SigningKey, StubIssuer

from service_kit.tokens.bearer import Verifier
from service_kit.tokens.issuer import Issuer, IssuerMismatchError, IssuerUnavailableError, demand_no_mismatch
from service_kit.tokens.jwt import InvalidTokenError

Wait = Callable[[Callable[[], bool]], None]


def test_nothing_is_fetched_before_it_is_needed(server: StubIssuer, issuer: Issuer) -> None:
    """A service starts without its authorization server."""
    assert server.requests == []
    assert issuer.key("key-1") is not None
    assert server.key_fetches == 1


@pytest.mark.parametrize("internal", ["", "/"])
def test_an_issuer_may_end_in_a_slash(server: StubIssuer, clock: Clock, internal: str) -> None:
    """The slash is part of the name and no part of the paths (OpenID Connect Discovery 1.0 section 4.1)."""
    server.describe(issuer=f"{server.url}/")
    issuer = Issuer(f"{server.url}/", f"{server.url}{internal}", clock=clock)
    assert issuer.metadata().issuer == f"{server.url}/"
    assert issuer.key("key-1") is not None
    assert issuer.backchannel(f"{server.url}/token") == f"{server.url}/token"
    with pytest.raises(IssuerMismatchError):
        demand_no_mismatch(Issuer(server.url, clock=clock).metadata)
    server.documents.clear()
    demand_no_mismatch(Issuer(server.url, clock=clock).metadata)


def test_a_known_key_costs_no_request(server: StubIssuer, issuer: Issuer, clock: Clock) -> None:
    """Ten minutes long."""
    for _ in range(10):
        issuer.key("key-1")
        clock.now += 60
    assert server.key_fetches == 1
    clock.now += 1
    issuer.key("key-1")
    assert server.key_fetches == 2


def test_unknown_key_ids_refetch_once_in_thirty_seconds(server: StubIssuer, issuer: Issuer, clock: Clock) -> None:
    """The limit holds for any number of tokens."""
    issuer.key("key-1")
    for number in range(50):
        assert issuer.key(f"made-up-{number}") is None
    assert server.key_fetches == 1
    clock.now += 31
    for number in range(50):
        assert issuer.key(f"made-up-{number}") is None
    assert server.key_fetches == 2


def test_unknown_key_ids_do_not_hammer_a_server_that_is_down(server: StubIssuer, issuer: Issuer, clock: Clock) -> None:
    """A failed fetch counts as a fetch."""
    issuer.key("key-1")
    server.status = 503
    clock.now += 31
    for number in range(50):
        assert issuer.key(f"made-up-{number}") is None
    assert server.key_fetches == 2


def test_a_rotated_key_is_found(server: StubIssuer, issuer: Issuer, clock: Clock, other_key: SigningKey) -> None:
    """Half a minute after the last look at the latest; the old one is gone then."""
    issuer.key("key-1")
    server.publish(other_key.jwk)
    clock.now += 31
    assert issuer.key("key-2") is not None
    assert issuer.key("key-1") is None


def test_a_withdrawn_key_is_forgotten(
    server: StubIssuer, issuer: Issuer, verifier: Verifier, clock: Clock, wall_clock: Clock, other_key: SigningKey
) -> None:
    """Within the ten minutes after which keys are looked at again anyway."""
    token = server.token()
    verifier.verify(token)
    server.publish(other_key.jwk)
    clock.now += 601
    wall_clock.now += 61
    with pytest.raises(InvalidTokenError):
        verifier.verify(token)


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": 5}', b'{"keys": null}', b'{"error": "x"}', b"<html>", b"[" * 9999],
)
def test_keys_are_kept_when_the_server_answers_nonsense(
    server: StubIssuer, issuer: Issuer, clock: Clock, answer: bytes
) -> None:
    """Well-formed nonsense too: an outage must not log everybody out."""
    issuer.key("key-1")
    server.documents["/realms/demo/certs"] = answer
    clock.now += 601
    assert issuer.key("key-1") is not None
    assert server.key_fetches == 2


def test_keys_are_kept_when_the_server_is_away(issuer: Issuer, server: StubIssuer, clock: Clock) -> None:
    """Hours long; it is tried again every half minute."""
    issuer.key("key-1")
    server.status = 500
    for _ in range(100):
        clock.now += 601
        assert issuer.key("key-1") is not None
    assert server.key_fetches == 101
    server.status = 200
    clock.now += 31
    assert issuer.key("key-1") is not None
    assert server.key_fetches == 102


def test_without_any_key_the_server_is_tried_every_two_seconds(
    server: StubIssuer, issuer: Issuer, clock: Clock
) -> None:
    """Between the tries callers learn at once that it is unavailable; they do not get a verdict."""
    server.status = 503
    for _ in range(5):
        with pytest.raises(IssuerUnavailableError):
            issuer.key("key-1")
    assert len(server.requests) == 1
    server.status = 200
    with pytest.raises(IssuerUnavailableError):
        issuer.key("key-1")
    clock.now += 2
    assert issuer.key("key-1") is not None


def test_a_refused_connection_is_unavailable() -> None:
    """Nothing listens on port 9 here."""
    with pytest.raises(IssuerUnavailableError):
        Issuer("http://127.0.0.1:9/realms/demo").metadata()


def test_nobody_waits_for_a_refetch_while_the_key_is_known(
    server: StubIssuer, issuer: Issuer, clock: Clock, wait_until: Wait
) -> None:
    """One thread fetches the keys again from a server that hangs. The others continue with the key that they have."""
    issuer.key("key-1")
    clock.now += 601
    server.hold = threading.Event()
    with ThreadPoolExecutor() as threads:
        looking = threads.submit(issuer.key, "key-1")
        wait_until(lambda: server.key_fetches == 2)
        assert [issuer.key("key-1") is not None for _ in range(10)] == [True] * 10
        assert not looking.done()
        server.hold.set()
        assert looking.result(10) is not None
    assert server.key_fetches == 2


def test_a_herd_fetches_once(server: StubIssuer, issuer: Issuer) -> None:
    """Sixteen first requests at once."""
    with ThreadPoolExecutor(16) as threads:
        keys = list(threads.map(issuer.key, ["key-1"] * 16))
    assert None not in keys
    assert len(server.requests) == 2


@pytest.mark.parametrize("suffix", ["/", "x"])
def test_another_issuer_s_document_is_refused(server: StubIssuer, suffix: str) -> None:
    """RFC 8414 section 3.3: compared as it is, a trailing slash included."""
    server.describe(issuer=server.url + suffix)
    with pytest.raises(IssuerMismatchError):
        Issuer(server.url).metadata()
    with pytest.raises(IssuerMismatchError):
        Issuer(server.url).key("key-1")
    assert server.key_fetches == 0


def test_the_public_name_is_reached_at_the_internal_address(server: StubIssuer) -> None:
    """The document has the public name. Requests go to the internal address, and `iss` keeps the public name."""
    public = "https://login.example/realms/demo"
    server.describe(issuer=public, jwks_uri=f"{public}/certs", token_endpoint=f"{public}/token")
    issuer = Issuer(public, server.url)
    assert issuer.key("key-1") is not None
    assert issuer.url == public
    assert issuer.metadata().token_endpoint == f"{public}/token"
    assert issuer.backchannel(issuer.metadata().token_endpoint) == f"{server.url}/token"
    assert issuer.backchannel("https://elsewhere.example/token") == "https://elsewhere.example/token"


def test_only_the_issuer_itself_is_moved_to_the_internal_address() -> None:
    """A neighbour whose name begins alike is another server."""
    issuer = Issuer("https://login.example/realms/demo", "http://keycloak:8080/realms/demo")
    for other in ("https://login.example/realms/demo2/token", "https://login.example/realms/demo.evil/"):
        assert issuer.backchannel(other) == other
    assert issuer.backchannel("https://login.example/realms/demo") == "http://keycloak:8080/realms/demo"


def test_discovery_is_read_once(server: StubIssuer, issuer: Issuer) -> None:
    """The document is then kept, also while the server is unavailable."""
    assert issuer.metadata().jwks_uri == f"{server.url}/certs"
    server.status = 503
    assert issuer.metadata() is issuer.metadata()
    assert len(server.requests) == 1


GARBAGE = [b"[]", b"{}", b"null", b"<html>", b'{"issuer": 5}', b"\xff\xfe", b"[" * 100_000, b'{"a": "\\ud800"}']


@pytest.mark.parametrize("answer", [*GARBAGE, b'{"issuer": "' + b"x" * (1 << 20) + b'"}'])
def test_an_unusable_document_is_unavailable(server: StubIssuer, issuer: Issuer, answer: bytes) -> None:
    """Garbage of every sort, and more than a megabyte of it."""
    server.documents["/realms/demo/.well-known/openid-configuration"] = answer
    with pytest.raises(IssuerUnavailableError):
        issuer.metadata()


@pytest.mark.parametrize("size", [1 << 20, 1 << 22])
def test_an_oversized_key_set_is_unavailable(server: StubIssuer, issuer: Issuer, size: int) -> None:
    """Reading stops at a megabyte."""
    server.documents["/realms/demo/certs"] = b" " * size + b'{"keys": []}'
    with pytest.raises(IssuerUnavailableError):
        issuer.key("key-1")


@pytest.mark.parametrize("place", ["not a url", "file:///etc/passwd", "http://[::1", "", "http://.example/", "//x"])
def test_an_impossible_key_address_is_unavailable(server: StubIssuer, issuer: Issuer, place: str) -> None:
    """An address that `requests` refuses counts as an unavailable server."""
    server.describe(jwks_uri=place)
    with pytest.raises(IssuerUnavailableError):
        issuer.key("key-1")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server: StubIssuer, issuer: Issuer, status: int) -> None:
    """Neither for the document nor for the keys."""
    server.documents["/elsewhere"] = server.documents["/realms/demo/certs"]
    server.headers = {"Location": "/elsewhere"}
    server.status = status
    with pytest.raises(IssuerUnavailableError):
        issuer.metadata()
    server.status = 200
    issuer.metadata()
    server.status = status
    with pytest.raises(IssuerUnavailableError):
        issuer.key("key-1")
    assert "/elsewhere" not in server.requests


def test_a_truncated_answer_is_unavailable(server: StubIssuer, issuer: Issuer) -> None:
    """The server hangs up in the middle."""
    server.headers = {"Content-Length": "100000", "Connection": "close"}
    with pytest.raises(IssuerUnavailableError):
        issuer.metadata()


UNFIT: list[dict[str, Any]] = [
    {"kty": "oct", "k": "AAAA"},
    {"kty": "EC"},
    {"kty": None},
    {"use": "enc"},
    {"alg": "PS256"},
    {"alg": "RSA-OAEP"},
    {"kid": 5},
    {"n": None},
    {"n": ""},
    {"n": 10**12},
    {"n": 10**40},
    {"n": "é"},
    {"n": ["x"]},
    {"e": "AQ"},
    {"e": "AA"},
    {"e": 1},
    {"n": "AQAB"},
]


@pytest.mark.parametrize("members", UNFIT)
def test_unfit_keys_are_passed_over(
    server: StubIssuer, issuer: Issuer, signing_key: SigningKey, members: dict[str, Any]
) -> None:
    """RFC 7517 section 5: keys of other uses, or broken, do not spoil the set."""
    server.publish(signing_key.jwk | {"kid": "unfit"} | members, signing_key.jwk)
    assert issuer.key("unfit") is None
    assert issuer.key("key-1") is not None


def test_entries_that_are_no_keys_are_passed_over(server: StubIssuer, issuer: Issuer, signing_key: SigningKey) -> None:
    """Strings, numbers, lists, empty objects."""
    odd: list[Any] = ["x", 5, None, [], {}, {"kid": "key-1"}]
    server.publish(*odd, signing_key.jwk)
    assert issuer.key("key-1") is not None


def test_only_the_public_part_of_a_key_is_read(server: StubIssuer, issuer: Issuer, signing_key: SigningKey) -> None:
    """A server that publishes private keys by mistake does not hand them to us."""
    server.publish(signing_key.jwk | {"d": "AQAB", "p": "AQAB"})
    key = issuer.key("key-1")
    assert key is not None
    assert key.is_public()  # type: ignore[attr-defined] # of its RSA implementation


def test_elliptic_curve_keys_serve_where_es256_is_configured(server: StubIssuer, ec_jwk: dict[str, Any]) -> None:
    """The algorithm comes from configuration; RSA keys are then of no use."""
    server.publish(ec_jwk, server.key.jwk, ec_jwk | {"kid": "no-curve", "crv": "P-999"})
    issuer = Issuer(server.url, algorithm="ES256")
    assert issuer.key("ec-1") is not None
    assert issuer.key("key-1") is None
    assert issuer.key("no-curve") is None


def test_metadata_says_what_the_server_supports(server: StubIssuer, issuer: Issuer) -> None:
    """RFC 9207's flag and the optional endpoints; unknown members are ignored."""
    server.describe(authorization_response_iss_parameter_supported=True, end_session_endpoint="http://x/", more=[1])
    metadata = issuer.metadata()
    assert metadata.authorization_response_iss_parameter_supported
    assert metadata.end_session_endpoint == "http://x/"
    assert metadata.userinfo_endpoint is None


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "revocation_endpoint"])
@pytest.mark.parametrize("address", ["http://other.example/x", "http://10.0.0.1/x", "ftp://127.0.0.1/x", "//x", "x"])
def test_an_endpoint_without_tls_is_refused(server: StubIssuer, issuer: Issuer, name: str, address: str) -> None:
    """Nothing is sent there, and the message names the endpoint."""
    server.describe(**{name: address})
    with pytest.raises(IssuerUnavailableError, match=f"its {name} is not an https URL"):
        issuer.metadata()
    assert server.requests == ["/realms/demo/.well-known/openid-configuration"]


@pytest.mark.parametrize("address", ["https://other.example/x", "http://127.0.0.1:9/x", "http://localhost:9/x"])
def test_endpoints_on_other_hosts_need_https_or_loopback(server: StubIssuer, issuer: Issuer, address: str) -> None:
    """Plain http stays on this machine."""
    server.describe(token_endpoint=address)
    assert issuer.metadata().token_endpoint == address
