"""The vault's keys: versions of a data key, which seals, and of an audit key, which authenticates.

Each has one active version; older ones are kept to open what they have sealed, until they are retired. They stand in
the database, wrapped by the root key. A process unwraps each once and looks for new ones every minute, and whenever it
meets a version that it does not know: so a rotation needs no restart.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.adapters.encryption.framing import joined
from vault_service.adapters.encryption.root_key import KEY_BYTES, RootKey, WrongRootKeyError
from vault_service.application.errors import SealBrokenError

_QUERIES = queries.load(__package__, "keys.sql")
PURPOSES = {"data": 1, "audit": 2}
"""What keys are for, and the id of the first of each."""
LEAST_REST_SECONDS = 600
"""How long a version has been inactive before it may be retired: no process seals with it any more then."""


class KeyInUseError(Exception):
    """A key cannot be retired; the message says why."""


@dataclass(frozen=True, slots=True)
class Version:
    """A key's version as operators see it. state: active, retiring (it only opens) or retired (destroyed)."""

    id: int
    purpose: str
    state: str
    created_at: datetime
    inactive_seconds: float | None


class Keyring:
    """The keys, unwrapped once from the database and kept in memory. The first start makes them."""

    def __init__(self, database: Database, root_key: RootKey) -> None:
        self._database = database
        self._root_key = root_key
        self._lock = threading.Lock()
        self._keys: dict[tuple[str, int], bytes] = {}
        self._active: dict[str, int] = {}

    def active(self, purpose: str) -> tuple[int, bytes]:
        """Id and bytes of the key to use for new values. purpose: `data` or `audit`."""
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

    def load(self) -> None:
        """Read what is new, unwrap it, note which are active. Raises WrongRootKeyError, StorageUnavailableError."""
        with self._lock:
            rows = self._database.all(_QUERIES["all_keys"], {})
            if missing := PURPOSES.keys() - {row[1] for row in rows}:
                with self._changing() as connection:
                    for purpose in missing:
                        self._add(connection, PURPOSES[purpose], purpose)
                rows = self._database.all(_QUERIES["all_keys"], {})
            for key_id, purpose, state, wrapped in rows:
                if wrapped is not None and (purpose, key_id) not in self._keys:
                    self._keys[purpose, key_id] = self._unwrap(self._root_key, key_id, purpose, wrapped)
                if state == "active":
                    self._active[purpose] = key_id

    def rotate(self, purpose: str) -> int:
        """Make a new version the active one; its id. Others notice within a minute. Raises WrongRootKeyError."""
        self.load()
        with self._changing() as connection:
            versions = connection.execute(_QUERIES["wrapped_keys"]).fetchall()
            for version in versions:  # another root key may have come since they were loaded
                self._unwrap(self._root_key, *version)
            key_id = 1 + max(int(row[0]) for row in connection.execute(_QUERIES["versions"]))
            self._add(connection, key_id, purpose)
        self.load()
        return key_id

    def versions(self) -> list[Version]:
        """All that there have ever been."""
        return [Version(*row) for row in self._database.all(_QUERIES["versions"], {})]

    def retire(self, key_id: int) -> None:
        """Destroy a version. That nothing is sealed by it any more is the caller's to know. Raises KeyInUseError."""
        version = next((version for version in self.versions() if version.id == key_id), None)
        if version is None:
            raise KeyInUseError(f"there is no key {key_id}")
        if version.purpose == "audit":
            raise KeyInUseError(f"key {key_id} is for the audit: old lines are verified with it")
        if version.state == "active":
            raise KeyInUseError(f"key {key_id} is active: rotate first")
        if version.inactive_seconds is not None and version.inactive_seconds < LEAST_REST_SECONDS:
            wait = LEAST_REST_SECONDS - version.inactive_seconds
            raise KeyInUseError(f"key {key_id} was active until just now; processes may use it for {wait:.0f} s more")
        self._database.one(_QUERIES["retire"], {"id": key_id})

    def rewrap(self, new: RootKey) -> int:
        """Wrap all keys by another root key, in one transaction; how many."""
        with self._changing() as connection:
            rows = connection.execute(_QUERIES["wrapped_keys"]).fetchall()
            for key_id, purpose, wrapped in rows:
                key = self._unwrap(self._root_key, key_id, purpose, wrapped)
                rewrapped = new.wrap(key, _context(key_id, purpose))
                connection.execute(_QUERIES["rewrap_key"], {"id": key_id, "wrapped": rewrapped})
        return len(rows)

    @contextmanager
    def _changing(self) -> Iterator[psycopg.Connection]:
        """A transaction in which nobody else changes keys; they can be read meanwhile."""
        with self._database.transaction() as connection:
            connection.execute(_QUERIES["lock"])
            yield connection

    def _add(self, connection: psycopg.Connection, key_id: int, purpose: str) -> None:
        wrapped = self._root_key.wrap(secrets.token_bytes(KEY_BYTES), _context(key_id, purpose))
        connection.execute(_QUERIES["deactivate"], {"purpose": purpose, "id": key_id})
        connection.execute(_QUERIES["add_key"], {"id": key_id, "purpose": purpose, "wrapped": wrapped})

    def _unwrap(self, root_key: RootKey, key_id: int, purpose: str, wrapped: bytes) -> bytes:
        try:
            return root_key.unwrap(bytes(wrapped), _context(key_id, purpose))
        except WrongRootKeyError:
            raise WrongRootKeyError(f"the root key does not open {purpose} key {key_id}") from None


def _context(key_id: int, purpose: str) -> bytes:
    return joined("sealing_keys", str(key_id), purpose)
