"""The vault's keys (`domain.keys`) in PostgreSQL, each wrapped by the root key.

A process unwraps each key once. It looks for new versions every minute, and whenever it meets a version that it does
not know: a rotation needs no restart.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.adapters.encryption.root_key import KEY_BYTES, RootKey, WrongRootKeyError
from vault_service.application.errors import SealBrokenError
from vault_service.domain.framing import joined
from vault_service.domain.keys import PURPOSES, KeyVersion, next_id

_QUERIES = queries.load(__package__, "keys.sql")


class Keyring:
    """The keys in the memory of this process. The first start of a vault creates them.

    `rotate`, `retire` and `rewrap` need a database of the schema's owner.
    """

    def __init__(self, database: Database, root_key: RootKey) -> None:
        self._database = database
        self._root_key = root_key
        self._lock = threading.Lock()
        self._keys: dict[tuple[str, int], bytes] = {}
        self._active: dict[str, int] = {}

    def active(self, purpose: str) -> tuple[int, bytes]:
        """Id and bytes of the key for new values. purpose: `data` or `audit`."""
        if purpose not in self._active:
            self.load()
        key_id = self._active[purpose]
        return key_id, self._keys[purpose, key_id]

    def key(self, purpose: str, key_id: int) -> bytes:
        """The key of that purpose and id. Raises SealBrokenError when there is none."""
        if (purpose, key_id) not in self._keys:
            self.load()
        try:
            return self._keys[purpose, key_id]
        except KeyError:
            raise SealBrokenError(f"there is no {purpose} key {key_id}") from None

    def audit_key(self, key_id: int) -> bytes | None:
        """The audit key of that id, or None."""
        try:
            return self.key("audit", key_id)
        except SealBrokenError:
            return None

    def load(self) -> None:
        """Unwrap new versions and note which are active. Raises WrongRootKeyError, StorageUnavailableError."""
        with self._lock:
            rows = self._database.all(_QUERIES["all_keys"], {})
            if missing := PURPOSES.keys() - {row[1] for row in rows}:
                with self._database.transaction() as connection:
                    connection.execute(_QUERIES["lock_first"])
                    for purpose in missing - {row[1] for row in connection.execute(_QUERIES["all_keys"])}:
                        self._insert(connection, PURPOSES[purpose], purpose)
                rows = self._database.all(_QUERIES["all_keys"], {})
            for key_id, purpose, state, wrapped in rows:
                if wrapped is not None and (purpose, key_id) not in self._keys:
                    self._keys[purpose, key_id] = _unwrap(self._root_key, key_id, purpose, wrapped)
                if state == "active":
                    self._active[purpose] = key_id

    def rotate(self, purpose: str) -> int:
        """Create a version and make it the active one; its id. Other processes take it up within a minute.

        Raises WrongRootKeyError.
        """
        self.load()
        with self._changing() as connection:
            wrapped_keys = connection.execute(_QUERIES["wrapped_keys"]).fetchall()
            for wrapped_key in wrapped_keys:  # the root key may have been replaced since they were loaded
                _unwrap(self._root_key, *wrapped_key)
            key_id = next_id(KeyVersion(*row) for row in connection.execute(_QUERIES["versions"]))
            self._add(connection, key_id, purpose)
        self.load()
        return key_id

    def versions(self) -> list[KeyVersion]:
        """All versions that were ever created, by id."""
        return [KeyVersion(*row) for row in self._database.all(_QUERIES["versions"], {})]

    def retire(self, key_id: int) -> None:
        """Destroy a version that `domain.keys.refusal_to_retire` does not refuse."""
        self._database.one(_QUERIES["retire"], {"id": key_id})

    def rewrap(self, new: RootKey) -> int:
        """Wrap all keys by another root key, in one transaction; their number."""
        with self._changing() as connection:
            rows = connection.execute(_QUERIES["wrapped_keys"]).fetchall()
            for key_id, purpose, wrapped in rows:
                key = _unwrap(self._root_key, key_id, purpose, wrapped)
                rewrapped = new.wrap(key, _context(key_id, purpose))
                connection.execute(_QUERIES["rewrap_key"], {"id": key_id, "wrapped": rewrapped})
        return len(rows)

    @contextmanager
    def _changing(self) -> Iterator[psycopg.Connection]:
        """A transaction in which no other process changes keys. They can be read meanwhile."""
        with self._database.transaction() as connection:
            connection.execute(_QUERIES["lock"])
            yield connection

    def _add(self, connection: psycopg.Connection, key_id: int, purpose: str) -> None:
        connection.execute(_QUERIES["deactivate"], {"purpose": purpose, "id": key_id})
        self._insert(connection, key_id, purpose)

    def _insert(self, connection: psycopg.Connection, key_id: int, purpose: str) -> None:
        wrapped = self._root_key.wrap(secrets.token_bytes(KEY_BYTES), _context(key_id, purpose))
        connection.execute(_QUERIES["add_key"], {"id": key_id, "purpose": purpose, "wrapped": wrapped})


def _unwrap(root_key: RootKey, key_id: int, purpose: str, wrapped: bytes) -> bytes:
    try:
        return root_key.unwrap(bytes(wrapped), _context(key_id, purpose))
    except WrongRootKeyError:
        raise WrongRootKeyError(f"the root key does not open {purpose} key {key_id}") from None


def _context(key_id: int, purpose: str) -> bytes:
    return joined("sealing_keys", str(key_id), purpose)
