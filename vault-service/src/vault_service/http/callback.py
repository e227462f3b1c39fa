"""The redirection endpoint (RFC 6749 section 3.1.2): every answer is a redirect to the page.

The page's path is fixed; no part of the request chooses where the browser goes.
"""

import hashlib
from urllib.parse import urlencode

from flask import Response, request
from werkzeug.http import dump_cookie

from service_kit.http.problems import INTERNAL_ERROR, PROVIDER_UNAVAILABLE
from service_kit.process import logs
from vault_service.application.consent import Callback, ConsentStarted, OfflineConsent
from vault_service.application.errors import ConsentError, StorageUnavailableError, VaultError

log = logs.get(__name__)

CALLBACK_PATH = "/api/auth/manager/offline-callback"
PAGE = "/tasks"
COOKIE_SECONDS = 600


def receive(consent: OfflineConsent) -> Response:
    """Complete the consent and redirect to the page, with the persistent token id or with the code of the failure."""
    state = request.args.get("state", "")
    try:
        granted = consent.complete(
            Callback(
                unverified_state=state,
                unverified_issuer=request.args.get("iss"),
                code=request.args.get("code"),
                error=request.args.get("error"),
                browser_secret=request.cookies.get(cookie_name(state)),
                request_id=logs.request_id.get() or "",
            )
        )
    except ConsentError as error:
        log.info("consent.not_granted", code=error.code)
        return _to_page(state, error=error.code, task_id=error.task_id)
    except StorageUnavailableError:
        return _to_page(state, error=PROVIDER_UNAVAILABLE.code)
    except VaultError:
        log.exception("consent.failed")
        return _to_page(state, error=INTERNAL_ERROR.code)
    return _to_page(state, persistent_token_id=str(granted.grant_id), task_id=granted.task_id)


def cookie_name(state: str) -> str:
    """The name of the cookie for one consent request, so that two in one browser do not overwrite each other."""
    return f"consent_{hashlib.sha256(state.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def binding_cookie(started: ConsentStarted, *, secure: bool) -> str:
    """The Set-Cookie value that binds the consent request to this browser."""
    return _cookie(started.state, started.browser_secret or "", COOKIE_SECONDS, secure=secure)


def _cookie(state: str, value: str, seconds: int, *, secure: bool) -> str:
    return dump_cookie(
        cookie_name(state),
        value,
        max_age=seconds,
        path=CALLBACK_PATH,
        secure=secure,
        httponly=True,
        samesite="Lax",
    )


def _to_page(state: str, **parameters: str | None) -> Response:
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    response = Response(status=303, headers={"Location": f"{PAGE}?{query}", "Referrer-Policy": "no-referrer"})
    if cookie_name(state) in request.cookies:
        response.headers.add("Set-Cookie", _cookie(state, "", 0, secure=False))
    return response
