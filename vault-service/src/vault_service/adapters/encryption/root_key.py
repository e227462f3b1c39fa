"""The root key wraps the vault's keys and nothing else. It is never stored beside them.

`RootKey` is the port to the holder of the key. A key management service can wrap and unwrap without disclosing it; the
adapter here reads it from a file.
"""

import base64
import binascii
import secrets
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service_kit.process.secret import demand_private

KEY_BYTES = 32
NONCE_BYTES = 12


class WrongRootKeyError(Exception):
    """The root key does not open the keys of this vault."""


class RootKey(Protocol):
    """Wraps keys. context: authenticated with the key, so that no wrapped key passes for another."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """The wrapped key."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key. Raises WrongRootKeyError."""
        ...


class LocalRootKey:
    """`RootKey` by AES-256-GCM, with a key in the memory of this process. Prints as `***`."""

    def __init__(self, key: bytes) -> None:
        """key: 32 bytes."""
        self._cipher = AESGCM(key)

    @classmethod
    def read(cls, file: str) -> "LocalRootKey":
        """The key in a file, which must not be writable for others or readable for all. Raises ValueError, OSError."""
        path = Path(file)
        demand_private(path)
        try:
            key = base64.urlsafe_b64decode(path.read_text(encoding="ascii").strip() + "==")
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError(f"{path} does not hold base64url") from None
        if len(key) != KEY_BYTES:
            raise ValueError(f"{path} does not hold {KEY_BYTES} bytes in base64url")
        return cls(key)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """`nonce | ciphertext and tag`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
        except InvalidTag:
            raise WrongRootKeyError from None

    def __repr__(self) -> str:
        return "***"
