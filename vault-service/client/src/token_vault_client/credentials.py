"""How a service proves who it is to the vault: with an access token of its own (RFC 6749 section 4.4)."""

import threading
import time
from typing import Protocol
from urllib.parse import quote

import requests

from token_vault_client.errors import VaultUnavailable

RENEW_BEFORE_SECONDS = 30.0


class Credentials(Protocol):
    """Gives the bearer token for a call."""

    def bearer(self) -> str:
        """A token that is valid now. Raises VaultUnavailable."""
        ...

    def forget(self) -> None:
        """The last token was not accepted."""
        ...


class ClientCredentials:
    """A client's own token, fetched when needed and kept until shortly before it expires; safe to share by threads."""

    def __init__(
        self,
        token_endpoint: str,
        client_id: str,
        client_secret: str,
        *,
        session: requests.Session | None = None,
        timeout: tuple[float, float] = (2.0, 10.0),
    ) -> None:
        self._token_endpoint = token_endpoint
        # RFC 6749 section 2.3.1: both are form-encoded before they become a user name and a password.
        self._authentication = (quote(client_id, safe=""), quote(client_secret, safe=""))
        self._session = session or requests.Session()
        self._timeout = timeout
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = float("-inf")

    def bearer(self) -> str:
        """A token that is valid now; one caller fetches it while the others wait. Raises VaultUnavailable."""
        if time.monotonic() >= self._renew_at:
            with self._lock:
                if time.monotonic() >= self._renew_at:
                    self._fetch()
        return self._token

    def forget(self) -> None:
        """Fetch anew for the next call."""
        self._renew_at = float("-inf")

    def _fetch(self) -> None:
        started = time.monotonic()
        try:
            answer = self._session.post(
                self._token_endpoint,
                data={"grant_type": "client_credentials"},
                auth=self._authentication,
                timeout=self._timeout,
                allow_redirects=False,
            )
            body = answer.json()
            token, lifetime = str(body["access_token"]), float(body.get("expires_in", 60))
        except (requests.RequestException, ValueError, KeyError, TypeError):
            detail = "the authorization server gives this client no token now"
            raise VaultUnavailable("provider_unavailable", detail) from None
        self._token = token
        self._renew_at = started + max(lifetime - RENEW_BEFORE_SECONDS, lifetime / 2)
