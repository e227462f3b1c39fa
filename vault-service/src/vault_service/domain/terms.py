"""The terms of a provider: which types of token it grants, which scopes, and when a grant ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vault_service.domain.grant import TokenType

OPENID = "openid"
OFFLINE_ACCESS = "offline_access"
IDENTITY_SCOPES = frozenset({OPENID, "profile", "email", OFFLINE_ACCESS})
"""Keycloak adds them to every token. They say who somebody is and open nothing else."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """The vault's own rules for the end of a grant, in seconds; None: no rule.

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
    when the server needs none; expiry: rules for each type of token that is allowed; has_id_tokens: True for OpenID
    Connect; unavoidable_scopes: those that the server adds to a token although it was asked for a narrower one;
    narrows: False when a refresh for fewer scopes would narrow the refresh token, too, against RFC 6749 section 6.
    """

    issuer: str
    scopes: frozenset[str] = frozenset()
    offline_scope: str | None = OFFLINE_ACCESS
    expiry: Mapping[TokenType, Expiry] = field(default_factory=_both_without_rules)
    has_id_tokens: bool = True
    unavoidable_scopes: frozenset[str] = IDENTITY_SCOPES
    narrows: bool = True

    @property
    def token_types(self) -> frozenset[TokenType]:
        """The types that are allowed."""
        return frozenset(self.expiry)

    def scopes_for(self, token_type: TokenType, requested: frozenset[str]) -> frozenset[str]:
        """The scopes to request: an `offline` token needs the offline scope, a `refresh` token must not have it."""
        scopes = self.scopes | requested | ({OPENID} if self.has_id_tokens else frozenset())
        if self.offline_scope is None:
            return scopes
        return scopes | {self.offline_scope} if token_type is TokenType.OFFLINE else scopes - {self.offline_scope}

    def is_as_requested(self, token_type: TokenType, granted: frozenset[str], *, is_session_bound: bool) -> bool:
        """True when a refresh token that came with these scopes is of that type.

        A server may grant the offline scope without echoing it: then the refresh token shows that it was granted,
        unless the token itself says that it ends with the session (is_session_bound).
        """
        if self.offline_scope is None:
            return True
        if token_type is TokenType.OFFLINE:
            return self.offline_scope in granted or not is_session_bound
        return self.offline_scope not in granted

    def granted(self, token_type: TokenType, told: frozenset[str] | None, requested: frozenset[str]) -> frozenset[str]:
        """The scopes of a grant: as the server tells, or as requested when it does not (RFC 6749 section 5.1)."""
        scopes = requested if told is None else told
        is_offline = token_type is TokenType.OFFLINE and self.offline_scope is not None
        return scopes | {self.offline_scope} if is_offline and self.offline_scope else scopes

    def excess(self, requested: frozenset[str], told: frozenset[str]) -> frozenset[str]:
        """The told scopes of a token that go beyond the requested ones. Nothing requested means all."""
        return told - requested - self.unavoidable_scopes if requested else frozenset()
