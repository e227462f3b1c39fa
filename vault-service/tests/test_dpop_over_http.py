"""DPoP (RFC 9449) at the vault: bound tokens with proofs, replays over two replicas, services that must be bound."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest
import redis
import requests
from consenting_issuer import PERSON, ConsentingIssuer
from proof_key import ProofKey
from served_vault import API, PUBLIC_URL, ServedVault, served_vault

from service_kit.tokens.dpop import REMEMBERED_SECONDS, ProofsInMemory
from vault_service.adapters.cache.proofs import ProofsInRedis

ACCESS = f"{API}/access-token"
TOKENS = f"{API}/tokens"
Use = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def key() -> ProofKey:
    return ProofKey()


@pytest.fixture(scope="module")
def replicas(
    issuer: ConsentingIssuer, served_database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServedVault, ServedVault]]:
    """Two, of which the second demands bound tokens of services. They share root key, database and Redis."""
    inside = {"VAULT_INTERNAL_URLS": "http://vault:8000"}
    with served_vault(issuer, served_database_url, redis_url, tmp_path_factory.mktemp("one"), **inside) as one:
        shared = {"VAULT_ROOT_KEY_FILE": str(one.folder / "root.key"), "VAULT_REQUIRE_DPOP": "true"}
        folder = tmp_path_factory.mktemp("two")
        with served_vault(issuer, served_database_url, redis_url, folder, **shared, **inside) as two:
            yield one, two


@pytest.fixture
def token_id(replicas: tuple[ServedVault, ServedVault], issuer: ConsentingIssuer) -> str:
    """An active token of Alice's."""
    return replicas[0].grant(issuer.bearer("dev-cli"))


@pytest.fixture
def bound(issuer: ConsentingIssuer, key: ProofKey) -> str:
    """The task service's own token, bound to its key."""
    return issuer.bearer("task-service", "service-account", cnf={"jkt": key.thumbprint})


def use(vault: ServedVault, token: str, proof: str | None, scheme: str = "DPoP", **query: str) -> requests.Response:
    """Request an access token for Alice's grant."""
    headers = {"Authorization": f"{scheme} {token}", **({"DPoP": proof} if proof is not None else {})}
    return vault.call("GET", ACCESS, headers=headers, params={"subject": PERSON, **query})


def refused(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


pytestmark = [pytest.mark.process, pytest.mark.redis]


@pytest.mark.parametrize("base", [PUBLIC_URL, "http://vault:8000"])
def test_a_service_gets_tokens_with_a_proof_for_either_address(
    replicas: tuple[ServedVault, ServedVault], bound: str, key: ProofKey, token_id: str, base: str
) -> None:
    """That of the gateway, and the one inside; the query is not a part of `htu`."""
    answer = use(replicas[0], bound, key.proof("GET", base + ACCESS, bound, time.time()), id=token_id)
    assert answer.status_code == 200, answer.text


def test_a_proof_counts_once_for_all_replicas(
    replicas: tuple[ServedVault, ServedVault], bound: str, key: ProofKey, token_id: str
) -> None:
    """Also after the token was served from memory."""
    one, two = replicas
    for first, second in ((one, two), (two, one), (one, one)):
        proof = key.proof("GET", PUBLIC_URL + ACCESS, bound, time.time())
        assert use(first, bound, proof, id=token_id).status_code == 200
        again = use(second, bound, proof, id=token_id)
        assert refused(again) == (401, "invalid_dpop_proof")
        assert "used before" in again.json()["detail"]
        assert 'DPoP realm="offline-token-vault", algs="' in again.headers["WWW-Authenticate"]


def test_a_bound_token_that_was_stolen_gives_nothing(
    replicas: tuple[ServedVault, ServedVault], bound: str, key: ProofKey, token_id: str
) -> None:
    """Not alone, not with the thief's key, and not by the fast path after its owner was served."""
    one = replicas[0]
    assert use(one, bound, key.proof("GET", PUBLIC_URL + ACCESS, bound, time.time()), id=token_id).status_code == 200
    thief = ProofKey()
    assert refused(use(one, bound, None, "Bearer", id=token_id)) == (401, "dpop_required")
    assert refused(use(one, bound, None, id=token_id)) == (401, "dpop_required")
    stolen = thief.proof("GET", PUBLIC_URL + ACCESS, bound, time.time())
    assert refused(use(one, bound, stolen, id=token_id)) == (401, "invalid_dpop_proof")


def test_a_proof_for_another_host_is_refused_whatever_the_host_header_says(
    replicas: tuple[ServedVault, ServedVault], bound: str, key: ProofKey, token_id: str
) -> None:
    """The addresses are configured; a request cannot choose them."""
    proof = key.proof("GET", f"https://elsewhere.example{ACCESS}", bound, time.time())
    headers = {"Authorization": f"DPoP {bound}", "DPoP": proof, "Host": "elsewhere.example"}
    headers |= {"X-Forwarded-Host": "elsewhere.example", "X-Forwarded-Proto": "https"}
    answer = replicas[0].call("GET", ACCESS, headers=headers, params={"id": token_id, "subject": PERSON})
    assert refused(answer) == (401, "invalid_dpop_proof")


def test_services_can_be_made_to_bind_their_tokens(
    replicas: tuple[ServedVault, ServedVault], issuer: ConsentingIssuer, bound: str, key: ProofKey, token_id: str
) -> None:
    """VAULT_REQUIRE_DPOP: a stolen bearer token of a service gives nothing, on either path; people are served."""
    one, two = replicas
    plain = issuer.bearer("task-service", "service-account")
    assert use(one, plain, None, "Bearer", id=token_id).status_code == 200
    for _ in range(3):
        assert refused(use(two, plain, None, "Bearer", id=token_id)) == (401, "dpop_required")
    asking = issuer.bearer("hub", "service-account", resource_access={"token-vault": {"roles": ["consent:request"]}})
    assert refused(two.call("GET", TOKENS, asking, params={"subject": PERSON})) == (401, "dpop_required")
    proof = key.proof("GET", PUBLIC_URL + ACCESS, bound, time.time())
    assert use(two, bound, proof, id=token_id).status_code == 200
    assert two.call("GET", TOKENS, issuer.bearer("task-ui")).status_code == 200


def test_tickets_are_bearer_credentials_and_nothing_else(
    replicas: tuple[ServedVault, ServedVault], issuer: ConsentingIssuer, key: ProofKey, token_id: str
) -> None:
    """With a proof or by the scheme DPoP a ticket is refused, and is not counted."""
    one, two = replicas
    alice = issuer.bearer("dev-cli")
    made = one.call("POST", f"{API}/tickets", alice, json={"id": token_id, "name": "cron", "maxUses": 1}).json()
    ticket = issuer.remember(made["ticket"], "ticket")
    proof = key.proof("GET", PUBLIC_URL + ACCESS, ticket, time.time())
    for scheme, given in (("DPoP", None), ("DPoP", proof), ("Bearer", proof)):
        headers = {"Authorization": f"{scheme} {ticket}", **({"DPoP": given} if given else {})}
        assert refused(one.call("GET", ACCESS, headers=headers)) == (401, "token_not_bound")
    assert refused(one.call("GET", TOKENS, headers={"Authorization": f"DPoP {ticket}"})) == (403, "ticket_not_allowed")
    assert two.call("GET", ACCESS, ticket).status_code == 200


def test_a_person_s_bound_token_works_for_every_kind_of_call(
    replicas: tuple[ServedVault, ServedVault], issuer: ConsentingIssuer, key: ProofKey, token_id: str
) -> None:
    """With the method of the call, a body, and the token's id in the path."""
    one = replicas[0]
    token = issuer.bearer("dev-cli", cnf={"jkt": key.thumbprint})

    def call(method: str, path: str, **kwargs: Any) -> int:
        proof = key.proof(method, PUBLIC_URL + path, token, time.time())
        return one.call(method, path, headers={"Authorization": f"DPoP {token}", "DPoP": proof}, **kwargs).status_code

    assert call("GET", TOKENS) == 200
    assert call("POST", f"{TOKENS}/{token_id}/rename", json={"name": "mine"}) == 200
    assert call("GET", ACCESS, params={"id": token_id}) == 200
    assert call("DELETE", f"{TOKENS}/{token_id}") == 200


def test_proofs_in_redis_expire(redis_url: str) -> None:
    """By themselves, so that their number is bounded by the rate of requests."""
    client = redis.Redis.from_url(redis_url)
    proofs = ProofsInRedis(client, ProofsInMemory(), lambda error: pytest.fail(str(error)))
    assert proofs.is_first(b"p" * 32)
    left = client.ttl(b"vault:dpop:" + b"p" * 32)
    assert REMEMBERED_SECONDS - 5 <= left <= REMEMBERED_SECONDS
    client.delete(b"vault:dpop:" + b"p" * 32)


def test_without_redis_a_process_still_accepts_a_proof_once() -> None:
    """The process asks Redis once in a second. The proof may be used again at another process, as documented."""
    broken, reports = Mock(), []
    broken.set.side_effect = redis.ConnectionError("away")
    own = ProofsInRedis(broken, ProofsInMemory(), reports.append)
    other = ProofsInRedis(broken, ProofsInMemory(), reports.append)
    assert [own.is_first(each) for each in (b"1", b"1", b"2", b"2")] == [True, False, True, False]
    assert other.is_first(b"1")
    assert len(reports) == 2
    assert broken.set.call_count == 2
