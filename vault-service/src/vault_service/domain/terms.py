"""The terms of a provider: which types of token it grants, which scopes, and when a grant ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vault_service.domain.grant import TokenType

OPENID = "openid"
OFFLINE_ACCESS = "offline_access"


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a grant ends by the vault's own rules, in seconds; None: no rule.

    idle: after its last refresh, if the authorization server does not tell when it ends; maximum: after its consent,
    whatever the server tells.
    """

    idle: int | None = None
    maximum: int | None = None


def _both_without_rules() -> Mapping[TokenType, Expiry]:
    return {token_type: Expiry() for token_type in TokenType}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of one provider.

    scopes: requested in addition to a person's own; offline_scope: the scope that makes a token outlive the login, None
    when the server needs none; expiry: rules for each type of token that is allowed.
    """

    issuer: str
    scopes: frozenset[str] = frozenset()
    offline_scope: str | None = OFFLINE_ACCESS
    expiry: Mapping[TokenType, Expiry] = field(default_factory=_both_without_rules)

    @property
    def token_types(self) -> frozenset[TokenType]:
        """The types that are allowed."""
        return frozenset(self.expiry)

    def scopes_for(self, token_type: TokenType, requested: frozenset[str]) -> frozenset[str]:
        """The scopes to request: an `offline` token needs the offline scope, a `refresh` token must not have it."""
        scopes = self.scopes | requested | {OPENID}
        if self.offline_scope is None:
            return scopes
        return scopes | {self.offline_scope} if token_type is TokenType.OFFLINE else scopes - {self.offline_scope}

    def is_as_requested(self, token_type: TokenType, granted: frozenset[str]) -> bool:
        """True when the server granted that type: `offline` with the offline scope, `refresh` without it."""
        return self.offline_scope is None or (self.offline_scope in granted) is (token_type is TokenType.OFFLINE)
