"""The vault adapter against a real HTTP server that plays the vault: what is sent, and what each answer becomes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from uuid import UUID, uuid4

import pytest
from http_parts import Asked, Reply, Server, problem, serving

from service_kit.process.secret import Secret
from service_kit.tokens.issuer import Issuer
from task_service.adapters.vault.client import VaultOverHttp
from task_service.adapters.vault.credentials import own_credentials
from task_service.application.errors import TaskError, TokenNotFoundError, TokenRefusedError, VaultUnavailableError
from task_service.application.ports import LinkedGrant
from task_service.domain.owner import Owner
from task_service.domain.task import TokenStatus
from token_vault_client import TokenVaultClient

TOKEN_ID, TASK_ID = uuid4(), uuid4()
ALICE = Owner("https://issuer.example/realms/demo", "alice-sub")
PREFIX = "/api/auth/manager"


DISCOVERY, TOKENS = "/realms/demo/.well-known/openid-configuration", "/realms/demo/token"


@contextmanager
def vault_that(answer: Callable[[Asked], Reply]) -> Iterator[tuple[VaultOverHttp, Server]]:
    """The adapter, and the server that it calls; which is an authorization server too, whose tokens are numbered."""
    numbers = count(1)

    def answer_all(asked: Asked) -> Reply:
        base = f"http://{asked.headers['Host']}/realms/demo"
        if asked.path == DISCOVERY:
            names = ("authorization_endpoint", "jwks_uri")
            members = {name: f"{base}/{name}" for name in names} | {"token_endpoint": f"{base}/token"}
            return Reply(content={"issuer": base, **members})
        if asked.path == TOKENS:
            token = {"access_token": f"service-token-{next(numbers)}", "token_type": "Bearer", "expires_in": 300}
            return Reply(content=token)
        return answer(asked)

    with serving(answer_all) as server:
        credentials = own_credentials(Issuer(f"{server.url}/realms/demo"), "task-service", Secret("s3cret"))
        client = TokenVaultClient(
            server.url, credentials, timeout=(2.0, 2.0), patience=0.0, cache=None, request_id=lambda: "r-1"
        )
        yield VaultOverHttp(client), server
        client.close()


def of_the_vault(server: Server) -> list[Asked]:
    """What the vault was asked."""
    return [asked for asked in server.asked if asked.path.startswith(PREFIX)]


def token_body(value: str, scope: str = "") -> dict[str, object]:
    """An access token as the vault answers with it."""
    return {"accessToken": value, "expiresAt": "2026-01-01T00:05:00Z", "expiresIn": 300, "scope": scope}


def grant_body(token_id: UUID, status: str) -> dict[str, object]:
    """A grant as the vault describes it."""
    return {"persistentTokenId": str(token_id), "status": status, "createdAt": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("pending", TokenStatus.PENDING),
        ("active", TokenStatus.ACTIVE),
        ("failed", TokenStatus.FAILED),
        ("revoked", TokenStatus.FAILED),
        ("expired", TokenStatus.FAILED),
        ("a word of a later version", TokenStatus.FAILED),
    ],
)
def test_a_grant_is_asked_for_with_the_persons_own_token(said: str, status: TokenStatus) -> None:
    """Any status but pending and active is of no use."""
    with vault_that(lambda _: Reply(content=grant_body(TOKEN_ID, said))) as (vault, server):
        assert vault.grant(TOKEN_ID, "alice-token") == LinkedGrant(TOKEN_ID, status)
        (asked,) = of_the_vault(server)
    assert (asked.method, asked.path) == ("GET", f"{PREFIX}/tokens/{TOKEN_ID}")
    assert asked.headers["Authorization"] == "Bearer alice-token"
    assert asked.headers["X-Request-ID"] == "r-1"


def test_grants_are_asked_for_by_a_tasks_public_id_or_by_their_own() -> None:
    """In the vault's order, newest first."""
    other = uuid4()
    body = {"tokens": [grant_body(TOKEN_ID, "active"), grant_body(other, "pending")]}
    with vault_that(lambda _: Reply(content=body)) as (vault, server):
        linked = [LinkedGrant(TOKEN_ID, TokenStatus.ACTIVE), LinkedGrant(other, TokenStatus.PENDING)]
        assert vault.grants("alice-token", TASK_ID) == linked
        assert vault.grants("alice-token") == linked
        assert vault.linked("alice-token", [TOKEN_ID, other]) == linked
    queries = [{"taskId": f"task-{TASK_ID}"}, {}, {"ids": f"{TOKEN_ID},{other}"}]
    assert [asked.query for asked in of_the_vault(server)] == queries
    assert {asked.headers["Authorization"] for asked in of_the_vault(server)} == {"Bearer alice-token"}


def test_an_access_token_is_asked_for_in_the_services_name() -> None:
    """On the owner's behalf; its value is not printed."""
    body = token_body("secret-value", "openid email")
    with vault_that(lambda _: Reply(content=body)) as (vault, server):
        token = vault.access_token(TOKEN_ID, ALICE, 60)
        (asked,) = of_the_vault(server)
    assert (token.value, token.scopes) == ("secret-value", frozenset({"openid", "email"}))
    assert token.expires_at == datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
    assert "secret-value" not in repr(token)
    assert asked.headers["Authorization"] == "Bearer service-token-1"
    assert asked.query == {"id": str(TOKEN_ID), "subject": "alice-sub", "min_valid": "60"}


def test_a_rejected_token_of_the_services_is_renewed_once() -> None:
    """The authorization server's keys may have been rotated since. The owner's token is not blamed."""
    body = token_body("v")

    def answer(asked: Asked) -> Reply:
        return Reply(content=body) if asked.headers["Authorization"].endswith("-2") else problem(401, "unauthorized")

    with vault_that(answer) as (vault, server):
        assert vault.access_token(TOKEN_ID, ALICE, 0).value == "v"
        assert len(of_the_vault(server)) == 2
    with vault_that(lambda _: problem(401, "unauthorized")) as (vault, server):
        with pytest.raises(VaultUnavailableError):
            vault.access_token(TOKEN_ID, ALICE, 0)
        assert len(of_the_vault(server)) == 2


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (problem(404, "token_not_found"), TokenRefusedError),
        (problem(409, "consent_pending"), TokenRefusedError),
        (problem(409, "reauthorization_required"), TokenRefusedError),
        (problem(410, "grant_revoked"), TokenRefusedError),
        (problem(403, "service_not_allowed"), TokenRefusedError),
        (problem(429, "rate_limited"), VaultUnavailableError),
        (problem(500, "internal_error"), VaultUnavailableError),
        (problem(503, "provider_unavailable"), VaultUnavailableError),
        (Reply(502, b"<html>Bad Gateway</html>", "text/html"), VaultUnavailableError),
        (Reply(200, b"no JSON"), VaultUnavailableError),
        (Reply(200, {"accessToken": "v"}), VaultUnavailableError),
        (Reply(302, headers={"Location": "http://127.0.0.1:9/"}), VaultUnavailableError),
    ],
)
def test_what_a_refusal_means_to_a_worker(reply: Reply, error: type[TaskError]) -> None:
    """The grant is of no use, or the vault cannot say so now; nothing else."""
    with vault_that(lambda _: reply) as (vault, _), pytest.raises(error):
        vault.access_token(TOKEN_ID, ALICE, 0)


def test_what_a_refusal_means_to_a_person() -> None:
    """Another person's token does not exist."""
    with vault_that(lambda _: problem(404, "token_not_found")) as (vault, _), pytest.raises(TokenNotFoundError):
        vault.grant(TOKEN_ID, "alice-token")
    with vault_that(lambda _: problem(401, "unauthorized")) as (vault, server):
        with pytest.raises(VaultUnavailableError):
            vault.grants("alice-token")
        assert len(of_the_vault(server)) == 1


def test_the_vault_says_when_to_ask_again() -> None:
    """`Retry-After` in seconds; two seconds without one."""
    with (
        vault_that(lambda _: problem(503, "provider_unavailable", {"Retry-After": "7"})) as (vault, _),
        pytest.raises(VaultUnavailableError) as unavailable,
    ):
        vault.grant(TOKEN_ID, "alice-token")
    assert unavailable.value.retry_after == 7.0
    with vault_that(lambda _: Reply()) as (vault, _):
        pass
    with pytest.raises(VaultUnavailableError) as unavailable:  # nothing listens there any more
        vault.grants("alice-token")
    assert unavailable.value.retry_after == 2.0


def test_the_services_own_token_is_fetched_by_discovery_when_first_needed() -> None:
    """With its id and secret (RFC 6749 section 4.4), once for many calls; not for what persons ask."""
    body = token_body("v")
    with vault_that(lambda asked: Reply(content=body if asked.path.endswith("/access-token") else {"tokens": []})) as (
        vault,
        server,
    ):
        vault.grants("alice-token")
        assert [asked.path for asked in server.asked] == [f"{PREFIX}/tokens"]
        vault.access_token(TOKEN_ID, ALICE, 0)
        vault.access_token(TOKEN_ID, ALICE, 0)
    assert [asked.path for asked in server.asked[1:]] == [DISCOVERY, TOKENS, *[f"{PREFIX}/access-token"] * 2]
    asked = server.asked[2]
    assert (asked.method, asked.body) == ("POST", "grant_type=client_credentials")
    assert asked.headers["Authorization"] == "Basic dGFzay1zZXJ2aWNlOnMzY3JldA=="


def test_an_unreachable_authorization_server_looks_like_an_unavailable_vault() -> None:
    """Nothing can be asked without a token of one's own."""
    credentials = own_credentials(Issuer("http://127.0.0.1:9/realms/demo"), "task-service", Secret("s"))
    with serving(lambda _: Reply()) as server:
        vault = VaultOverHttp(TokenVaultClient(server.url, credentials, patience=0.0, cache=None))
        with pytest.raises(VaultUnavailableError):
            vault.access_token(TOKEN_ID, ALICE, 0)
    assert server.asked == []
