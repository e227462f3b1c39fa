"""Bodies and queries of the routes that give access tokens."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from service_kit.http.inputs import Input, Output
from service_kit.http.problems import ProblemDocument
from service_kit.http.text import LINE
from vault_service.domain.grant import AccessToken
from vault_service.http.schemas import Moment, Scope


class TokenQuery(Input, frozen=True, kw_only=True, rename=None):
    """The query of `access-token`.

    id: the persistent token id, not needed with a ticket; subject: the owner for whom a service acts; min_valid:
    seconds of life that the token must have left; scope: narrows the granted scopes (RFC 6749 section 3.3); refused:
    the SHA-256, in lower-case hexadecimal, of an access token that an API has refused, which is not given again.
    """

    id: str | None = None
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=LINE)] | None = None
    min_valid: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0
    scope: Scope = ""
    refused: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")] | None = None

    @property
    def refused_hash(self) -> bytes | None:
        """The hash itself."""
        return None if self.refused is None else bytes.fromhex(self.refused)


class IssuedToken(Output, frozen=True, kw_only=True):
    """An access token. expiresIn: seconds; scope: the scopes that the authorization server gave."""

    access_token: str
    token_type: str
    expires_in: int
    expires_at: Moment
    scope: str
    persistent_token_id: UUID

    def __repr__(self) -> str:
        return "***"


class TokenBatchItem(Input, frozen=True, kw_only=True):
    """One wanted access token. id: a persistent token id; subject: the owner for whom the service acts."""

    id: str
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=LINE)]


class TokenBatchRequest(Input, frozen=True, kw_only=True):
    """Access tokens that a service wants. minValid: seconds of life that each must have left."""

    tokens: Annotated[list[TokenBatchItem], msgspec.Meta(min_length=1, max_length=100)]
    min_valid: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0


class TokenBatchResult(Output, frozen=True, kw_only=True):
    """The token, or the problem of a request for it alone. retryAfter: seconds."""

    id: str
    token: IssuedToken | None = None
    problem: ProblemDocument | None = None
    retry_after: int | None = None


class TokenBatch(Output, frozen=True, kw_only=True):
    """One result for each wanted token, in the order of the request."""

    results: list[TokenBatchResult]


def issued_token(grant_id: UUID, token: AccessToken, now: datetime) -> IssuedToken:
    """The wire form of an access token."""
    return IssuedToken(
        access_token=token.value,
        token_type="Bearer",  # noqa: S106 - the type's name
        expires_in=int(token.expires_at - now.timestamp()),
        expires_at=datetime.fromtimestamp(int(token.expires_at), now.tzinfo),
        scope=" ".join(sorted(token.scopes)),
        persistent_token_id=grant_id,
    )
