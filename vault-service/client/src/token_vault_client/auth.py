"""`requests` with a grant's tokens: `session.auth = vault.auth(persistent_token_id, subject)`."""

from collections.abc import Callable
from typing import Any

import requests
from requests.auth import AuthBase

from token_vault_client.model import FreshAccessToken


class VaultAuth(AuthBase):
    """Sends a fresh access token with each request (RFC 6750 section 2.1).

    When the API answers 401, the vault is told which token was refused, and the request is sent again, once, with
    another. A body that cannot be sent twice (a generator) is not: then the 401 is the answer.
    """

    def __init__(self, access_token: Callable[..., FreshAccessToken]) -> None:
        """access_token: `TokenVaultClient.access_token` with its arguments bound; takes `refused`."""
        self._access_token = access_token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token. Raises VaultError."""
        token = self._access_token().value
        request.headers["Authorization"] = f"Bearer {token}"
        position = _position(request.body)

        def recover(answer: requests.Response, **how: Any) -> requests.Response:
            if answer.status_code != requests.codes.unauthorized or not _carries(answer.request, token):
                return answer
            return self._once_more(answer, token, position, how)

        request.hooks["response"].append(recover)
        return request

    def _once_more(
        self, answer: requests.Response, refused: str, position: int | None, how: dict[str, Any]
    ) -> requests.Response:
        if position is None and answer.request.body is not None:
            return answer
        token = self._access_token(refused=refused).value
        if token == refused:
            return answer
        _ = answer.content  # read to the end, so that the connection is free
        answer.close()
        again = answer.request.copy()
        body: Any = again.body
        if position is not None and not isinstance(body, (str, bytes)):
            body.seek(position)
        again.headers["Authorization"] = f"Bearer {token}"
        second = answer.connection.send(again, **how)
        second.history.append(answer)
        second.request = again
        return second


def _carries(request: requests.PreparedRequest, token: str) -> bool:
    """True when the request that was answered held the token; after a redirect to another host it does not."""
    return request.headers.get("Authorization") == f"Bearer {token}"


def _position(body: Any) -> int | None:
    """The position at which a body begins; None when there is none, or when it cannot be read twice."""
    if isinstance(body, (str, bytes)):
        return 0
    try:
        return int(body.tell())
    except (AttributeError, OSError, TypeError, ValueError):
        return None
