"""What a provider's grants may be: which types of token, which scopes, and when they end."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vault_service.domain.grant import TokenType

OPENID = "openid"
OFFLINE_ACCESS = "offline_access"


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a grant ends by our own rules, in seconds; None: no rule.

    idle: after its last refresh, where the authorization server does not say; maximum: after its consent, whatever the
    server says.
    """

    idle: int | None = None
    maximum: int | None = None


def _both_without_rules() -> Mapping[TokenType, Expiry]:
    return {token_type: Expiry() for token_type in TokenType}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for grants of one provider.

    scopes: asked for beside those that a person wishes; offline_scope: what makes a token outlive the login, None where
    the server wants no scope for it; expiry: by each type of token that is allowed.
    """

    issuer: str
    scopes: frozenset[str] = frozenset()
    offline_scope: str | None = OFFLINE_ACCESS
    expiry: Mapping[TokenType, Expiry] = field(default_factory=_both_without_rules)

    @property
    def token_types(self) -> frozenset[TokenType]:
        """The types that are allowed."""
        return frozenset(self.expiry)

    def scopes_for(self, token_type: TokenType, wished: frozenset[str]) -> frozenset[str]:
        """What to ask for: an `offline` token needs its scope, and a `refresh` token must not have it."""
        scopes = self.scopes | wished | {OPENID}
        if self.offline_scope is None:
            return scopes
        return scopes | {self.offline_scope} if token_type is TokenType.OFFLINE else scopes - {self.offline_scope}

    def is_as_requested(self, token_type: TokenType, granted: frozenset[str]) -> bool:
        """Whether the server has given that type: `offline` with its scope; `refresh` without, or it would outlive."""
        return self.offline_scope is None or (self.offline_scope in granted) is (token_type is TokenType.OFFLINE)
