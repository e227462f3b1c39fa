"""Callers with state: they refresh through the vault, or directly at the authorization server.

Both cycle through the same subsets of the scopes. The vault caches an access token for each subset, and each caller
returns to a subset only when its token lives shorter than `min_valid`, so every answer costs one refresh.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, cycle, product
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests
from api import MANAGER
from person import Person, query
from stack import TIMEOUT, Stack

from bench.load import Get

FRESH_SECONDS = {"dev": 2}
FRESH_SECONDS_OF_OTHERS = 5
"""Age in seconds at which a cached token is refreshed, by authorization server: longer than a refresh takes, and
less than the time until a caller returns to that token."""


@dataclass
class ThroughVault:
    """A service that requests fresh tokens of some grants, one after another."""

    access_token: Get
    grants: Sequence[str]
    min_valid: int
    scopes: Sequence[str]
    _targets: Iterator[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._targets = cycle(product(subsets(self.scopes), self.grants))

    @property
    def origin(self) -> str:
        """The vault."""
        return self.access_token.origin

    def request(self) -> bytes:
        """The next grant and scopes."""
        scope, grant = next(self._targets)
        address = urlsplit(self.access_token.url)
        subject = query(self.access_token.url)["subject"]
        wish = urlencode({"id": grant, "subject": subject, "min_valid": self.min_valid, "scope": scope})
        return Get(f"{address.scheme}://{address.netloc}{address.path}?{wish}", self.access_token.headers).request()

    def take(self, body: bytes) -> None:
        """This caller has no state."""


@dataclass
class ByTurns:
    """A caller that requests cached tokens of many grants, one after another."""

    gets: Sequence[Get]
    _next: Iterator[Get] = field(init=False)

    def __post_init__(self) -> None:
        self._next = cycle(self.gets)

    @property
    def origin(self) -> str:
        """The vault."""
        return self.gets[0].origin

    def request(self) -> bytes:
        """The next grant."""
        return next(self._next).request()

    def take(self, body: bytes) -> None:
        """This caller has no state."""


@dataclass
class AtTheServer:
    """The vault's client, which refreshes directly: each token is used once and replaced by the new one.

    tokens: those of all callers; mine: the indexes of this caller's tokens.
    """

    token_endpoint: str
    client: tuple[str, str]
    tokens: list[str]
    mine: Sequence[int]
    scopes: Sequence[str]
    _targets: Iterator[tuple[str, int]] = field(init=False)
    _token: int = field(init=False, default=0)
    _basic: str = field(init=False)

    def __post_init__(self) -> None:
        self._targets = cycle(product(subsets(self.scopes), self.mine))
        credentials = ":".join(quote(part, safe="") for part in self.client)
        self._basic = base64.b64encode(credentials.encode()).decode()

    @property
    def origin(self) -> str:
        """The authorization server."""
        address = urlsplit(self.token_endpoint)
        return f"{address.scheme}://{address.netloc}"

    def request(self) -> bytes:
        """A refresh with the next token."""
        scope, self._token = next(self._targets)
        form = {"grant_type": "refresh_token", "refresh_token": self.tokens[self._token], "scope": scope}
        body = urlencode(form)
        address = urlsplit(self.token_endpoint)
        lines = (
            f"POST {address.path} HTTP/1.1",
            f"Host: {address.netloc}",
            f"Authorization: Basic {self._basic}",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
        )
        return "\r\n".join((*lines, "", body)).encode()

    def take(self, body: bytes) -> None:
        """Store the rotated token."""
        self.tokens[self._token] = json.loads(body)["refresh_token"]


def subsets(scopes: Sequence[str]) -> list[str]:
    """All `scope` strings of non-empty subsets of the scopes."""
    return [" ".join(some) for size in range(1, len(scopes) + 1) for some in combinations(scopes, size)]


def token_endpoint(stack: Stack) -> str:
    """The token endpoint's URL."""
    return f"{stack['ISSUER']}/protocol/openid-connect/token"


def offline_token(stack: Stack, person: Person, scopes: Sequence[str]) -> str:
    """An offline token for the vault's client, obtained by the vault's flow but not through the vault."""
    verifier = secrets.token_urlsafe(48)
    callback = f"{stack['PUBLIC_URL']}{MANAGER}/offline-callback"
    asked = {
        "response_type": "code",
        "client_id": stack["VAULT_CLIENT_ID"],
        "redirect_uri": callback,
        "scope": " ".join(scopes),
        "state": secrets.token_urlsafe(16),
        "code_challenge": _encoded(hashlib.sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
        "prompt": "consent",
    }
    url = f"{stack['ISSUER']}/protocol/openid-connect/auth?{urlencode(asked)}"
    code = query(person.grant(url, stop_at=callback))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "code_verifier": verifier}
    client = (stack["VAULT_CLIENT_ID"], stack["VAULT_CLIENT_SECRET"])
    answer = requests.post(token_endpoint(stack), data=form, auth=client, timeout=TIMEOUT)
    answer.raise_for_status()
    return str(answer.json()["refresh_token"])


def claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, not verified: it was fetched a moment ago."""
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
