"""Credentials with which a caller proves its identity to the vault. Each kind brings the bearer token of a call.

| class | for |
|---|---|
| `ClientCredentials` | a service with a client secret (RFC 6749 section 4.4) |
| `PrivateKeyJwt` | a service with a key instead of a secret (RFC 7523 section 2.2) |
| `Bearer` | a token at hand: a person's access token, say, or a function that gives it |
| `Ticket` | the bearer of a ticket `tvt_…`, a credential for one grant |
| `TokenFile` | a file whose content is replaced from time to time: Kubernetes' projected tokens, a ticket |
"""

import hashlib
import os
import time
from base64 import b64encode
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote
from uuid import uuid4

from token_vault_client import wire
from token_vault_client.cache import Fetched, TokenCache
from token_vault_client.dpop import DPoPKey, exchange
from token_vault_client.errors import NotAuthenticated, UnexpectedAnswer, VaultError, VaultUnavailable
from token_vault_client.extras import extra
from token_vault_client.flow import Flow, HttpAnswer, Request, clock
from token_vault_client.model import FreshAccessToken

TICKET_PREFIX = "tvt_"
ASSERTION_SECONDS = 60
MAX_TOKEN_FILE_BYTES = 64 * 1024
_REFUSALS = {
    *("invalid_client", "unauthorized_client", "invalid_grant", "invalid_scope", "invalid_request"),
    "invalid_dpop_proof",
}


class Credentials(Protocol):
    """Gives the bearer token of a call.

    Credentials whose token is bound to a key have it in the attribute `dpop`; others need none.
    """

    @property
    def identity(self) -> Hashable:
        """Equal for credentials that may share cached tokens; never a secret in the clear. Raises NotAuthenticated."""
        ...

    def bearer(self, cache: TokenCache) -> Flow[str]:
        """A token that is valid now. Raises NotAuthenticated and VaultUnavailable."""
        ...

    def forget(self, cache: TokenCache) -> None:
        """The last token was not accepted: bring another one, if there is one."""
        ...


class ClientCredentials:
    """A client's own token, by its secret (RFC 6749 section 4.4); kept in the cache, fetched by one caller."""

    def __init__(
        self,
        token_endpoint: str | Callable[[], str],
        client_id: str,
        client_secret: str,
        *,
        parameters: Mapping[str, str] | None = None,
        dpop: DPoPKey | None = None,
    ) -> None:
        """token_endpoint: its URL, or a function that gives it when it is first needed and may raise VaultUnavailable.

        parameters: further fields of the request, such as `scope`, or `resource` (RFC 8707); dpop: have the token bound
        to this key.
        """
        self._token_endpoint = token_endpoint
        self._client_id = client_id
        self._parameters = dict(parameters or {})
        self._secret = client_secret
        self.dpop = dpop
        self.identity: Hashable = (
            "client_secret",
            dpop.thumbprint if dpop else None,
            token_endpoint,
            client_id,
            _digest(client_secret),
            tuple(sorted(self._parameters.items())),
        )

    def bearer(self, cache: TokenCache) -> Flow[str]:
        """The cached token, or a new one. Raises NotAuthenticated and VaultUnavailable."""
        token = yield from cache.obtain(self.identity, self._fetch)
        return token.value

    def forget(self, cache: TokenCache) -> None:
        """Fetch anew for the next call."""
        cache.forget(self.identity)

    def _proof(self, endpoint: str) -> tuple[Mapping[str, str], Mapping[str, str]]:  # noqa: ARG002 - PrivateKeyJwt's
        """Form fields and headers. RFC 6749 section 2.3.1: id and secret are form-encoded, then joined."""
        pair = f"{quote(self._client_id, safe='')}:{quote(self._secret, safe='')}"
        return {}, {"Authorization": "Basic " + b64encode(pair.encode()).decode()}

    def _fetch(self, _urgent: bool) -> Flow[Fetched]:
        endpoint = self._token_endpoint if isinstance(self._token_endpoint, str) else self._token_endpoint()

        def build() -> Request:
            fields, headers = self._proof(endpoint)
            return wire.form(endpoint, {"grant_type": "client_credentials", **self._parameters, **fields}, headers)

        return (yield from _own_token(build, self.dpop))


class PrivateKeyJwt(ClientCredentials):
    """A client's own token, by a signed assertion (RFC 7523 section 2.2); needs the extra `private-key-jwt`."""

    def __init__(
        self,
        token_endpoint: str | Callable[[], str],
        client_id: str,
        private_key: str | Path,
        *,
        algorithm: str = "RS256",
        key_id: str | None = None,
        audience: str | None = None,
        parameters: Mapping[str, str] | None = None,
        dpop: DPoPKey | None = None,
    ) -> None:
        """private_key: PEM, or the path of a file that holds it; audience: by default the token endpoint.

        Raises NotAuthenticated when the file cannot be read, ValueError when it holds no key for that algorithm.
        """
        with extra("private-key-jwt"):
            from joserfc import jwk  # noqa: PLC0415 - an extra

        pem = _content(private_key) if isinstance(private_key, Path) else private_key
        super().__init__(token_endpoint, client_id, pem, parameters=parameters, dpop=dpop)
        kind: Any = jwk.ECKey if algorithm.startswith("ES") else jwk.RSAKey
        try:
            self._key = kind.import_key(pem)
        except Exception as error:
            raise ValueError(f"the private key is not a PEM key for {algorithm}") from error
        self._header = {"alg": algorithm, "typ": "JWT", **({"kid": key_id} if key_id else {})}
        self._audience = audience
        self.identity = ("private_key_jwt", self.identity, algorithm, key_id, audience)

    def _proof(self, endpoint: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        from joserfc import jwt  # noqa: PLC0415 - an extra

        now = int(time.time())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._audience or endpoint,
            "jti": str(uuid4()),
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        assertion = jwt.encode(self._header, claims, self._key, algorithms=[self._header["alg"]])
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        fields = {"client_id": self._client_id, "client_assertion_type": kind, "client_assertion": assertion}
        return fields, {}


class Bearer:
    """A token at hand. token: the text, or a function that gives the current one and may raise NotAuthenticated.

    dpop: the key that the token is bound to, if it is.
    """

    def __init__(self, token: str | Callable[[], str], *, dpop: DPoPKey | None = None) -> None:
        self._token = token
        self.dpop = dpop

    @property
    def identity(self) -> Hashable:
        """By the token itself."""
        return "bearer", _digest(self._current())

    def bearer(self, cache: TokenCache) -> Flow[str]:  # noqa: ARG002 - nothing is kept
        """The token."""
        yield from ()
        return self._current()

    def forget(self, cache: TokenCache) -> None:
        """There is no other."""

    def _current(self) -> str:
        return self._token if isinstance(self._token, str) else self._token()


class TicketCredentials(Bearer):
    """A ticket `tvt_…`: the bearer for one grant, whose id need not be named. Raises ValueError for other text."""

    def __init__(self, ticket: str) -> None:
        if not ticket.startswith(TICKET_PREFIX):
            raise ValueError(f"a ticket begins with {TICKET_PREFIX}; this text does not")
        super().__init__(ticket)


class TokenFile(Bearer):
    """A token or ticket in a file, read again when the file has changed."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._version: tuple[int, int, int] | None = None
        self._read = ""
        super().__init__(self._content)

    def forget(self, cache: TokenCache) -> None:  # noqa: ARG002 - nothing is kept there
        """Read again, even if the file looks the same."""
        self._version = None

    def _content(self) -> str:
        try:
            found = self._path.stat()
        except OSError as error:
            raise _unreadable(self._path, error.strerror or "") from None
        version = (found.st_mtime_ns, found.st_ino, found.st_size)
        if version != self._version:
            self._read = _content(self._path)
            self._version = version
        return self._read


def _content(path: Path) -> str:
    """The text of a small file, without white space around it. Raises NotAuthenticated."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_TOKEN_FILE_BYTES + 1).decode("ascii").strip()
    except OSError as error:
        raise _unreadable(path, error.strerror or "") from None
    except UnicodeDecodeError:
        raise _unreadable(path, "it is not text in ASCII") from None
    if not text or len(text) > MAX_TOKEN_FILE_BYTES:
        raise _unreadable(path, "it is empty" if not text else f"it is larger than {MAX_TOKEN_FILE_BYTES} bytes")
    return text


def _unreadable(path: Path, why: str) -> NotAuthenticated:
    return NotAuthenticated("credentials_unreadable", f"{path} gives no credentials: {why}")


def _own_token(build: Callable[[], Request], key: DPoPKey | None) -> Flow[Fetched]:
    """The token that a token endpoint answers with (RFC 6749 section 5). key: that it must be bound to."""
    started = clock()
    answer = yield from exchange(build, key)
    if not isinstance(answer, HttpAnswer):
        detail = f"the authorization server does not answer ({answer.reason if answer else ''})"
        raise VaultUnavailable("provider_unavailable", detail)
    try:
        body = wire.members(answer)
        value, life = body["access_token"], float(body.get("expires_in", 60))
    except (UnexpectedAnswer, KeyError, TypeError, ValueError):
        raise _no_token(answer) from None
    if answer.status != 200 or not isinstance(value, str):
        raise _no_token(answer)
    if key is not None and str(body.get("token_type")).lower() != "dpop":  # RFC 9449 section 5
        raise NotAuthenticated(
            "token_not_bound", "the authorization server does not bind this client's tokens to a key"
        )
    expires_at = wire.moment_after(life)
    return Fetched(FreshAccessToken(value, expires_at, frozenset()), started, started + life)


def _no_token(answer: HttpAnswer) -> VaultError:
    try:
        body = wire.members(answer)
    except UnexpectedAnswer:
        body = {}
    if answer.status in {400, 401, 403} and body.get("error") in _REFUSALS:
        detail = f"the authorization server refuses this client: {body['error']}"
        return NotAuthenticated("credentials_refused", detail)
    detail = f"the authorization server gives this client no token now (status {answer.status})"
    return VaultUnavailable("provider_unavailable", detail, wire.retry_after(answer.headers))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
