"""The view of the fault tests: the vault's rows as their owner sees them, and the authorization server's own books."""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import requests
from api import MANAGER
from person import Person
from stack import TIMEOUT, Stack, eventually

from faults.vault_process import VaultProcess

HOUR = 3600
REFRESHES = "token:refresh_token:token-vault"


@dataclass(frozen=True, slots=True)
class Granted:
    """An active grant: its id here, and its session at the authorization server."""

    id: str
    sid: str


@dataclass(frozen=True, slots=True)
class Books:
    """One grant in the books of both sides. reuses: refreshes with a token that had been used; ended: "" or why."""

    status: str
    generation: int
    intent: bool
    refreshes: int
    reuses: int
    ended: str

    @property
    def balanced(self) -> bool:
        """Each rotation at the server is a generation here, but for those whose answer was lost and made up for."""
        return self.generation - 1 == self.refreshes - self.reuses


@dataclass
class World:
    """A stack with its owner's view. bearer: Alice's, for an hour."""

    stack: Stack
    person: Person
    bearer: str = field(repr=False)
    processes: list[VaultProcess] = field(default_factory=list)

    def vault(self, name: str, **options: Any) -> VaultProcess:
        """Another vault, not started yet. The test's end stops it."""
        self.processes.append(VaultProcess(self.stack, f"vault-{name}", **options))
        return self.processes[-1]

    def grant(self, **wishes: Any) -> Granted:
        """A new active grant of Alice's, never refreshed; past the gateway, which limits how fast one may consent."""
        before = {session["sid"] for session in self._sessions()}
        vault, gateway = self.stack["VAULT_URL"], self.stack.gateway
        headers = {"Authorization": f"Bearer {self.bearer}"}
        asked = requests.post(f"{vault}{MANAGER}/offline-consent", json=wishes, headers=headers, timeout=TIMEOUT).json()
        callback = self.person.grant(asked["consentUrl"], stop_at=gateway).replace(gateway, vault, 1)
        arrived = requests.get(callback, timeout=TIMEOUT, allow_redirects=False)
        assert arrived.status_code == requests.codes.see_other, arrived.text
        (sid,) = {session["sid"] for session in self._sessions()} - before
        return Granted(asked["persistentTokenId"], sid)

    def books(self, granted: Granted) -> Books:
        """The grant in the books of both sides."""
        session = next(session for session in self._sessions() if session["sid"] == granted.sid)
        status, generation, intent = self.one(
            "select status, generation, refresh_started_at is not null from grants where id = %s", granted.id
        )
        return Books(status, generation, intent, session["refreshes"], session["reuses"], session["ended"])

    def server_refreshes(self, *grants: Granted) -> int:
        """The number of rotations of their tokens by the authorization server."""
        sids = {granted.sid for granted in grants}
        return sum(session["refreshes"] for session in self._sessions() if session["sid"] in sids)

    def issued(self, *grants: Granted) -> int:
        """The number of their tokens in the audit."""
        ids = [granted.id for granted in grants]
        row = self.one("select count(*) from audit where event = 'token.issued' and grant_id = any(%s::uuid[])", ids)
        return int(row[0])

    def let_time_pass(self, *grants: Granted) -> None:
        """As if 15 seconds had gone by since their refreshes began."""
        with self.connect() as connection:
            connection.execute(
                "update grants set refresh_started_at = refresh_started_at - interval '15 seconds'"
                " where id = any(%s::uuid[])",
                [[granted.id for granted in grants]],
            )

    def settled(self, vault: VaultProcess, granted: Granted, scope: str, seconds: float = 30.0) -> str:
        """The final answer to a caller who repeats the request as long as the answers say so."""

        def answered() -> str:
            answer = vault.ask(self.bearer, granted.id, scope=scope)
            return "" if answer.status_code == requests.codes.unavailable else outcome(answer)

        return eventually(answered, "an answer that is not `try again`", seconds)

    def requests(self) -> int:
        """Refreshes that the authorization server has been asked for since the last plan of faults."""
        return int(self.stack.control("GET", "/requests").json().get(REFRESHES, 0))

    def plan(self, *faults: dict[str, Any]) -> None:
        """Plan the authorization server's answers to the vault's next refreshes."""
        fixed = {"endpoint": "token", "clientId": "token-vault", "grantType": "refresh_token"}
        self.stack.control("PUT", "/faults", [{**fixed, **fault} for fault in faults])

    def settings(self, **settings: Any) -> None:
        """Settings of the realm."""
        self.stack.control("PUT", "/settings", settings)

    # the database, as the superuser

    def connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection to the vault's database."""
        server = self.stack["POSTGRES_SUPERUSER_URL"].rpartition("/")[0]
        return psycopg.connect(f"{server}/vault", autocommit=True)

    def one(self, query: str, *parameters: Any) -> tuple[Any, ...]:
        """The first row."""
        with self.connect() as connection:
            row = connection.execute(query.encode(), parameters).fetchone()
        assert row is not None
        return row

    @contextmanager
    def locked(self, statement: str, *parameters: Any) -> Iterator["Lock"]:
        """Hold what a statement locks for the length of the block, or until it is released."""
        with closing(self.connect()) as connection:
            connection.autocommit = False
            connection.execute(statement.encode(), parameters)
            yield Lock(self, connection)

    def _sessions(self) -> list[dict[str, Any]]:
        sessions = self.stack.control("GET", "/grants").json()["grants"]
        return [session for session in sessions if session["clientId"] == "token-vault"]


@dataclass(frozen=True)
class Lock:
    """A lock in PostgreSQL that the test holds."""

    world: World
    connection: "psycopg.Connection[tuple[Any, ...]]"

    def waiting(self) -> list[int]:
        """The backends that wait for it."""
        query = "select array_agg(pid) from pg_stat_activity where %s = any (pg_blocking_pids(pid))"
        return list(self.world.one(query, self.connection.info.backend_pid)[0] or [])

    def release(self) -> None:
        """Release the waiting requests."""
        self.connection.close()


def long_lived(stack: Stack, bearer: str) -> str:
    """The same token with an hour of life: the tests shorten the lives of all that is issued after it."""
    claims = {**claims_of(bearer), "exp": int(time.time()) + HOUR}
    return str(stack.control("POST", "/mint", {"claims": claims}).json()["token"])


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JWT, not verified."""
    payload = token.split(".")[1]
    return dict(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def outcome(answer: requests.Response) -> str:
    """`ok`, or the problem's code."""
    return "ok" if answer.status_code == requests.codes.ok else str(answer.json()["code"])
