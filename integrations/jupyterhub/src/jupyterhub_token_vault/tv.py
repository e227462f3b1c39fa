"""Access tokens in a notebook.

    from jupyterhub_token_vault import tv

    GRANT = tv.consent("my analysis")        # asks you once; keep the id
    tv.token(GRANT)                          # an access token that is valid now
    tv.requests(GRANT).get(API)              # a requests.Session that always sends such a token

The kernel proves who it is with its hub token, which the hub gives to every kernel. Tokens are kept in the memory of
the kernel's process and renewed early. Each function raises the errors of `token_vault_client`.
"""

import json
import os
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from requests import ConnectionError as NoConnection
from requests import PreparedRequest, RequestException, Response, Session
from requests.adapters import HTTPAdapter

from token_vault_client import Bearer, ConsentPending, NotAllowed, TokenVaultClient, VaultUnavailable

HUB_TOKEN = "JUPYTERHUB_API_TOKEN"  # noqa: S105 - the name of a variable
SERVICE_URL = "TOKEN_VAULT_URL"
POLL_SECONDS = 1.0
PATIENCE_SECONDS = 120.0
"""For so long a call waits for a hub that restarts."""


class NotOnTheHubError(RuntimeError):
    """This process is no kernel of a hub that has the token vault's service."""


def token(grant: str) -> str:
    """An access token of a grant. grant: its persistent token id."""
    return vault().access_token(grant).value


def requests(grant: str) -> Session:
    """A session whose requests carry an access token of a grant; a request that is answered by 401 is sent once more
    with a fresh token.
    """
    session = Session()
    session.auth = vault().auth(grant)
    return session


def consent(name: str, *, scopes: Iterable[str] = (), seconds: float = 600.0) -> str:
    """Ask the notebook's owner for access; the grant's id, when they have granted it.

    The address to open is printed. name: what for, at most 200 characters; scopes: beyond `openid`; seconds: how long
    it waits. Raises GrantUnusable when the owner says no, ConsentPending when nobody has answered in time.
    """
    client, ends = vault(), time.monotonic() + seconds
    body = json.dumps({"name": name, "scopes": sorted(scopes)}).encode()
    asked = _service("POST", "/api/consents", body)["consent"]
    print(f"Open {os.environ[SERVICE_URL]}/consent/{asked} and grant access.", flush=True)  # noqa: T201 - for the reader
    grant = ""
    while time.monotonic() < ends:
        try:
            grant = grant or _service("GET", f"/api/consents/{asked}").get("persistentTokenId", "")
            if grant:
                client.access_token(grant)
                return grant
        except ConsentPending:
            pass
        time.sleep(POLL_SECONDS)
    raise ConsentPending("consent_pending", f"nobody has answered within {seconds:.0f} s")


def _service(method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
    """One call of the hub's service, beside those of the vault. Raises VaultError."""
    headers = {"Authorization": f"Bearer {os.environ[HUB_TOKEN]}", "Content-Type": "application/json"}
    with _session() as session:
        try:
            answer = session.request(method, os.environ[SERVICE_URL] + path, data=body, headers=headers, timeout=30)
            members: dict[str, Any] = answer.json()
        except RequestException as error:
            raise VaultUnavailable("vault_unavailable", f"the hub does not answer ({type(error).__name__})") from None
    if answer.status_code >= 400:
        raise NotAllowed(members["code"], members["detail"])
    return members


@lru_cache(maxsize=1)
def vault() -> TokenVaultClient:
    """The client that the other functions use: the vault, as this kernel's owner sees it. Raises NotOnTheHubError."""
    try:
        address, hub_token = os.environ[SERVICE_URL], os.environ[HUB_TOKEN]
    except KeyError as error:
        raise NotOnTheHubError(
            f"{error.args[0]} is not set: run this in a notebook of a hub that has the token vault's service"
        ) from None
    return TokenVaultClient(address, Bearer(hub_token), session=_session(), patience=PATIENCE_SECONDS)


def _session() -> Session:
    """Connections that read nothing from the environment."""
    session = Session()
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, _ProxyAdapter())
    return session


class HubUnavailable(NoConnection):
    """The hub's proxy does not know the service now."""


class _ProxyAdapter(HTTPAdapter):
    """Treats a 404 that is not the service's as no answer: the proxy gives it while the hub restarts."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        answer = super().send(request, *args, **kwargs)
        is_problem = answer.headers.get("Content-Type", "").startswith("application/problem+json")
        if answer.status_code == 404 and not is_problem:
            answer.close()
            raise HubUnavailable(f"no service at {request.url}")
        return answer
