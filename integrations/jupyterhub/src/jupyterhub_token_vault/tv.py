"""Access tokens in a notebook.

    from jupyterhub_token_vault import tv

    GRANT = tv.consent("my analysis")        # asks you once; keep the id
    tv.token(GRANT)                          # an access token that is valid now
    tv.requests(GRANT).get(API)              # a requests.Session that always sends such a token

The kernel proves who it is with its hub token, which the hub gives to every kernel. Tokens are kept in the memory of
the kernel's process and renewed early. Each function raises the errors of `token_vault_client`.
"""

import os
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from requests import ConnectionError as NoConnection
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

from token_vault_client import Bearer, TokenVaultClient

HUB_TOKEN = "JUPYTERHUB_API_TOKEN"  # noqa: S105 - the name of a variable
SERVICE_URL = "TOKEN_VAULT_URL"
PATIENCE_SECONDS = 120.0
"""For so long a call waits for a hub that restarts."""


class NotOnTheHubError(RuntimeError):
    """This process is no kernel of a hub that has the token vault's service."""


def token(grant: str) -> str:
    """An access token of a grant. grant: its persistent token id."""
    return vault().access_token(grant).value


def requests(grant: str) -> Session:
    """A session whose requests carry an access token of a grant. A request that is answered by 401 is sent again, once,
    with a fresh token.
    """
    session = Session()
    session.auth = vault().auth(grant)
    return session


def consent(name: str, *, scopes: Iterable[str] = (), seconds: float = 600.0) -> str:
    """Ask the notebook's owner for access. Returns the grant's id when the owner has granted it.

    The address to open is printed. Its page shows only the owner who asks and for what. name: what for, at most 100
    characters; scopes: beyond `openid`; seconds: how long it waits. Raises GrantUnusable when the owner says no,
    ConsentPending when the owner has not answered in time.
    """
    asked = vault().request_consent(name=name, scopes=scopes)
    print(f"Open {asked.url} and grant access.", flush=True)  # noqa: T201 - for the reader
    return vault().wait_for_consent(asked.persistent_token_id, seconds=seconds).persistent_token_id


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
