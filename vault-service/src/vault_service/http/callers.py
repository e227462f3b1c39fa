"""Who may do what: from verified claims to requesters and owners."""

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from service_kit.http.inputs import invalid
from service_kit.http.problems import Problem
from service_kit.tokens.bearer import Claims
from vault_service.application.errors import GrantNotFoundError, ServiceNotAllowedError
from vault_service.application.issue import parse_scope
from vault_service.application.refresh import TokenRequest
from vault_service.domain.grant import Subject
from vault_service.domain.usability import Requester
from vault_service.http.schemas import TokenQuery


@dataclass(frozen=True)
class Policy:
    """The clients and the role that the settings name."""

    browser_clients: frozenset[str]
    owner_clients: frozenset[str]
    mint_role: str

    def requester(self, claims: Claims, subject: str | None) -> Requester:
        """Who requests an access token: a service for the owner that it names, or the owner through an allowed client.

        Raises ServiceNotAllowedError for all others. Problem: 422 `invalid_input` when a service names no owner.
        """
        if claims.client in self.browser_clients:
            raise ServiceNotAllowedError
        if self.mint_role in claims.roles:
            if subject is None:
                raise invalid("subject", "a service has to name the owner for whom it acts")
            return Requester(claims.client, is_owner=False, owner=Subject(claims.issuer, subject))
        if claims.client in self.owner_clients and subject in {None, claims.subject}:
            return Requester(claims.client, is_owner=True, owner=owner(claims))
        raise ServiceNotAllowedError


def need(query: TokenQuery, policy: Policy, claims: Claims, request_id: str) -> TokenRequest:
    """The request of a caller of `access-token`. Raises what `Policy.requester`, `grant_id` and `parse_scope` raise."""
    return TokenRequest(
        grant_id=grant_id(query.id),
        requester=policy.requester(claims, query.subject),
        scopes=parse_scope(query.scope),
        min_valid=float(query.min_valid),
        request_id=request_id,
    )


def owner(claims: Claims) -> Subject:
    """The person whose token was verified."""
    return Subject(claims.issuer, claims.subject)


def person(claims: Claims, mint_role: str) -> Subject:
    """The person who calls. Problem: 403 `forbidden` for a service account, which owns no grants."""
    if mint_role in claims.roles:
        raise Problem(403, "forbidden", "This is for people; a service cannot do it.")
    return owner(claims)


@lru_cache(maxsize=4096)
def grant_id(text: str) -> UUID:
    """The grant id in a `persistent_token_id`. Raises GrantNotFoundError for anything but a canonical UUID."""
    try:
        parsed = UUID(text)
    except ValueError:
        raise GrantNotFoundError from None
    if str(parsed) != text.lower():
        raise GrantNotFoundError
    return parsed
