"""Makes authorization requests (RFC 6749 section 4.1.1) with PKCE (RFC 7636) and a nonce, bound to a browser."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from vault_service.application.ports.consent import StoredConsentRequest
from vault_service.application.ports.provider import Provider
from vault_service.domain.grant import Subject
from vault_service.domain.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """The URL at which the person consents, and the stored part of the request. browser_secret: value of the cookie,
    None without one.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    browser_secret: str | None = field(repr=False)
    stored: StoredConsentRequest


class AuthorizationRequests:
    """Makes them for all providers."""

    def __init__(self, providers: Mapping[str, Provider], terms: Mapping[str, Terms]) -> None:
        """providers, terms: by the same names."""
        self._providers = providers
        self._terms = terms

    def make(
        self,
        grant_id: UUID,
        owner: Subject,
        provider: str,
        scopes: frozenset[str],
        *,
        browser_bound: bool,
        expires_at: datetime,
    ) -> AuthorizationRequest:
        """A request of the owner's. At another issuer than the owner's it is always bound to the browser.

        Raises ProviderUnavailableError.
        """
        state, nonce, code_verifier = (secrets.token_urlsafe(32) for _ in range(3))
        is_bound = browser_bound or self._terms[provider].issuer != owner.issuer
        browser_secret = secrets.token_urlsafe(32) if is_bound else None
        url = self._providers[provider].authorization_url(
            state=state, nonce=nonce, code_challenge=code_challenge(code_verifier), scopes=scopes
        )
        stored = StoredConsentRequest(
            state_hash=digest(state),
            grant_id=grant_id,
            code_verifier=code_verifier,
            nonce=nonce,
            browser_hash=digest(browser_secret) if browser_secret else None,
            expires_at=expires_at,
        )
        return AuthorizationRequest(url=url, state=state, browser_secret=browser_secret, stored=stored)


def digest(value: str) -> bytes:
    """SHA-256 of a secret, to be stored and compared."""
    return hashlib.sha256(value.encode()).digest()


def code_challenge(code_verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(digest(code_verifier)).rstrip(b"=").decode()
