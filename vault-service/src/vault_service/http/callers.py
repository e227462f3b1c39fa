"""Who may do what: from verified claims to the vault's words."""

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
    """The clients and the role that settings name."""

    browser_clients: frozenset[str]
    owner_clients: frozenset[str]
    mint_role: str

    def requester(self, claims: Claims, subject: str | None) -> Requester:
        """Who asks for an access token: a service for an owner that it names, or the owner with an allowed client.

        Raises ServiceNotAllowedError for everybody else; the problem 422 `invalid_input` when a service names no owner.
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
    """What a caller of `access-token` asks for. Raises what `Policy.requester`, `grant_id` and `parse_scope` raise."""
    return TokenRequest(
        grant_id=grant_id(query.id),
        requester=policy.requester(claims, query.subject),
        scopes=parse_scope(query.scope),
        min_valid=float(query.min_valid),
        request_id=request_id,
    )


def owner(claims: Claims) -> Subject:
    """The person behind a person's token."""
    return Subject(claims.issuer, claims.subject)


def person(claims: Claims, mint_role: str) -> Subject:
    """The person who calls; a service account owns nothing here. Problem: 403 `forbidden`."""
    if mint_role in claims.roles:
        raise Problem(403, "forbidden", "This is for people; a service cannot do it.")
    return owner(claims)


@lru_cache(maxsize=4096)
def grant_id(text: str) -> UUID:
    """A grant's id from the wire; what is no UUID in its canonical form names no grant."""
    try:
        parsed = UUID(text)
    except ValueError:
        raise GrantNotFoundError from None
    if str(parsed) != text.lower():
        raise GrantNotFoundError
    return parsed
