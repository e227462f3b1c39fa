"""Receipts of deeds in PostgreSQL: `application.ports.ReceiptStore`, and what adapters do within their transactions."""

from typing import Any

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from task_service.adapters.postgres.locks import owned
from task_service.application.errors import AlreadyDoneError, KeyReusedError
from task_service.domain.owner import Owner
from task_service.domain.receipt import VALID_HOURS, Receipt

_SQL = queries.load(__package__, "receipts.sql")


class PostgresReceipts:
    """Looks receipts up, keeps answers that no other transaction can, removes what is old."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def answer(self, owner: Owner, receipt: Receipt) -> bytes | None:
        """The answer that the key stands for; None when it stands for none yet."""
        row = self._database.one(_SQL["stored"], _named(owner, receipt))
        return None if row is None else _checked(row, receipt)

    def keep(self, owner: Owner, receipt: Receipt, result: object) -> None:
        """Store an answer; one that another request has stored meanwhile stays, and is raised as AlreadyDoneError."""
        with self._database.transaction() as connection:
            claim(connection, owner, receipt)
            settle(connection, owner, receipt, result)

    def remove_old(self, at_most: int) -> int:
        """Remove expired keys, up to a limit. Returns their number."""
        return len(self._database.all(_SQL["remove_old"], {"hours": VALID_HOURS, "at_most": at_most}))


def claim(connection: psycopg.Connection, owner: Owner, receipt: Receipt | None) -> None:
    """Begin a deed within the caller's transaction. Raises AlreadyDoneError, KeyReusedError."""
    if receipt is None:
        return
    values = _named(owner, receipt)
    if connection.execute(_SQL["claim"], values).fetchone() is not None:
        return
    row = connection.execute(_SQL["stored"], values).fetchone()
    answer = None if row is None else _checked(row, receipt)
    if answer is not None:
        raise AlreadyDoneError(answer)


def settle(connection: psycopg.Connection, owner: Owner, receipt: Receipt | None, result: object) -> None:
    """End the deed: store its answer, within the same transaction."""
    if receipt is not None:
        values = {**_named(owner, receipt), "answer": receipt.render(result)}
        connection.execute(_SQL["settle"], values)


def _checked(row: tuple[Any, ...], receipt: Receipt) -> bytes | None:
    stored, answer = row
    if bytes(stored) != receipt.fingerprint:
        raise KeyReusedError
    return None if answer is None else bytes(answer)


def _named(owner: Owner, receipt: Receipt) -> dict[str, Any]:
    return {
        **owned(owner),
        "key": receipt.key,
        "fingerprint": receipt.fingerprint,
        "hours": VALID_HOURS,
    }
