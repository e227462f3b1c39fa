"""A vault on a real, fresh database, with an authorization server that the test holds in its hands."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
import replica
from replica import ALICE, Replica
from scripted_provider import ScriptedProvider

from vault_service.adapters.postgres.database import MIGRATIONS


@pytest.fixture(scope="session")
def migrated(postgres_url: str) -> None:
    """The database `vault` has the schema; others are copied from it."""
    host = postgres_url.rpartition("@")[2].partition("/")[0]
    MIGRATIONS.apply(f"postgresql://vault_owner:test@{host}/vault")


@pytest.fixture
def database_url(migrated: None, new_database: Callable[[str, str], str]) -> str:
    """A fresh database of the vault's, as the runtime role."""
    return new_database("vault", "vault")


@pytest.fixture
def owner_url(database_url: str) -> str:
    """The same database, as the role that owns its schema."""
    return database_url.replace("//vault:", "//vault_owner:")


@pytest.fixture
def provider() -> ScriptedProvider:
    """The authorization server."""
    return ScriptedProvider(ALICE)


@pytest.fixture
def new_replica(database_url: str, provider: ScriptedProvider) -> Iterator[Callable[[], Replica]]:
    """Starts processes of the vault on the same database."""
    opened: list[Replica] = []

    def make() -> Replica:
        opened.append(replica.create(database_url, provider))
        return opened[-1]

    yield make
    for vault in opened:
        vault.close()


@pytest.fixture
def vault(new_replica: Callable[[], Replica]) -> Replica:
    """One process of the vault."""
    return new_replica()


@pytest.fixture
def rows(database_url: str) -> Callable[..., list[tuple[object, ...]]]:
    """Looks into the database."""

    def look(query: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(database_url, autocommit=True) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    return look
