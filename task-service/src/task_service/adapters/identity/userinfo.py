"""The authorization server's userinfo endpoint, called with the token in question."""

import msgspec
import requests

from service_kit.outbound.session import Session
from service_kit.tokens.issuer import Issuer, IssuerMismatchError, IssuerUnavailableError
from task_service.application.errors import HandlerError
from task_service.application.ports.vault import OwnerToken

TIMEOUT = (2.0, 10.0)
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that say nothing about the token: another attempt may get another answer."""


class _UserInfo(msgspec.Struct, frozen=True):
    sub: str
    preferred_username: str | None = None
    name: str | None = None


class UserinfoEndpoint:
    """`application.ports.UserinfoSource`."""

    def __init__(self, issuer: Issuer, session: Session) -> None:
        self._issuer = issuer
        self._session = session

    def who(self, token: OwnerToken) -> tuple[str, str]:
        """`sub` and a name to show."""
        try:
            endpoint = self._issuer.metadata().userinfo_endpoint or ""
            answer = self._session.get(
                self._issuer.backchannel(endpoint), headers={"Authorization": f"Bearer {token.value}"}, timeout=TIMEOUT
            )
        except (IssuerUnavailableError, IssuerMismatchError, requests.RequestException):
            raise HandlerError("The authorization server does not answer.", can_pass=True) from None
        if answer.status_code != requests.codes.ok:
            can_pass = answer.status_code in PASSING
            message = f"The authorization server does not accept the access token ({answer.status_code})."
            raise HandlerError(message, can_pass=can_pass)
        try:
            info = msgspec.json.decode(answer.content, type=_UserInfo)
        except msgspec.MsgspecError:
            raise HandlerError("The authorization server does not say whose token it is.") from None
        return info.sub, info.preferred_username or info.name or info.sub
