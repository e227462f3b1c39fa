"""Callers and their tokens over HTTP, and the `Cache-Control` of every answer. Bearer tokens are really verified."""

import time
from uuid import uuid4

import pytest
from consenting_issuer import PERSON, ConsentingIssuer
from served_vault import API, ServedVault

pytestmark = pytest.mark.process


@pytest.fixture
def alice(issuer: ConsentingIssuer) -> str:
    """Alice at the command line, whose client may fetch tokens for its owner."""
    return issuer.bearer("dev-cli")


@pytest.fixture
def service(issuer: ConsentingIssuer) -> str:
    """The task service, which has the role."""
    return issuer.bearer("task-service", "service-account")


@pytest.fixture
def token_id(served: ServedVault, alice: str) -> str:
    """An active token of Alice's."""
    return served.grant(alice)


def code(answer: object) -> tuple[int, str]:
    """Status and code of a problem, or 200 and nothing."""
    document = answer.json()  # type: ignore[attr-defined]
    return answer.status_code, document.get("code", "")  # type: ignore[attr-defined]


OK, NOT_ALLOWED, NOT_FOUND = (200, ""), (403, "service_not_allowed"), (404, "token_not_found")
UNAUTHORIZED, INVALID = (401, "unauthorized"), (422, "invalid_input")


@pytest.mark.parametrize(
    ("client", "subject", "claims", "query", "expected"),
    [
        ("dev-cli", PERSON, {}, {}, OK),
        ("dev-cli", PERSON, {}, {"subject": PERSON}, OK),
        ("dev-cli", PERSON, {}, {"subject": "bob-id"}, NOT_ALLOWED),
        ("dev-cli", "bob-id", {}, {}, NOT_FOUND),
        ("dev-cli", "bob-id", {}, {"subject": PERSON}, NOT_ALLOWED),
        ("task-ui", PERSON, {}, {}, NOT_ALLOWED),
        ("task-ui", PERSON, {"resource_access": {"token-vault": {"roles": ["token:mint"]}}}, {}, NOT_ALLOWED),
        ("another-client", PERSON, {}, {}, NOT_ALLOWED),
        ("another-client", PERSON, {"client_id": "dev-cli"}, {}, NOT_ALLOWED),
        ("task-service", "service-account", {}, {"subject": PERSON}, OK),
        ("task-service", "service-account", {}, {"subject": "bob-id"}, NOT_FOUND),
        ("task-service", "service-account", {}, {}, INVALID),
        ("task-service", "service-account", {"resource_access": None}, {"subject": PERSON}, NOT_ALLOWED),
        (
            "task-service",
            "service-account",
            {"resource_access": {"other": {"roles": ["token:mint"]}}},
            {"subject": PERSON},
            NOT_ALLOWED,
        ),
        ("task-service", "service-account", {"azp": "other-service"}, {"subject": PERSON}, NOT_ALLOWED),
        ("dev-cli", PERSON, {"aud": "task-ui"}, {}, UNAUTHORIZED),
        ("dev-cli", PERSON, {"iss": "https://attacker.example"}, {}, UNAUTHORIZED),
        ("dev-cli", PERSON, {"typ": "ID"}, {}, UNAUTHORIZED),
        ("dev-cli", PERSON, {"typ": "Refresh"}, {}, UNAUTHORIZED),
        ("dev-cli", PERSON, {"exp": 1}, {}, UNAUTHORIZED),
        ("dev-cli", PERSON, {"nbf": 4e9}, {}, UNAUTHORIZED),
    ],
    ids=str,
)
@pytest.mark.parametrize("asked_before", [False, True], ids=["first", "again"])
def test_who_gets_an_access_token(
    served: ServedVault,
    token_id: str,
    alice: str,
    *,
    client: str,
    subject: str,
    claims: dict[str, object],
    query: dict[str, str],
    expected: tuple[int, str],
    asked_before: bool,
) -> None:
    """The same whether the token is cached or not, by the route and by the fast path."""
    bearer = served.issuer.bearer(client, subject, **claims)
    if asked_before:
        assert served.token(token_id, alice).status_code == 200
        assert code(served.token(token_id, bearer, **query)) == expected
    assert code(served.token(token_id, bearer, **query)) == expected


def test_a_signature_of_another_key_is_refused(served: ServedVault, token_id: str, alice: str) -> None:
    """The claims are Alice's."""
    head, payload, signature = alice.split(".")
    forged = signature[:-10] + signature[-10:][::-1]
    assert code(served.token(token_id, f"{head}.{payload}.{forged}")) == UNAUTHORIZED


@pytest.mark.parametrize("path", ["", "/audit", "/audit/export"])
def test_another_person_s_token_does_not_exist(served: ServedVault, token_id: str, path: str) -> None:
    """To look at, to check and to end; exactly as an unknown id."""
    bob = served.issuer.bearer("dev-cli", "bob-id")
    other_issuer_s_id = str(uuid4())
    for wanted in (token_id, other_issuer_s_id):
        assert code(served.call("GET", f"{API}/tokens/{wanted}{path}", bob)) == NOT_FOUND
        assert code(served.call("POST", f"{API}/tokens/{wanted}/check", bob)) == NOT_FOUND
        assert code(served.call("DELETE", f"{API}/tokens/{wanted}", bob)) == NOT_FOUND
    assert served.call("GET", f"{API}/tokens", bob).json()["tokens"] == []


def test_a_service_ends_a_token_that_only_it_may_use(served: ServedVault, alice: str) -> None:
    """For the owner that it names; inside the network; with its name in the owner's audit.

    A service of its own: a process records few refusals of one client in a minute.
    """
    service = served.issuer.bearer("ending-service", "service-account")
    names = ["ending-service"], ["ending-service", "hub"], ["hub"]
    token_id, shared, others = (served.grant(alice, services=each) for each in names)
    gateway = {"X-Gateway": "public"}

    def end(wanted: str, subject: str, **headers: str) -> tuple[int, str]:
        answer = served.call("DELETE", f"{API}/tokens/{wanted}", service, params={"subject": subject}, headers=headers)
        return code(answer)

    assert end(token_id, "bob-id") == NOT_FOUND
    assert end(others, PERSON) == NOT_FOUND
    assert end(shared, PERSON) == NOT_ALLOWED
    assert end(token_id, PERSON, **gateway) == (403, "forbidden")
    assert {served.status(each, alice)[0] for each in (token_id, shared, others)} == {"active"}
    assert [end(token_id, PERSON) for _ in range(2)] == [OK, OK]
    assert served.status(token_id, alice) == ("revoked", None)
    lines = served.call("GET", f"{API}/tokens/{token_id}/audit", alice).json()["lines"]
    assert [line["actor"] for line in lines if line["event"] == "grant.revoked"] == ["ending-service"]
    refused = served.call("GET", f"{API}/tokens/{shared}/audit", alice).json()["lines"][0]
    assert (refused["event"], refused["actor"]) == ("token.refused", "ending-service")
    assert code(served.call("DELETE", f"{API}/tokens/{shared}?subject={PERSON}", alice)) == INVALID


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/tokens/{id}/check"),
        ("POST", "/tokens/{id}/rename"),
        ("GET", "/tokens/{id}/audit"),
        ("GET", "/tokens/{id}/audit/export"),
        ("GET", "/tokens/{id}/tickets"),
        ("POST", "/offline-consent/{id}/begin"),
        ("POST", "/offline-consent/{id}/decline"),
        ("POST", "/offline-consent/{id}/confirm"),
    ],
)
def test_what_only_an_owner_may_do_is_refused_to_a_service_that_names_the_owner(
    served: ServedVault, token_id: str, service: str, method: str, path: str
) -> None:
    """The task service, which no longer has anybody's own token to pass on, cannot do it at all."""
    body = {"json": {"name": "n", "secret": "s" * 43}} if method == "POST" else {}
    address = f"{API}{path.format(id=token_id)}"
    assert served.call(method, address, service, **body).status_code == 403
    named = served.call(method, address, service, params={"subject": PERSON}, **body)
    assert named.status_code in {403, 422}


def test_a_person_asks_for_several_tokens_by_their_ids(served: ServedVault, token_id: str, alice: str) -> None:
    """Only the caller's are in the answer; what is no list of at most 100 ids is refused."""
    bob = served.issuer.bearer("dev-cli", "bob-id")

    def asked(bearer: str, *ids: str) -> list[str]:
        tokens = served.call("GET", f"{API}/tokens?ids={','.join(ids)}", bearer).json()["tokens"]
        return [token["persistentTokenId"] for token in tokens]

    assert asked(alice, str(uuid4()), token_id) == [token_id]
    assert asked(alice, str(uuid4())) == []
    assert asked(bob, token_id) == []
    for faulty in ("", "7", f"{token_id},", ",".join([token_id] * 101)):
        assert code(served.call("GET", f"{API}/tokens?ids={faulty}", alice)) == INVALID


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/offline-consent"),
        ("GET", "/tokens"),
        ("GET", "/tokens/x"),
        ("POST", "/tokens/x/check"),
        ("DELETE", "/tokens/x"),
    ],
)
def test_a_service_owns_nothing(served: ServedVault, service: str, method: str, path: str) -> None:
    """Operations for people are refused to a service."""
    assert code(served.call(method, API + path, service)) == (403, "forbidden")


def test_a_batch_checks_each_token_as_a_request_alone_would(served: ServedVault, token_id: str, service: str) -> None:
    """Role, owner and service; one result for each."""
    wanted = [{"id": token_id, "subject": subject} for subject in (PERSON, "bob-id")]
    results = served.call("POST", f"{API}/access-tokens", service, json={"tokens": wanted}).json()["results"]
    assert "accessToken" in results[0]["token"]
    assert results[1]["problem"]["code"] == "token_not_found"
    for bearer in (served.issuer.bearer("task-ui"), served.issuer.bearer("dev-cli")):
        answer = served.call("POST", f"{API}/access-tokens", bearer, json={"tokens": wanted})
        assert code(answer) == NOT_ALLOWED


def test_limits_hold_over_http(served: ServedVault, alice: str, service: str) -> None:
    """`services`, `maxUses` and `notAfter`, for a cached token too."""
    elsewhere = served.grant(alice, services=["another-service"])
    assert code(served.token(elsewhere, alice)) == OK
    assert code(served.token(elsewhere, service, subject=PERSON)) == NOT_ALLOWED
    twice = served.grant(alice, maxUses=2)
    assert [code(served.token(twice, alice)) for _ in range(3)] == [OK, OK, (410, "token_expired")]
    end = time.time() + 2
    short = served.grant(alice, notAfter=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end + 1)))
    assert code(served.token(short, alice)) == OK
    time.sleep(max(end + 1.1 - time.time(), 0))
    assert code(served.token(short, alice)) == (410, "token_expired")


def test_no_answer_may_be_cached_or_sniffed(served: ServedVault, token_id: str, alice: str, service: str) -> None:
    """Tokens by the route, from the cache and in a batch; consents, views, problems and redirects."""
    for _ in range(2):
        served.token(token_id, alice)
        served.token(str(uuid4()), alice)
        served.token(token_id, "not-a-token")
    served.call("POST", f"{API}/access-tokens", service, json={"tokens": [{"id": token_id, "subject": PERSON}]})
    served.call("GET", f"{API}/tokens/{token_id}", alice)
    served.call("GET", f"{API}/tokens/{token_id}/audit/export", alice)
    served.call("GET", f"{API}/nowhere", alice)
    served.arrive({"state": "made-up", "code": "x"})
    assert len(served.answers) > 12
    for answer in served.answers:
        assert answer.headers["Cache-Control"] == "no-store", (answer.request.path_url, answer.status_code)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_uses_of_cached_tokens_are_recorded_before_they_leave(
    served: ServedVault, token_id: str, alice: str
) -> None:
    """One line for each answer, with the request's id."""
    answers = [served.token(token_id, alice) for _ in range(4)]
    lines = served.call("GET", f"{API}/tokens/{token_id}/audit", alice).json()["lines"]
    issued = [line["requestId"] for line in lines if line["event"] == "token.issued"]
    assert issued[::-1] == [answer.headers["X-Request-ID"] for answer in answers]
