"""Which field each sealed value belongs to. A context is the associated data of AES-GCM: a value that was moved to
another row, column or owner does not open.
"""

from dataclasses import dataclass
from uuid import UUID

from vault_service.domain.framing import joined
from vault_service.domain.grant import Subject

NOBODY = Subject("", "")


@dataclass(frozen=True, slots=True)
class SealContext:
    """Identifies the field that a ciphertext was made for. bound: what else of the row must not change."""

    table: str
    column: str
    row: str
    owner: Subject = NOBODY
    generation: int = 0
    bound: bytes = b""


def grant_token(grant_id: UUID, owner: Subject, generation: int, terms: bytes) -> SealContext:
    """The refresh token of one generation of a grant. terms: their digest (`domain.grant_terms`)."""
    return SealContext("grants", "refresh_token", str(grant_id), owner, generation, terms)


def consent_secrets(state_hash: bytes, owner: Subject, grant_id: UUID, browser_hash: bytes | None) -> SealContext:
    """The `code_verifier` and `nonce` of a consent request, and its code while that waits for confirmation.

    browser_hash: of the secret that the browser has to bring next, with the answer or with the confirmation; None when
    it need not bring one.
    """
    bound = joined(grant_id.hex, (browser_hash or b"").hex())
    return SealContext("consent_requests", "secrets", state_hash.hex(), owner, bound=bound)


def revocation_token(revocation_id: UUID, owner: Subject, grant_id: UUID, provider: str) -> SealContext:
    """A refresh token that waits to be revoked at one provider."""
    bound = joined(grant_id.hex, provider)
    return SealContext("revocations", "refresh_token", str(revocation_id), owner, bound=bound)


def cached_token(cache: str, grant_id: UUID, scopes: frozenset[str]) -> SealContext:
    """A cached access token. cache: `memory` or `redis`; scopes: those of the token request."""
    return SealContext(cache, "access_token", f"{grant_id} {' '.join(sorted(scopes))}")
