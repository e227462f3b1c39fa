"""Access tokens in a notebook.

    from jupyterhub_token_vault import tv

    tv.token(GRANT)                          # an access token that is valid now
    tv.requests(GRANT).get(API)              # a requests.Session that always sends such a token

The kernel proves who it is with its hub token, which the hub gives to every kernel. Tokens are kept in the memory of
the kernel's process and renewed early. Each function raises the errors of `token_vault_client`.
"""

import os
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
    """A session whose requests carry an access token of a grant; a request that is answered by 401 is sent once more
    with a fresh token.
    """
    session = Session()
    session.auth = vault().auth(grant)
    return session


@lru_cache(maxsize=1)
def vault() -> TokenVaultClient:
    """The client that the other functions use: the vault, as this kernel's owner sees it. Raises NotOnTheHubError."""
    try:
        address, hub_token = os.environ[SERVICE_URL], os.environ[HUB_TOKEN]
    except KeyError as error:
        raise NotOnTheHubError(
            f"{error.args[0]} is not set: run this in a notebook of a hub that has the token vault's service"
        ) from None
    session = Session()
    session.trust_env = False
    session.mount(address, _ProxyAdapter())
    return TokenVaultClient(address, Bearer(hub_token), session=session, patience=PATIENCE_SECONDS)


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
