"""The address to which a browser returns after a service's consent request: one that the operator has listed.

A listed address that ends with `/` covers everything below it, any other one itself only; both with any query. Forms
that parsers may read differently (RFC 9700 section 4.1.3) are refused, not repaired: user information, a backslash,
another scheme, a fragment, dot segments, encoded slashes and dots.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit
from uuid import UUID

LONGEST = 2000
_PLAIN = re.compile(r"[\x21\x24-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+")
"""Printable ASCII without `"`, `#`, `<`, `>`, backslash, `^`, backtick and braces."""
_PLACE = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?")
_OURS = frozenset({"persistent_token_id", "outcome"})
_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class ReturnTo:
    """The address that a service has named for the browser's return, and the grant that it asked for."""

    service: str
    address: str
    grant_id: UUID

    def with_outcome(self, outcome: str) -> str:
        """The address with the grant's id and the outcome: `active`, or the code of what went wrong."""
        told = urlencode({"persistent_token_id": str(self.grant_id), "outcome": outcome})
        return f"{self.address}{'&' if '?' in self.address else '?'}{told}"


def fault_of(address: str) -> str | None:
    """The fault of an address, whether listed or not; None without a fault."""
    if len(address) > LONGEST or not _PLAIN.fullmatch(address):
        return "is too long, or has a fragment, a backslash or other characters that are not allowed"
    if not address.lower().startswith(("http://", "https://")):
        return "is not an absolute http(s) URL"
    try:
        parts = urlsplit(address)
    except ValueError:
        return "is not a URL"
    return _fault_of_parts(parts)


def _fault_of_parts(parts: SplitResult) -> str | None:
    if not _PLACE.fullmatch(parts.netloc.lower()):
        return "has user information, or no plain host and port"
    segments = parts.path.lower().replace("%2e", ".").split("/")
    if {".", ".."} & set(segments) or "%2f" in parts.path.lower() or "%5c" in parts.path.lower():
        return "has dot segments or encoded slashes in its path"
    if _OURS & {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}:
        return "has a parameter that the vault adds"
    return None


def is_listed(address: str, listed: Collection[str]) -> bool:
    """True when an address without fault is one of the listed ones, or below one."""
    return fault_of(address) is None and any(_covers(urlsplit(entry), urlsplit(address)) for entry in listed)


def _covers(entry: SplitResult, address: SplitResult) -> bool:
    path, below = address.path or "/", entry.path or "/"
    is_below = path.startswith(below) if below.endswith("/") else path == below
    return is_below and _origin(entry) == _origin(address)


def _origin(parts: SplitResult) -> tuple[str, str]:
    """Scheme, and host with port (RFC 6454 section 4)."""
    return parts.scheme, parts.netloc.lower().removesuffix(_PORTS[parts.scheme])
