"""The vault as an OAuth 2.0 token endpoint for tickets: unmodified OAuth clients get access tokens with one.

A ticket is the `refresh_token` of RFC 6749 section 6; answers and errors are those of section 5. RFC 7009 ends it, and
RFC 8414 describes both addresses. Client authentication of any kind is accepted and not looked at: the ticket alone is
the credential, as with a public client.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Annotated, ParamSpec, TypeVar
from urllib.parse import parse_qsl

import msgspec
from flask import Blueprint, Response, request

from service_kit.http import app as http
from service_kit.http.inputs import MAX_BODY_BYTES, Input, Output
from service_kit.http.openapi import Api
from service_kit.http.problems import problem_for
from service_kit.process import logs
from vault_service.application.errors import (
    InvalidScopeError,
    LogoutRefusedError,
    MinValidUnattainableError,
    ScopeNotNarrowedError,
    TicketMisplacedError,
    VaultServiceError,
)
from vault_service.http import callers
from vault_service.http.problems import INVALID_SCOPE, TABLE
from vault_service.http.schemas import Scope
from vault_service.http.token_schemas import TokenQuery, issued_token
from vault_service.http.vault import Vault

METADATA_PATH = "/.well-known/oauth-authorization-server"
_AUTHENTICATION = ("none", "client_secret_basic", "client_secret_post")
_MOST_FIELDS = 50

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
F = TypeVar("F", bound=Input)
P = ParamSpec("P")


class TokenForm(Input, frozen=True, kw_only=True, rename=None, forbid_unknown_fields=False):
    """RFC 6749 section 6. refresh_token: a ticket. Other parameters are ignored."""

    grant_type: Text
    refresh_token: Text | None = None
    scope: Scope = ""

    def __repr__(self) -> str:
        return "***"


class RevocationForm(Input, frozen=True, kw_only=True, rename=None, forbid_unknown_fields=False):
    """RFC 7009 section 2.1. token: a ticket. Other parameters are ignored."""

    token: Text

    def __repr__(self) -> str:
        return "***"


class OAuthToken(Output, frozen=True, kw_only=True, rename=None):
    """An access token (RFC 6749 section 5.1). expires_in: seconds; scope: separated by spaces."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str

    def __repr__(self) -> str:
        return "***"


class OAuthError(Output, frozen=True, kw_only=True, rename=None):
    """An error (RFC 6749 section 5.2). code: the vault's own code, as in problem documents, where there is one."""

    error: str
    error_description: str
    code: str | None = None

    def __repr__(self) -> str:
        return "***"


class LogoutForm(Input, frozen=True, kw_only=True, rename=None, forbid_unknown_fields=False):
    """OpenID Connect Back-Channel Logout 1.0 section 2.5. Other parameters than the token are ignored."""

    logout_token: Text

    def __repr__(self) -> str:
        return "***"


class LogoutReceived(Output, frozen=True):
    """The logout was accepted, whether or not there was anything to end (section 2.8)."""


class Revocation(Output, frozen=True):
    """The ticket has ended, or the token is none: RFC 7009 section 2.2 tells no difference."""


class ServerMetadata(Output, frozen=True, kw_only=True, rename=None):
    """RFC 8414 section 2. The only response type is `none`, because no address gives codes."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    grant_types_supported: tuple[str, ...] = msgspec.field(default_factory=lambda: ("refresh_token",))
    response_types_supported: tuple[str, ...] = msgspec.field(default_factory=lambda: ("none",))
    token_endpoint_auth_methods_supported: tuple[str, ...] = msgspec.field(default_factory=lambda: _AUTHENTICATION)
    revocation_endpoint_auth_methods_supported: tuple[str, ...] = msgspec.field(default_factory=lambda: _AUTHENTICATION)


_ERRORS: dict[int, type[Output]] = {400: OAuthError, 503: OAuthError}


@dataclass(eq=False)
class _Refusal(Exception):  # noqa: N818 - an answer, not a fault of this module
    """An error of RFC 6749 section 5.2."""

    error: str
    description: str


def add_routes(api: Api, vault: Vault, tag: str) -> None:
    """Declare `POST /token` and `POST /revoke`."""
    _token(api, vault, tag)
    _revocation(api, vault, tag)


def _token(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "POST",
        "/token",
        tag=tag,
        form=TokenForm,
        answers={200: OAuthToken, 429: OAuthError, **_ERRORS},
        raises=(TicketMisplacedError,),
        public=True,
    )
    @answering_errors
    def refresh_by_ticket() -> Response:
        """Redeem a ticket as an OAuth client.

        The ticket is the refresh token of a public client; it stays the same. Errors are those of OAuth.
        """
        form = form_of(TokenForm)
        if form.grant_type != "refresh_token":
            raise _Refusal("unsupported_grant_type", "The only grant type is refresh_token.")
        if form.refresh_token is None:
            raise _Refusal("invalid_request", "refresh_token is missing: send a ticket in it.")
        ticket = vault.presented.open(form.refresh_token)
        http.note_client(ticket.maker)
        wanted = callers.ticket_request(TokenQuery(scope=form.scope), ticket, logs.request_id.get() or "")
        token = issued_token(ticket.grant_id, vault.issue.issue(wanted), vault.now())
        answer = OAuthToken(
            access_token=token.access_token,
            token_type=token.token_type,
            expires_in=token.expires_in,
            scope=token.scope,
        )
        return http.respond(answer, headers={"Pragma": "no-cache"})


def _revocation(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "POST",
        "/revoke",
        tag=tag,
        form=RevocationForm,
        answers={200: Revocation, **_ERRORS},
        raises=(TicketMisplacedError,),
        public=True,
    )
    @answering_errors
    def revoke_ticket() -> Response:
        """End a ticket as its holder (RFC 7009).

        The answer is the same when the token is not a ticket, or has ended before.
        """
        vault.tickets.end_presented(form_of(RevocationForm).token, logs.request_id.get() or "")
        return http.respond(Revocation())


def metadata(issuer: str) -> Blueprint:
    """The metadata at the well-known address of `issuer` (RFC 8414 section 3), which has the API's path in its own."""
    routes = Blueprint("oauth", __name__)
    document = ServerMetadata(issuer=issuer, token_endpoint=f"{issuer}/token", revocation_endpoint=f"{issuer}/revoke")
    answer = msgspec.json.encode(msgspec.structs.asdict(document))  # with its defaults

    @routes.get(METADATA_PATH + "/api/auth/manager")
    def describe() -> Response:
        return Response(answer, HTTPStatus.OK, {"Cache-Control": "max-age=3600"}, content_type="application/json")

    return routes


def answering_errors(view: Callable[P, Response]) -> Callable[P, Response]:
    """Answer with the errors of RFC 6749 section 5.2."""

    @wraps(view)
    def answering(*arguments: P.args, **named: P.kwargs) -> Response:
        try:
            return view(*arguments, **named)
        except _Refusal as refusal:
            return _error(HTTPStatus.BAD_REQUEST, refusal.error, refusal.description)
        except VaultServiceError as error:
            problem = problem_for(error, TABLE)
            if problem is None:
                raise
            word = "temporarily_unavailable" if "Retry-After" in problem.headers else _word(error)
            status = problem.status if "Retry-After" in problem.headers else HTTPStatus.BAD_REQUEST
            headers = {name: value for name, value in problem.headers.items() if name == "Retry-After"}
            return _error(status, word, problem.detail, problem.code, headers)

    return answering


def _word(error: VaultServiceError) -> str:
    match error:
        case InvalidScopeError() | ScopeNotNarrowedError():
            return INVALID_SCOPE.code
        case MinValidUnattainableError() | LogoutRefusedError():
            return "invalid_request"
        case _:
            return "invalid_grant"


def _error(
    status: int, error: str, description: str, code: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    answer = OAuthError(error=error, error_description=description.replace('"', "'"), code=code)
    return http.respond(answer, status, {"Pragma": "no-cache", **(headers or {})})


def form_of(shape: type[F]) -> F:
    """The request's form. Empty parameters count as absent, repeated ones are refused (RFC 6749 section 3.2)."""
    if request.mimetype != "application/x-www-form-urlencoded":
        raise _Refusal("invalid_request", "The body must be application/x-www-form-urlencoded.")
    data = request.get_data(cache=False)
    if len(data) > MAX_BODY_BYTES:
        raise _Refusal("invalid_request", "The body is too large.")
    try:
        pairs = parse_qsl(data.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise _Refusal("invalid_request", "The body is not a form in UTF-8.") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise _Refusal("invalid_request", "A parameter is given more than once.")
    given = {name: value for name, value in pairs if value}
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        at_scope = str(error).endswith("`$.scope`")
        raise _Refusal(INVALID_SCOPE.code if at_scope else "invalid_request", _described(error)) from None


def _described(error: msgspec.ValidationError) -> str:
    detail, _, place = str(error).partition(" - at `$.")
    if "matching regex" in detail:
        detail = "Text has characters that are not allowed"
    return f"{place.rstrip('`')}: {detail}." if place else f"{detail.replace('`', '')}."
