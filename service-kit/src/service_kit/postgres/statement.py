"""Statements of the hot paths: prepared once on each connection, and run past psycopg's cursor.

The cursor costs 70 µs of processor time, several times as much as what PostgreSQL's client library does for a statement
by its primary key. Parameters are named as in psycopg, `%(name)s`. They may be texts, numbers, truth values, bytes,
UUIDs and aware times, but no lists.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer

Row = tuple[Any, ...]

_TEXT, _BINARY = 0, 1
_UNKNOWN: Final = 0
"""Has PostgreSQL infer a parameter's type, as psycopg does for texts and None."""
_NO_SUCH_STATEMENT: Final = b"26000"
"""The statement was deallocated: psycopg sends `DEALLOCATE ALL` after a rollback and some DDL. Nothing has run."""
_DUPLICATE_STATEMENT: Final = b"42P05"
"""The session has a statement of this name. The name is a hash of text and types, so it is the same statement."""
_OIDS: Final[Mapping[type, int]] = {bool: 16, bytes: 17, int: 20, float: 701, datetime: 1184, UUID: 2950}
_PARAMETER: Final = re.compile(rb"%\((\w+)\)s|%%")


class _Session:
    """What is known of one connection. prepared: names of statements, by statement and types of parameters."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.rows = Transformer(connection)
        self.prepared: dict[tuple[bytes, tuple[int, ...]], bytes] = {}


_sessions: WeakKeyDictionary[psycopg.Connection, _Session] = WeakKeyDictionary()


class Statement(bytes):
    """One statement. It equals the text that it was made of."""

    _names: tuple[str, ...]
    _query: bytes

    def __new__(cls, text: bytes) -> "Statement":
        """text: as psycopg takes it, with named parameters."""
        self = super().__new__(cls, text)
        names: dict[bytes, int] = {}

        def numbered(found: re.Match[bytes]) -> bytes:
            if found[1] is None:
                return b"%"
            return b"$%d" % names.setdefault(found[1], len(names) + 1)

        self._query = _PARAMETER.sub(numbered, text)
        self._names = tuple(name.decode() for name in names)
        return self

    def one(self, connection: psycopg.Connection, parameters: Mapping[str, Any]) -> Row | None:
        """The first row, or None. connection: in autocommit mode. Raises psycopg.Error.

        parameters: those that the statement does not name are ignored.
        """
        values = [parameters[name] for name in self._names]
        session = _sessions.get(connection)
        if session is None:
            session = _sessions[connection] = _Session(connection)
        types = tuple([_OIDS.get(type(value), _UNKNOWN) for value in values])
        formats = [_BINARY if type(value) is bytes else _TEXT for value in values]
        dumped: Sequence[Any] = [_dumped(value) for value in values]
        result = self._run(connection, session, types, dumped, formats)
        if result.error_field(pq.DiagnosticField.SQLSTATE) == _NO_SUCH_STATEMENT:
            session.prepared.clear()
            result = self._run(connection, session, types, dumped, formats)
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise _error(result)
        if not result.ntuples:
            return None
        session.rows.set_pgresult(result)
        return session.rows.load_row(0, tuple)

    def _run(
        self,
        connection: psycopg.Connection,
        session: _Session,
        types: tuple[int, ...],
        dumped: Sequence[Any],
        formats: Sequence[int],
    ) -> pq.abc.PGresult:
        name = session.prepared.get((self, types)) or self._prepare(connection, session, types)
        return connection.pgconn.exec_prepared(name, dumped, formats, _TEXT)

    def _prepare(self, connection: psycopg.Connection, session: _Session, types: tuple[int, ...]) -> bytes:
        name = b"kit_" + hashlib.sha256(self._query + repr(types).encode()).hexdigest()[:24].encode()
        result = connection.pgconn.prepare(name, self._query, types)
        is_known = result.error_field(pq.DiagnosticField.SQLSTATE) == _DUPLICATE_STATEMENT
        if result.status != pq.ExecStatus.COMMAND_OK and not is_known:
            raise _error(result)
        session.prepared[self, types] = name
        return name


def _error(result: pq.abc.PGresult) -> psycopg.Error:
    """The server's error; OperationalError when the connection is dead and the server said nothing."""
    if result.error_field(pq.DiagnosticField.SQLSTATE) is None:
        return psycopg.OperationalError(result.error_message.decode(errors="replace"))
    return psycopg.errors.error_from_result(result)


def _dumped(value: Any) -> bytes | None:
    if value is None or type(value) is bytes:
        return value
    if type(value) is str:
        return value.encode()
    if type(value) is datetime:
        return value.isoformat().encode()
    if type(value) in _OIDS:
        return str(value).encode()
    raise TypeError(f"a parameter of the type {type(value).__name__}")
