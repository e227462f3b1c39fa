"""The person a task belongs to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """A person: `sub` is unique within its `issuer` only (OpenID Connect Core 1.0 section 2)."""

    issuer: str
    sub: str
