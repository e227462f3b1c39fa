"""The partitions of the table `audit`, by line number. Only the owner of the schema makes and drops them.

Line numbers grow with time, so a partition holds the lines of some time. The last partition has no end. While no new
ones are made, it takes all lines, and pruning deletes them one by one.
"""

import re
from typing import NamedTuple

import psycopg
from psycopg import sql

from service_kit.postgres import queries

_QUERIES = queries.load(__package__, "partitions.sql")
_BOUNDS = re.compile(r"FROM \((?:'(-?\d+)'|MINVALUE)\) TO \((?:'(-?\d+)'|MAXVALUE)\)")

LEAST_LINES = 1_000_000
"""A partition is for a day's lines, but never for fewer than these."""
AHEAD = 3
"""So many partitions lie ahead of the last line."""
_REST = "audit_rest"


class Partition(NamedTuple):
    """A partition for the numbers from `first` to `end` - 1; None: without a limit."""

    name: str
    first: int | None
    end: int | None


def partitions(connection: psycopg.Connection) -> list[Partition]:
    """All partitions, the oldest first."""
    found = []
    for name, bounds in connection.execute(_QUERIES["partitions"]):
        first, end = (None if bound is None else int(bound) for bound in _read(bounds))
        found.append(Partition(name, first, end))
    return sorted(found, key=lambda each: float("-inf") if each.first is None else each.first)


def extend(connection: psycopg.Connection) -> int:
    """Make partitions for the next days' lines, within the caller's transaction; their number.

    The table is locked against new lines meanwhile, for milliseconds. The lock lasts longer only when the last
    partition has lines already: then all of them are read once.
    """
    size = max(_number(connection, "lines_of_a_day"), LEAST_LINES)
    made = 0
    while (rest := partitions(connection)[-1]).first is not None:
        last = _number(connection, "last_number")
        if rest.first - last > AHEAD * size:
            break
        connection.execute("lock table audit in access exclusive mode")
        _split(connection, rest, max(rest.first, _number(connection, "last_number")) + size)
        made += 1
    return made


def drop_before(connection: psycopg.Connection, through: int) -> int:
    """Drop the partitions all of whose lines are under checkpoints up to and with `through`; their number.

    Within the caller's transaction. The last partition is never dropped.
    """
    first_kept = _number(connection, "first_kept", through=through)
    whole = [each for each in partitions(connection) if each.end is not None and each.end <= first_kept]
    for each in whole:
        connection.execute(sql.SQL("drop table {}").format(sql.Identifier(each.name)))
    return len(whole)


def _split(connection: psycopg.Connection, rest: Partition, end: int) -> None:
    """End the last partition, and begin the next one there."""
    own = sql.Identifier(f"audit_{rest.first}")
    bounds = {"first": sql.Literal(rest.first), "end": sql.Literal(end)}
    last, whole = sql.Identifier(rest.name), sql.SQL("for values from ({first}) to ({end})").format(**bounds)
    connection.execute(sql.SQL("alter table audit detach partition {}").format(last))
    connection.execute(sql.SQL("alter table {} rename to {}").format(last, own))
    connection.execute(sql.SQL("alter table audit attach partition {} {}").format(own, whole))
    named = sql.Identifier(_REST)
    begun = sql.SQL("create table {} partition of audit for values from ({}) to (maxvalue)")
    connection.execute(begun.format(named, bounds["end"]))


def _read(bounds: str) -> tuple[str | None, str | None]:
    found = _BOUNDS.search(bounds)
    assert found is not None  # noqa: S101 - the migration makes ranges only
    return found[1], found[2]


def _number(connection: psycopg.Connection, query: str, **parameters: int) -> int:
    row = connection.execute(_QUERIES[query], parameters).fetchone()
    return int(row[0]) if row and row[0] is not None else 0
