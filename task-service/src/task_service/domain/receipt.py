"""A receipt: the proof that a deed was done, under a key that the caller has chosen (`Idempotency-Key`)."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

VALID_HOURS = 24
"""For so long a key stands for its deed."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The receipt of a repeatable request, stored in the transaction of its effect.

    key: the caller's, unique among the owner's; fingerprint: SHA-256 of what was asked, so that a key is not used for
    two things; render: makes the answer from the deed's result.
    """

    key: str
    fingerprint: bytes
    render: Callable[[Any], bytes]

    def answering(self, result: object) -> "Receipt":
        """The receipt of a deed whose answer is known before it is done."""
        content = self.render(result)
        return Receipt(self.key, self.fingerprint, lambda _: content)

    def of_part(self, name: str, render: Callable[[Any], bytes]) -> "Receipt":
        """The receipt of one deed of several under the same key."""
        return Receipt(f"{self.key}\n{name}", self.fingerprint, render)


def fingerprint(*parts: bytes) -> bytes:
    """The SHA-256 of several parts, each framed by its length."""
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()
