"""The redirection endpoints (RFC 6749 section 3.1.2): every answer is a redirect to the page.

Each provider has a redirect URI of its own, so that an authorization server cannot have another one's code delivered as
its own (mix-up: RFC 9700 section 4.4). The page's paths are fixed; no part of the request chooses where the browser
goes, except among the addresses that the operator has listed for a service (`domain.return_address`).
"""

import hashlib
from urllib.parse import urlencode

from flask import Response, request
from werkzeug.http import dump_cookie

from service_kit.http.problems import INTERNAL_ERROR, PROVIDER_UNAVAILABLE
from service_kit.process import logs
from vault_service.application.consent import Callback, ConsentGranted, ConsentKept, ConsentStarted
from vault_service.application.errors import CONSENT_INVALID, ConsentError, StorageUnavailableError, VaultServiceError
from vault_service.domain.grant import Failure
from vault_service.domain.return_address import ReturnTo, is_listed
from vault_service.http.vault import Vault

log = logs.get(__name__)

CALLBACK_PATH = "/api/auth/manager/offline-callback"
PAGE = "/tasks"
CONFIRMATION_PAGE = "/consent/confirm"
COOKIE_SECONDS = 600


def callback_path(provider: str, default: str) -> str:
    """The path of a provider's redirect URI. default: the provider whose redirect URI has no name in it."""
    return CALLBACK_PATH if provider == default else f"{CALLBACK_PATH}/{provider}"


def receive(vault: Vault, provider: str) -> Response:
    """Receive the answer at a provider's redirect URI, and redirect to the page, or to the service that asked.

    The page gets the persistent token id, the code of the failure, or, in the fragment, what it needs to confirm: a
    fragment reaches no server and no log.
    """
    state = request.args.get("state", "")
    cookie = BindingCookie.of(state, is_https=vault.is_https)
    try:
        outcome = vault.consent.complete(
            Callback(
                provider=provider,
                unverified_state=state,
                unverified_issuer=request.args.get("iss"),
                code=request.args.get("code"),
                error=request.args.get("error"),
                browser_secret=request.cookies.get(cookie.name),
                request_id=logs.request_id.get() or "",
            )
        )
    except ConsentError as error:
        log.info("consent.not_granted", code=error.code)
        is_used_up = error.code != CONSENT_INVALID
        location = _of_service(vault, error.back, error.code)
        page = f"{PAGE}?{_query(error=error.code, task_id=error.task_id)}"
        return _redirect(cookie, location or page, take_back=is_used_up)
    except StorageUnavailableError:
        return _redirect(cookie, f"{PAGE}?{_query(error=PROVIDER_UNAVAILABLE.code)}")
    except VaultServiceError:
        log.exception("consent.failed")
        return _redirect(cookie, f"{PAGE}?{_query(error=INTERNAL_ERROR.code)}")
    if isinstance(outcome, ConsentKept):
        return _redirect(cookie, f"{CONFIRMATION_PAGE}#{_query(id=str(outcome.grant_id), secret=outcome.secret)}")
    return _redirect(cookie, granted_location(vault, outcome))


def granted_location(vault: Vault, granted: ConsentGranted) -> str:
    """The location for the browser after a grant became active."""
    page = f"{PAGE}?{_query(persistent_token_id=str(granted.grant_id), task_id=granted.task_id)}"
    return _of_service(vault, granted.back, "active") or page


def declined_location(vault: Vault, back: ReturnTo | None) -> str:
    """The location for the browser after a no."""
    return _of_service(vault, back, Failure.CONSENT_DENIED.value) or PAGE


def _of_service(vault: Vault, back: ReturnTo | None, outcome: str) -> str | None:
    """The service's address, if it is still listed; None for the page."""
    settings = vault.services.get(back.service) if back else None
    if back is None or settings is None or not is_listed(back.address, settings.return_to):
        return None
    return back.with_outcome(outcome)


class BindingCookie:
    """The cookie that binds one consent request to a browser; two requests in one browser have two.

    With https its name begins with `__Host-` (RFC 6265bis section 4.1.3.2), which keeps other hosts of the domain, and
    pages without TLS, from setting it. Without https nothing does: what follows must not rest on the cookie alone.
    """

    def __init__(self, name: str, path: str, *, secure: bool) -> None:
        self.name = name
        self._path = path
        self._secure = secure

    @classmethod
    def of(cls, state: str, *, is_https: bool) -> "BindingCookie":
        """The cookie of the request with that state."""
        name = f"consent_{hashlib.sha256(state.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
        return cls(f"__Host-{name}", "/", secure=True) if is_https else cls(name, CALLBACK_PATH, secure=False)

    def set(self, value: str, seconds: int) -> str:
        """A Set-Cookie value; 0 seconds take the cookie back."""
        return dump_cookie(
            self.name, value, max_age=seconds, path=self._path, secure=self._secure, httponly=True, samesite="Lax"
        )


def binding_cookie(started: ConsentStarted, *, is_https: bool) -> str:
    """The Set-Cookie value that binds the consent request to this browser."""
    return BindingCookie.of(started.state, is_https=is_https).set(started.browser_secret or "", COOKIE_SECONDS)


def _query(**parameters: str | None) -> str:
    return urlencode({name: value for name, value in parameters.items() if value is not None})


def _redirect(cookie: BindingCookie, location: str, *, take_back: bool = True) -> Response:
    """take_back: False while the request can still be answered by this browser."""
    response = Response(status=303, headers={"Location": location, "Referrer-Policy": "no-referrer"})
    if take_back and cookie.name in request.cookies:
        response.headers.add("Set-Cookie", cookie.set("", 0))
    return response
