"""Statements past psycopg's cursor give what the cursor gives."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
import pytest

from service_kit.postgres import statement
from service_kit.postgres.database import Database
from service_kit.postgres.statement import Statement


class AwayError(Exception):
    """The database is unavailable."""


@pytest.fixture
def connection(postgres_url: str) -> Iterator[psycopg.Connection]:
    """In autocommit mode."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """A pool."""
    database = Database(postgres_url, name="test-statement", size=2, unavailable=AwayError)
    yield database
    database.close()


VALUES: list[tuple[str, Any]] = [
    ("text", "ä 'quoted' \\ 100 %"),
    ("text", ""),
    ("bytea", b"\x00\xff"),
    ("uuid", UUID(int=7)),
    ("timestamptz", datetime(2026, 11, 29, 10, 0, 0, 123456, UTC)),
    ("float8", 0.1),
    ("float8", float("inf")),
    ("bigint", -(2**63)),
    ("boolean", True),
    ("boolean", False),
    ("text", None),
    ("bytea", None),
]


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=lambda value: repr(value)[:20])
def test_every_kind_of_value_goes_there_and_back(connection: psycopg.Connection, kind: str, value: Any) -> None:
    """As with the cursor."""
    text = f"select %(value)s::{kind} as value, %(value)s::{kind} is null, 100 %% 7".encode()
    expected = connection.execute(text, {"value": value}).fetchone()
    assert Statement(text).one(connection, {"value": value, "other": 5}) == expected


def test_columns_have_the_types_that_the_cursor_gives(connection: psycopg.Connection) -> None:
    """Arrays, JSON and composites, too."""
    text = b"select array['a', null], '{\"a\": [1]}'::jsonb, row(1, 'x'), 1.5::numeric, timestamptz 'epoch'"
    assert Statement(text).one(connection, {}) == connection.execute(text).fetchone()


def test_a_parameter_can_be_of_another_type_the_next_time(connection: psycopg.Connection) -> None:
    """A number, no number, and a whole number: three prepared statements."""
    pause = Statement(b"select case when %(pause)s > 0 then make_interval(secs => %(pause)s) end is not null")
    assert [pause.one(connection, {"pause": value}) for value in (1.5, None, 2, 0.0, 1.5)] == [
        (True,),
        (False,),
        (True,),
        (False,),
        (True,),
    ]


def test_no_row_is_none(connection: psycopg.Connection) -> None:
    """And the next one is read."""
    some = Statement(b"select 1 where %(yes)s")
    assert [some.one(connection, {"yes": yes}) for yes in (True, False, True)] == [(1,), None, (1,)]


def test_errors_are_those_of_the_cursor(connection: psycopg.Connection) -> None:
    """With their SQLSTATE; the connection goes on."""
    with pytest.raises(psycopg.errors.DivisionByZero):
        Statement(b"select 1 / %(by)s").one(connection, {"by": 0})
    with pytest.raises(psycopg.errors.UndefinedTable):
        Statement(b"select from nowhere").one(connection, {})
    with pytest.raises(KeyError):
        Statement(b"select %(a)s").one(connection, {})
    with pytest.raises(TypeError):
        Statement(b"select %(a)s").one(connection, {"a": ["list"]})
    assert Statement(b"select 1").one(connection, {}) == (1,)


def test_a_statement_that_psycopg_has_deallocated_is_prepared_again(connection: psycopg.Connection) -> None:
    """psycopg deallocates all statements of a connection after a rollback, its own and ours."""
    double = Statement(b"select 2 * %(value)s")
    assert double.one(connection, {"value": 2}) == (4,)
    for _ in range(6):  # until psycopg has prepared one itself
        connection.execute("select 1")
    with pytest.raises(ZeroDivisionError), connection.transaction():
        raise ZeroDivisionError
    connection.execute("select 2")
    prepared = connection.execute("select count(*) from pg_prepared_statements where name like 'kit%'").fetchone()
    assert prepared == (0,)
    assert double.one(connection, {"value": 3}) == (6,)


def test_a_statement_that_was_prepared_without_being_noted_is_used(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an exception between preparing and noting, which a signal or a debugger raises."""
    double = Statement(b"select 2 * %(value)s")
    assert double.one(connection, {"value": 2}) == (4,)
    monkeypatch.setattr(statement, "_sessions", WeakKeyDictionary())
    assert double.one(connection, {"value": 3}) == (6,)


def test_a_connection_that_has_died_is_replaced(database: Database, connection: psycopg.Connection) -> None:
    """The statement is prepared again on the new one."""
    own = Statement(b"select pg_backend_pid()")
    first = database.one(own, {})
    assert first is not None
    connection.execute("select pg_terminate_backend(%s, 5000)", first)
    second = database.one(own, {})
    assert second is not None
    assert second != first


def test_a_connection_that_dies_during_a_statement_is_unavailable(
    database: Database, connection: psycopg.Connection
) -> None:
    """A statement that must not be repeated is not."""
    with pytest.raises(AwayError) as away:
        database.once(Statement(b"select pg_terminate_backend(pg_backend_pid()), pg_sleep(5)"), {})
    assert isinstance(away.value.__cause__, psycopg.OperationalError)
    assert database.one(Statement(b"select 1"), {}) == (1,)


def test_a_statement_equals_its_text() -> None:
    """Whoever compares statements need not know how they are run."""
    assert Statement(b"select 1") == b"select 1"
