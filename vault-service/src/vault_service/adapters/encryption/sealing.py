"""Sealing at rest: AES-256-GCM (NIST SP 800-38D) under data keys.

A sealed value is `version | key id | nonce | ciphertext and tag`. Its associated data is the `SealContext`
(table, column, row, owner, generation, what else is bound), each part behind its length: a value that was moved,
swapped or changed does not open, nor does one whose row was changed in what decides. Version 1 binds nothing else: it
is written where there is nothing else, and read from rows of older versions.

Nonces are random: rotate a data key long before it has sealed 2^32 values.
"""

import hashlib
import hmac
import secrets
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.root_key import KEY_BYTES
from vault_service.application.errors import SealBrokenError
from vault_service.domain.framing import joined
from vault_service.domain.seal_context import SealContext

_PLAIN, _BOUND = 1, 2
_HEADER = struct.Struct(">BH12s")


class Sealer:
    """Seals a value for one context, and opens it in that context only."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._ciphers: dict[int, AESGCM] = {}

    def seal(self, plaintext: bytes, context: SealContext) -> bytes:
        """The sealed value, under the active data key."""
        key_id, _ = self._keyring.active("data")
        nonce = secrets.token_bytes(12)
        version = _BOUND if context.bound else _PLAIN
        header = _HEADER.pack(version, key_id, nonce)
        return header + self._cipher(key_id).encrypt(nonce, plaintext, _associated_data(context, key_id, version))

    def open(self, sealed: bytes, context: SealContext) -> bytes:
        """The plaintext. Raises SealBrokenError."""
        if len(sealed) < _HEADER.size or sealed[0] not in {_PLAIN, _BOUND}:
            raise SealBrokenError
        version, key_id, nonce = _HEADER.unpack_from(sealed)
        associated = _associated_data(context, key_id, version)
        try:
            return self._cipher(key_id).decrypt(nonce, bytes(sealed[_HEADER.size :]), associated)
        except InvalidTag:
            raise SealBrokenError(f"{context.table}.{context.column} of {context.row}") from None

    def pseudonym(self, name: str) -> str:
        """A name, hashed under the active data key: for storage that others can read."""
        _, key = self._keyring.active("data")
        return hmac.digest(key, b"pseudonym:" + name.encode(), hashlib.sha256).hex()

    def _cipher(self, key_id: int) -> AESGCM:
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            key = self._keyring.key("data", key_id)
            if len(key) != KEY_BYTES:  # with a shorter one AESGCM would be AES-128 or AES-192
                raise SealBrokenError(f"key {key_id} is not an AES-256 key")
            cipher = self._ciphers[key_id] = AESGCM(key)
        return cipher


def _associated_data(context: SealContext, key_id: int, version: int) -> bytes:
    return joined(
        context.table,
        context.column,
        context.row,
        context.owner.issuer,
        context.owner.sub,
        str(key_id),
        str(context.generation),
        *((str(version), context.bound.hex()) if version == _BOUND else ()),
    )
