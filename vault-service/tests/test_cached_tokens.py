"""The fast path of cached tokens answers as the route would, or leaves the request to the route."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast
from uuid import uuid4

import msgspec
import psycopg
import pytest
from replica import ALICE, ROOT_KEY, SERVICE, Replica

from service_kit.http.problems import Problem
from service_kit.server.fast_path import Answer, Head
from service_kit.tokens.bearer import Claims, Verifier
from vault_service import bootstrap, config
from vault_service.application.errors import StorageUnavailableError, VaultError
from vault_service.http.app import create_app
from vault_service.http.fast_path import CachedTokens
from vault_service.http.vault import Vault

PATH = CachedTokens.path
Rows = Callable[..., list[tuple[object, ...]]]


class Known:
    """A verifier that has just seen a service's token, and those of two people's clients."""

    def __init__(self, role: str) -> None:
        def claims(client: str, *roles: str) -> Claims:
            return Claims(ALICE.issuer, ALICE.sub, client, frozenset(), frozenset(roles), float("inf"))

        self._tokens = {
            "service": claims(SERVICE.client, role),
            "owner": claims("dev-cli"),
            "page": claims("task-ui"),
        }

    def remembered(self, token: str) -> Claims | None:
        """As `Verifier.remembered`."""
        return self._tokens.get(token)

    def verify(self, token: str) -> Claims:
        """As `Verifier.verify`."""
        return self._tokens[token]


@pytest.fixture
def http(vault: Replica, tmp_path: Path, database_url: str) -> Vault:
    """The vault as its routes see it."""
    (tmp_path / "root.key").write_text(urlsafe_b64encode(ROOT_KEY).decode())
    (tmp_path / "root.key").chmod(0o400)
    environ = {
        "VAULT_DATABASE_URL": database_url,
        "VAULT_ROOT_KEY_FILE": str(tmp_path / "root.key"),
        "VAULT_CLIENT_SECRET": "s",
        "PUBLIC_URL": "http://localhost:3000",
        "ISSUER": ALICE.issuer,
        "VAULT_OWNER_CLIENTS": "dev-cli",
    }
    settings = config.read(environ)
    verifier = cast(Verifier, Known(settings.mint_role))
    return replace(bootstrap.build(settings).vault, verifier=verifier, issue=vault.issuing)


def head(grant_id: object, bearer: str = "service", more: str = f"&subject={ALICE.sub}") -> Head:
    """A request for a token."""
    fields = {"AUTHORIZATION": f"Bearer {bearer}", "X-REQUEST-ID": "request-9", "HOST": "x"}
    return Head(PATH, f"id={grant_id}{more}", fields)


def fast(http: Vault, request: Head) -> tuple[Answer | None, bool]:
    """The answer of the fast path, and whether it began."""
    path = CachedTokens(http)
    begun = path.begin(request)
    if begun is None:
        return None, False
    told: SimpleQueue[Any] = SimpleQueue()
    path.wait([begun], told.put)
    (outcome,) = told.get(timeout=30)
    return path.finish(begun, outcome), True


def by_the_route(http: Vault, request: Head) -> tuple[int, dict[str, str], dict[str, Any]]:
    """The answer of the route: status, headers, body."""
    answer = create_app(http).test_client().get(f"{request.path}?{request.query}", headers=dict(request.fields))
    return answer.status_code, dict(answer.headers), answer.get_json()


@pytest.mark.parametrize(
    ("bearer", "more"),
    [
        ("service", f"&subject={ALICE.sub}"),
        ("service", f"&min_valid=5&subject={ALICE.sub}"),
        ("owner", ""),
        ("owner", f"&subject={ALICE.sub}"),
    ],
)
def test_the_same_answer_and_the_same_record(http: Vault, vault: Replica, rows: Rows, bearer: str, more: str) -> None:
    """Fast path and route give the same answer, audit line and access log."""
    request = head(vault.grant(), bearer, more)
    assert fast(http, request) == (None, False), "nothing is remembered yet"
    status, headers, body = by_the_route(http, request)
    answer, _ = fast(http, request)
    assert answer is not None
    assert answer.status == status == 200
    assert {**answer.headers, "Content-Length": headers["Content-Length"]} == headers
    assert msgspec.json.decode(answer.body) == {**body, "expiresIn": pytest.approx(body["expiresIn"], abs=1)}
    lines = rows(
        "select event, grant_id, issuer, subject, actor, request_id, outcome from audit"
        " where event = 'token.issued' order by id"
    )
    assert len(lines) == 2
    assert lines[0] == lines[1]


@pytest.mark.parametrize(
    ("bearer", "more", "status"),
    [
        ("unknown", f"&subject={ALICE.sub}", None),
        ("page", "", 403),
        ("owner", "&subject=bob", 403),
        ("service", "", 422),
        ("service", "&subject=bob", 404),
        ("service", f"&subject={ALICE.sub}&subject={ALICE.sub}", 422),
        ("service", f"&subject={ALICE.sub}&more=x", 422),
        ("service", f"&subject={ALICE.sub}&min_valid=86400", 422),
        ("service", f"&subject={ALICE.sub}&scope=fish", 400),
        ("service", f"&subject={ALICE.sub}&scope=%22", 422),
    ],
)
def test_the_fast_path_leaves_refusals_to_the_route(
    http: Vault, vault: Replica, rows: Rows, bearer: str, more: str, status: int | None
) -> None:
    """The route answers with the problem."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    request = head(grant_id, bearer, more)
    try:
        answer, _ = fast(http, request)
    except (Problem, VaultError):  # the worker takes that for no answer
        answer = None
    assert answer is None
    if status is not None:
        assert by_the_route(http, request)[0] == status
    assert rows("select count(*) from audit where event = 'token.issued'") == [(1,)]


def test_no_bearer_and_no_grant(http: Vault) -> None:
    """The route answers these as well."""
    path = CachedTokens(http)
    assert path.begin(head(uuid4())) is None
    with pytest.raises(Problem, match="unauthorized"):
        path.begin(Head(PATH, f"id={uuid4()}", {}))


def test_a_revoked_grant_gives_nothing_at_once(http: Vault, vault: Replica) -> None:
    """Its token is still in memory, but the statement that records the use checks the grant."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    vault.manage.revoke(grant_id, ALICE, "task-ui", "request-7")
    assert fast(http, head(grant_id)) == (None, True)
    status, _, body = by_the_route(http, head(grant_id))
    assert (status, body["code"]) == (410, "token_revoked")


def test_a_limited_grant_is_the_route_s(http: Vault, vault: Replica, rows: Rows) -> None:
    """The route counts its uses one by one."""
    grant_id = vault.grant(max_uses=2)
    vault.issue(grant_id)
    assert fast(http, head(grant_id)) == (None, True)
    assert by_the_route(http, head(grant_id))[0] == 200
    assert by_the_route(http, head(grant_id))[0] == 410
    assert rows("select count(*) from audit where event = 'token.issued'") == [(2,)]


def test_an_old_token_is_the_route_s(http: Vault, vault: Replica) -> None:
    """The route renews or refreshes it."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    assert fast(http, head(grant_id, more=f"&subject={ALICE.sub}&min_valid={int(vault.provider.lifetime)}"))[1] is False


def test_without_the_audit_no_token_leaves(http: Vault, vault: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets the problem; the route does not try again."""
    grant_id = vault.grant()
    vault.issue(grant_id)

    def away(_: object) -> list[bool]:
        raise StorageUnavailableError from psycopg.OperationalError("away")

    monkeypatch.setattr(vault.uses._group, "_write", away)
    answer, _ = fast(http, head(grant_id))
    assert answer is not None
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    problem = msgspec.json.decode(answer.body)
    assert (problem["code"], problem["requestId"]) == ("audit_unavailable", "request-9")
    status, headers, body = by_the_route(http, head(grant_id))
    assert (status, body) == (503, problem)
    assert headers == {**answer.headers, "Content-Length": str(len(answer.body))}


def test_the_route_answers_after_an_unexpected_error(http: Vault) -> None:
    """The route answers an error without a problem of its own."""
    path = CachedTokens(http)
    assert path.finish(cast(Any, type("Begun", (), {"need": None})()), ValueError()) is None
