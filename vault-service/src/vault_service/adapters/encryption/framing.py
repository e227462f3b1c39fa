"""One encoding for lists of words that are authenticated: no two lists give the same bytes."""


def joined(*parts: str) -> bytes:
    """The parts, each behind its length."""
    framed: list[bytes] = []
    for part in parts:
        encoded = part.encode()
        framed += (len(encoded).to_bytes(4), encoded)
    return b"".join(framed)
