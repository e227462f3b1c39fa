"""Fixtures: a vault on a real, fresh database, with an authorization server that the test controls."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psycopg
import pytest
import replica
from chained_audit import LINES, Chain, Written
from consenting_issuer import ConsentingIssuer
from replica import ALICE, CORP, Replica
from scripted_provider import ScriptedProvider
from served_vault import CALLBACK, PUBLIC_URL, ServedVault, served_vault
from stub_issuer import SigningKey

from service_kit.postgres.database import Database
from vault_service.adapters.postgres.database import MIGRATIONS, vault_database
from vault_service.domain.terms import Terms

NewDatabase = Callable[[str, str], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def migrated(postgres_url: str) -> None:
    """Migrates the database `vault`, the template of the tests' databases."""
    host = postgres_url.rpartition("@")[2].partition("/")[0]
    MIGRATIONS.apply(f"postgresql://vault_owner:test@{host}/vault")


@pytest.fixture(scope="session")
def chained(migrated: None, new_database: NewDatabase, postgres_url: str) -> Iterator[Written]:
    """A database whose audit has three checkpoints over 20 lines each: the template for tests with a `chain`."""
    with new_database("vault", "vault") as url:
        name = url.rpartition("/")[2]
        writer = replica.create(url, ScriptedProvider(ALICE))
        with psycopg.connect(postgres_url, dbname=name, autocommit=True) as superuser:
            made = Chain(writer, superuser)
            for _ in range(3):
                made.write()
                made.cover()
        writer.close()
        yield Written(name, made.grant_id, made.audit.writer.id, 3 * LINES)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, migrated: None, new_database: NewDatabase) -> Iterator[str]:
    """URL of a fresh, migrated database for the runtime role; for a test with a `chain`, the chain is in it."""
    template = request.getfixturevalue("chained").database if "chain" in request.fixturenames else "vault"
    with new_database(template, "vault") as url:
        yield url


@pytest.fixture
def owner_url(database_url: str) -> str:
    """URL of the same database for the owner of its schema."""
    return database_url.replace("//vault:", "//vault_owner:")


@pytest.fixture
def owner_database(owner_url: str) -> Iterator[Database]:
    """The database for the owner of its schema, who alone may change keys."""
    database = vault_database(owner_url, name="test-keys", size=4)
    yield database
    database.close()


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
def two(database_url: str, provider: ScriptedProvider) -> Iterator[Replica]:
    """A vault with a provider `corp`, where Alice has another subject."""
    terms = {"default": Terms(issuer=provider.issuer), "corp": Terms(issuer=CORP.issuer)}
    provider.person = CORP
    vault = replica.create(database_url, provider, terms=terms)
    yield vault
    vault.close()


@pytest.fixture
def rows(owner_url: str) -> Callable[..., list[tuple[object, ...]]]:
    """Runs a query on the database, as the owner of its schema, and returns its rows."""

    def look(query: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(owner_url, autocommit=True) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    return look


@pytest.fixture
def rows_of_service(database_url: str) -> Callable[..., list[tuple[object, ...]]]:
    """The same as the runtime role."""

    def look(query: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(database_url, autocommit=True) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    return look


@pytest.fixture
def chain(vault: Replica, database_url: str, chained: Written, postgres_url: str) -> Iterator[Chain]:
    """An audit of three checkpoints over 20 lines each, and a superuser."""
    name = database_url.rpartition("/")[2]
    with psycopg.connect(postgres_url, dbname=name, autocommit=True) as superuser:
        yield Chain(vault, superuser, chained)


@pytest.fixture(scope="module")
def issuer() -> Iterator[ConsentingIssuer]:
    """An authorization server where people consent."""
    server = ConsentingIssuer(SigningKey("key-1"), f"{PUBLIC_URL}{CALLBACK}")
    yield server
    server.close()


@pytest.fixture(scope="module")
def served_database_url(migrated: None, new_database: NewDatabase) -> Iterator[str]:
    """A fresh database for the tests of a module, as the runtime role."""
    with new_database("vault", "vault") as url:
        yield url


@pytest.fixture(scope="module")
def process(
    issuer: ConsentingIssuer, served_database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedVault]:
    """A vault as a process, with that authorization server and database, for the tests of a module."""
    with served_vault(issuer, served_database_url, redis_url, tmp_path_factory.mktemp("vault")) as vault:
        yield vault


@pytest.fixture
def served(process: ServedVault) -> ServedVault:
    """The same; what tests before have told the authorization server to do is forgotten."""
    process.answers.clear()
    process.issuer.id_claims = {}
    process.issuer.scripted.clear()
    process.issuer.forms.clear()
    return process
