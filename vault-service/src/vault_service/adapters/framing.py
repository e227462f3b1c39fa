"""One encoding for lists of words that are authenticated: no two lists give the same bytes."""

import struct


def joined(*parts: str) -> bytes:
    """The parts, each behind its length."""
    encoded = [part.encode() for part in parts]
    return b"".join(struct.pack(">I", len(part)) + part for part in encoded)
