"""The fast path of cached tokens answers as the route would, or leaves the request to the route."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import msgspec
import psycopg
import pytest
from edge import by_the_route, fast, head, routes_of
from replica import ALICE, Replica

from service_kit.server.fast_path import FastAnswer, Head
from vault_service.application.errors import StorageUnavailableError
from vault_service.http.fast_path import CachedTokens
from vault_service.http.vault import Vault

Rows = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def http(vault: Replica, tmp_path: Path, database_url: str) -> Iterator[Vault]:
    """The vault as its routes see it."""
    with routes_of(vault, tmp_path, database_url) as routes:
        yield routes


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
    assert fast(http, request) is None, "nothing is remembered yet"
    status, headers, body = by_the_route(http, request)
    answer = fast(http, request)
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
    assert fast(http, request) is None
    if status is not None:
        assert by_the_route(http, request)[0] == status
    assert rows("select count(*) from audit where event = 'token.issued'") == [(1,)]


def test_no_bearer_and_no_grant(http: Vault) -> None:
    """The route answers these as well."""
    assert fast(http, head(uuid4())) is None
    assert fast(http, Head(f"id={uuid4()}".encode(), "", "")) is None


def test_a_revoked_grant_gives_nothing_at_once(http: Vault, vault: Replica) -> None:
    """The grant's token is still in memory, but the statement that records the use checks the grant."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    vault.manage.revoke(grant_id, ALICE, "task-ui", "request-7")
    assert fast(http, head(grant_id)) is None
    status, _, body = by_the_route(http, head(grant_id))
    assert (status, body["code"]) == (410, "token_revoked")


def test_a_limited_grant_is_the_route_s(http: Vault, vault: Replica, rows: Rows) -> None:
    """The route counts its uses one by one."""
    grant_id = vault.grant(max_uses=2)
    vault.issue(grant_id)
    assert fast(http, head(grant_id)) is None
    assert by_the_route(http, head(grant_id))[0] == 200
    assert by_the_route(http, head(grant_id))[0] == 410
    assert rows("select count(*) from audit where event = 'token.issued'") == [(2,)]


def test_an_old_token_is_the_route_s(http: Vault, vault: Replica) -> None:
    """The route renews or refreshes it."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    assert fast(http, head(grant_id, more=f"&subject={ALICE.sub}&min_valid={int(vault.provider.lifetime)}")) is None


def test_without_the_audit_no_token_leaves(http: Vault, vault: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets the problem; the route does not try again."""
    grant_id = vault.grant()
    vault.issue(grant_id)

    def away(_: object) -> list[bool]:
        raise StorageUnavailableError from psycopg.OperationalError("away")

    monkeypatch.setattr(vault.uses._group, "_work", away)
    answer = fast(http, head(grant_id))
    assert answer is not None
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    problem = msgspec.json.decode(answer.body)
    assert (problem["code"], problem["requestId"]) == ("audit_unavailable", "request-9")
    status, headers, body = by_the_route(http, head(grant_id))
    assert (status, body) == (503, problem)
    assert headers == {**answer.headers, "Content-Length": str(len(answer.body))}


def test_callers_that_come_together_are_recorded_together(http: Vault, vault: Replica, rows: Rows) -> None:
    """In one statement; each gets the answer to its own request."""
    grant_ids = [vault.grant() for _ in range(4)]
    for grant_id in grant_ids:
        vault.issue(grant_id)
    vault.manage.revoke(grant_ids[0], ALICE, "task-ui", "request-7")
    batches: list[int] = []
    write = vault.uses._write

    async def together() -> list[FastAnswer | None]:
        path = CachedTokens(http)
        return await asyncio.gather(*(path.answer(head(grant_id)) for grant_id in grant_ids))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault.uses._group, "_work", lambda uses: (batches.append(len(uses)), write(uses))[1])
        answers = asyncio.run(together())
    assert batches == [4]
    assert [msgspec.json.decode(answer.body)["persistentTokenId"] if answer else None for answer in answers] == [
        None,
        *map(str, grant_ids[1:]),
    ]
    assert rows("select count(*) from audit where event = 'token.issued'") == [(7,)]
