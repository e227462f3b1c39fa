"""Sealing at rest: AES-256-GCM (NIST SP 800-38D) under data keys that a root key wraps.

A sealed value is `version | key id | nonce | ciphertext and tag`. Its associated data names the place it belongs to
(table, column, row, owner, generation), each part length-prefixed; so a value that was moved, swapped or changed does
not open. Nonces are random: a data key should be rotated long before it has sealed 2^32 values.
"""

import hashlib
import hmac
import secrets
import struct
import threading
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault_service.adapters import queries
from vault_service.adapters.database import Database
from vault_service.application.errors import SealBrokenError
from vault_service.domain.grant import Subject

_QUERIES = queries.load("keys.sql")
_VERSION = 1
_HEADER = struct.Struct(">BH12s")
_KEY_BYTES = 32


NOBODY = Subject("", "")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs."""

    table: str
    column: str
    row: str
    owner: Subject = NOBODY
    generation: int = 0


class WrongRootKeyError(Exception):
    """The root key does not open this vault's data keys."""


class Keyring:
    """The vault's keys, unwrapped once from the database and kept in memory. The first start makes them."""

    def __init__(self, database: Database, root_key: bytes) -> None:
        """root_key: 32 bytes."""
        self._database = database
        self._root = AESGCM(root_key)
        self._lock = threading.Lock()
        self._keys: dict[int, bytes] = {}
        self._active: dict[str, int] = {}

    def active(self, purpose: str) -> tuple[int, bytes]:
        """Id and bytes of the key to use for new values. purpose: `data` or `audit`."""
        if purpose not in self._active:
            self.load()
        key_id = self._active[purpose]
        return key_id, self._keys[key_id]

    def key(self, key_id: int) -> bytes:
        """The key of that id. Raises SealBrokenError when there is none."""
        if key_id not in self._keys:
            self.load()
        try:
            return self._keys[key_id]
        except KeyError:
            raise SealBrokenError(f"there is no key {key_id}") from None

    def load(self) -> None:
        """Read and unwrap all keys. Raises WrongRootKeyError, StorageUnavailableError."""
        with self._lock:
            rows = self._database.all(_QUERIES["all_keys"], {})
            for purpose in {"data", "audit"} - {row[1] for row in rows}:
                self._create(purpose)
            for key_id, purpose, state, wrapped in self._database.all(_QUERIES["all_keys"], {}):
                self._keys[key_id] = self._unwrap(key_id, purpose, bytes(wrapped))
                if state == "active":
                    self._active[purpose] = key_id

    def _create(self, purpose: str) -> None:
        key_id = {"data": 1, "audit": 2}[purpose]
        nonce = secrets.token_bytes(12)
        wrapped = nonce + self._root.encrypt(nonce, secrets.token_bytes(_KEY_BYTES), _wrap_context(key_id, purpose))
        with self._database.connection() as connection:
            connection.execute(_QUERIES["add_key"], {"id": key_id, "purpose": purpose, "wrapped": wrapped})

    def _unwrap(self, key_id: int, purpose: str, wrapped: bytes) -> bytes:
        try:
            return self._root.decrypt(wrapped[:12], wrapped[12:], _wrap_context(key_id, purpose))
        except InvalidTag:
            raise WrongRootKeyError(f"the root key does not open {purpose} key {key_id}") from None


def _wrap_context(key_id: int, purpose: str) -> bytes:
    return joined("sealing_keys", str(key_id), purpose)


class Sealer:
    """Seals values for a place, and opens them there and nowhere else."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._ciphers: dict[int, AESGCM] = {}

    def seal(self, plaintext: bytes, place: Place) -> bytes:
        """The sealed value."""
        key_id, _ = self._keyring.active("data")
        nonce = secrets.token_bytes(12)
        header = _HEADER.pack(_VERSION, key_id, nonce)
        return header + self._cipher(key_id).encrypt(nonce, plaintext, _context(place, key_id))

    def open(self, sealed: bytes, place: Place) -> bytes:
        """The plaintext. Raises SealBrokenError."""
        if len(sealed) < _HEADER.size or sealed[0] != _VERSION:
            raise SealBrokenError
        _, key_id, nonce = _HEADER.unpack_from(sealed)
        try:
            return self._cipher(key_id).decrypt(nonce, bytes(sealed[_HEADER.size :]), _context(place, key_id))
        except InvalidTag:
            raise SealBrokenError(f"{place.table}.{place.column} of {place.row}") from None

    def pseudonym(self, name: str) -> str:
        """A keyed name under which something may be kept where others can look."""
        _, key = self._keyring.active("data")
        return hmac.digest(key, b"pseudonym:" + name.encode(), hashlib.sha256).hex()

    def _cipher(self, key_id: int) -> AESGCM:
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            key = self._keyring.key(key_id)
            if len(key) != _KEY_BYTES:  # AESGCM would take a shorter one for AES-128 or AES-192
                raise SealBrokenError(f"key {key_id} is not one of AES-256")
            cipher = self._ciphers[key_id] = AESGCM(key)
        return cipher


def grant_token_place(grant_id: UUID, owner: Subject, generation: int) -> Place:
    """Where a grant's refresh token belongs."""
    return Place("grants", "refresh_token", str(grant_id), owner, generation)


def _context(place: Place, key_id: int) -> bytes:
    return joined(
        place.table,
        place.column,
        place.row,
        place.owner.issuer,
        place.owner.sub,
        str(key_id),
        str(place.generation),
    )


def joined(*parts: str) -> bytes:
    """The parts, each behind its length, so that no two lists give the same bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join(struct.pack(">I", len(part)) + part for part in encoded)
