"""Which field each sealed value belongs to. A context is the associated data of AES-GCM: a value that was moved to
another row, column or owner does not open.
"""

from dataclasses import dataclass
from uuid import UUID

from vault_service.domain.grant import Subject

NOBODY = Subject("", "")


@dataclass(frozen=True, slots=True)
class SealContext:
    """Identifies the field that a ciphertext was made for."""

    table: str
    column: str
    row: str
    owner: Subject = NOBODY
    generation: int = 0


def grant_token(grant_id: UUID, owner: Subject, generation: int) -> SealContext:
    """The refresh token of one generation of a grant."""
    return SealContext("grants", "refresh_token", str(grant_id), owner, generation)


def consent_secrets(state_hash: bytes, owner: Subject) -> SealContext:
    """The `code_verifier` and `nonce` of a consent request, and its code while that waits for confirmation."""
    return SealContext("consent_requests", "secrets", state_hash.hex(), owner)


def revocation_token(revocation_id: UUID, owner: Subject) -> SealContext:
    """A refresh token that waits to be revoked."""
    return SealContext("revocations", "refresh_token", str(revocation_id), owner)


def cached_token(cache: str, grant_id: UUID, scopes: frozenset[str]) -> SealContext:
    """A cached access token. cache: `memory` or `redis`; scopes: those of the token request."""
    return SealContext(cache, "access_token", f"{grant_id} {' '.join(sorted(scopes))}")
