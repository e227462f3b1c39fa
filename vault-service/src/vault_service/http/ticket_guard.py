"""Refuses tickets where they must not be: in a URL, which logs keep, and at calls that are not for tickets."""

from urllib.parse import unquote_to_bytes

from flask import request

from service_kit.http.app import LOGGED_PATH
from vault_service.application.errors import TicketMisplacedError, TicketNotAllowedError
from vault_service.domain.ticket import has_ticket, is_ticket

_API = "vault"
_OTHER_VIEWS = {
    *("issue_access_token", "refresh_by_ticket", "revoke_ticket"),
    *("receive_offline_callback", "receive_offline_callback_of_provider", "openapi"),
    *("receive_logout", "receive_logout_of_provider"),
}
"""Where a ticket is a bearer token, or where none is needed."""


def refuse_misplaced() -> None:
    """Before each request: TicketMisplacedError, TicketNotAllowedError. The log does not show a path with a ticket."""
    if has_ticket(request.path):
        request.environ[LOGGED_PATH] = "(a ticket)"
        raise TicketMisplacedError
    if has_ticket(unquote_to_bytes(request.query_string).decode("latin-1")):
        raise TicketMisplacedError
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    is_bearer = scheme.lower() in {"bearer", "dpop"} and is_ticket(credentials.lstrip(" "))
    blueprint, _, view = (request.endpoint or "").partition(".")
    if is_bearer and blueprint == _API and view not in _OTHER_VIEWS:
        raise TicketNotAllowedError
