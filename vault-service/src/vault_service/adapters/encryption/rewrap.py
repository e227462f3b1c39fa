"""Seals all stored values again by the active data key, so that older versions can be retired.

It goes through the rows in batches while the vault serves. A value is replaced only if it is still the one that was
read: a refresh that comes between wins, and it has sealed by the active key anyway. You may stop it and start it again
at any time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from service_kit.postgres import queries
from service_kit.postgres.database import Database, Row
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.application.errors import SealBrokenError
from vault_service.domain import seal_context
from vault_service.domain.grant import Subject
from vault_service.domain.grant_terms import terms_of
from vault_service.domain.keys import refusal_to_retire
from vault_service.domain.seal_context import SealContext

_QUERIES = queries.load(__package__, "rewrap.sql")
BATCH_ROWS = 200
LOAD = 0.1
"""The default share of the time for which it works; it rests between batches, so that callers hardly notice it."""


class KeyInUseError(Exception):
    """A key cannot be retired; the message says why."""


@dataclass(slots=True)
class RewrapProgress:
    """Rows of one table so far. done: sealed again; overtaken: changed by others meanwhile; unreadable: do not open."""

    table: str
    done: int = 0
    overtaken: int = 0
    unreadable: int = 0


_CONTEXTS: dict[str, Callable[[Row], SealContext]] = {
    "grants": lambda row: seal_context.grant_token(row[0], Subject(row[2], row[3]), row[4], _terms(row)),
    "consent_requests": lambda row: seal_context.consent_secrets(
        bytes(row[0]), Subject(row[2], row[3]), row[4], None if row[5] is None else bytes(row[5])
    ),
    "revocations": lambda row: seal_context.revocation_token(row[0], Subject(row[2], row[3]), row[4], row[5]),
}


def _terms(row: Row) -> bytes:
    return terms_of(Subject(row[2], row[3]), row[5:]).digest()


class Rewrapper:
    """Seals rows again, and retires keys that seal no row any more."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        self._sealer = Sealer(keyring)

    def run(self, batch: int = BATCH_ROWS, load: float = 1.0) -> Iterator[RewrapProgress]:
        """Go through all tables; yields the progress after each batch. Raises StorageUnavailableError.

        batch: rows; load: the share of the time for which it works, more than 0 and at most 1.
        """
        self._keyring.load()
        active, _ = self._keyring.active("data")
        for table in _CONTEXTS:
            progress = RewrapProgress(table)
            after = None
            while True:
                began = monotonic()
                rows = self._rows(table, active, after, batch)
                if not rows:
                    break
                self._seal(table, rows, progress)
                after = rows[-1][0]
                yield progress
                sleep((monotonic() - began) * (1 / load - 1))

    def retire(self, key_id: int) -> None:
        """Destroy a version that seals nothing any more. Raises KeyInUseError."""
        row = self._database.one(_QUERIES["sealed_by"], {"key_id": key_id})
        refusal = refusal_to_retire(key_id, self._keyring.versions(), row[0] if row else 0)
        if refusal is not None:
            raise KeyInUseError(refusal)
        self._keyring.retire(key_id)

    def _rows(self, table: str, active: int, after: object, batch: int) -> Sequence[Row]:
        where = {"active": active, "after": after, "limit": batch}
        return self._database.all(_QUERIES[f"{table}_to_seal"], where)

    def _seal(self, table: str, rows: Sequence[Row], progress: RewrapProgress) -> None:
        changes: dict[str, list[Any]] = {"ids": [], "old": [], "new": []}
        for row in rows:
            context, old = _CONTEXTS[table](row), bytes(row[1])
            try:
                new = self._sealer.seal(self._sealer.open(old, context), context)
            except SealBrokenError:
                progress.unreadable += 1
                continue
            changes["ids"].append(row[0])
            changes["old"].append(old)
            changes["new"].append(new)
        replaced = len(self._database.all(_QUERIES[f"seal_{table}"], changes))
        progress.done += replaced
        progress.overtaken += len(changes["ids"]) - replaced
