"""Consents that a kernel asks for.

The vault takes a person's request for a consent. So the person's browser signs in once more at the authorization
server, with the hub's client (OpenID Connect's code flow, RFC 7636), usually without a question. The access token of
this sign-in makes the request, and is dropped. A consent that another person opens is refused: the `sub` must be the
kernel's owner's. Consents that were asked for are kept in memory, for ten minutes.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from jupyterhub_token_vault.upstream import MANAGER, LoginIssuer, ProblemError, Settings

LIFE_SECONDS = 600.0
MAX_CONSENTS = 10_000


@dataclass
class Consent:
    """A consent that was asked for. subject: the kernel's owner; grant: its id, as soon as the owner has signed in."""

    subject: str
    name: str
    scopes: Sequence[str]
    ends: float
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    grant: str | None = None


class PendingConsents:
    """The consents that were asked for, by an id that nobody can guess."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient, issuer: LoginIssuer) -> None:
        self._settings = settings
        self._http = http
        self._issuer = issuer
        self._known: dict[str, Consent] = {}
        self._callback = f"{settings.own_url}/callback"

    def ask(self, subject: str, name: str, scopes: Sequence[str]) -> str:
        """Remember a consent; its id. Raises ProblemError when too many wait."""
        now = time.monotonic()
        self._known = {key: consent for key, consent in self._known.items() if consent.ends > now}
        if len(self._known) >= MAX_CONSENTS:
            raise ProblemError(503, "vault_unavailable", "Too many consents wait for their owners.")
        key = secrets.token_urlsafe(32)
        self._known[key] = Consent(subject, name, scopes, now + LIFE_SECONDS)
        return key

    def grant_of(self, key: str, subject: str) -> str | None:
        """The grant of a consent of that person; None before they have signed in. Raises ProblemError."""
        consent = self._find(key)
        if consent.subject != subject:
            raise _unknown()
        return consent.grant

    async def sign_in_url(self, key: str) -> str:
        """Where the browser goes first. Raises ProblemError, httpx.HTTPError."""
        consent = self._find(key)
        digest = hashlib.sha256(consent.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._callback,
            "scope": "openid",
            "state": key,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{await self._issuer.endpoint('authorization_endpoint')}?{urlencode(query)}"

    async def consent_url(self, key: str, code: str) -> str:
        """Where the person whom the code stands for goes next. Raises ProblemError, httpx.HTTPError."""
        consent = self._find(key)
        tokens = await self._redeem(code, consent.verifier)
        if _subject(tokens["id_token"]) != consent.subject:
            raise ProblemError(403, "wrong_user", "This consent was asked for by another person. Sign in as them.")
        answer = await self._http.post(
            f"{self._settings.vault_url}{MANAGER}/offline-consent",
            headers={"Authorization": f"Bearer {tokens['access_token']}"},
            json={
                "taskId": f"{self._settings.client_id}:{consent.name}",
                "services": [self._settings.client_id],
                **({"scopes": list(consent.scopes)} if consent.scopes else {}),
            },
        )
        asked = answer.json()
        if answer.status_code != 200:
            raise ProblemError(answer.status_code, asked.get("code", "bad_request"), asked.get("detail", ""))
        consent.grant = asked["persistentTokenId"]
        return str(asked["consentUrl"])

    def _find(self, key: str) -> Consent:
        consent = self._known.get(key)
        if consent is None or consent.ends <= time.monotonic():
            raise _unknown()
        return consent

    async def _redeem(self, code: str, verifier: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "code_verifier": verifier,
        }
        answer = await self._http.post(
            await self._issuer.endpoint("token_endpoint"),
            data=form,
            auth=(self._settings.client_id, self._settings.client_secret()),
        )
        if answer.status_code != 200:
            raise ProblemError(403, "forbidden", "The authorization server did not sign you in. Run the cell again.")
        tokens: dict[str, Any] = answer.json()
        return tokens


def _subject(id_token: str) -> str:
    """Whom an ID token is about. It comes from the token endpoint itself (OpenID Connect Core section 3.1.3.7, 6)."""
    payload = id_token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])


def _unknown() -> ProblemError:
    return ProblemError(404, "not_found", "There is no such consent, or ten minutes are over. Run the cell again.")
