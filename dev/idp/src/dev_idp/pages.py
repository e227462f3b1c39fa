"""The pages for people: rendering, security headers, and the token against cross-site request forgery."""

import hmac
import secrets
from typing import Any

from flask import abort, make_response, render_template, request
from werkzeug.wrappers import Response

# No form-action: browsers apply it to the redirect after a form too, and that redirect goes to the client.
_CSP = "default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'"
SIGN_IN = "Sign in to your account"
SORRY = "We are sorry…"


class Pages:
    """The pages and cookies of one realm."""

    def __init__(self, realm: str, port: int | None) -> None:
        """port: part of the cookies' names, because all ports of a host share cookies."""
        self._path = f"/realms/{realm}"
        self._login_cookie = f"DEV_IDP_LOGIN_{port}"
        self._form_cookie = f"DEV_IDP_FORM_{port}"

    def show(self, template: str, status: int = 200, **values: Any) -> Response:
        """Render a page."""
        token = request.cookies.get(self._form_cookie) or secrets.token_urlsafe(24)
        nonce = secrets.token_urlsafe(16)
        response = make_response(render_template(template, csrf=token, nonce=nonce, **values), status)
        self._set_cookie(response, self._form_cookie, token)
        response.headers.update(
            {
                "Cache-Control": "no-store",
                "Content-Security-Policy": _CSP.format(nonce=nonce),
                "X-Frame-Options": "DENY",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
            }
        )
        return response

    def demand_own_form(self) -> None:
        """Answer 403 unless the form was sent from a page of this server."""
        expected = request.cookies.get(self._form_cookie)
        if not expected or not hmac.compare_digest(request.form.get("csrf", "").encode(), expected.encode()):
            abort(403)

    def login_cookie(self) -> str:
        """The login cookie of this browser; empty without one."""
        return request.cookies.get(self._login_cookie, "")

    def keep_login(self, response: Response, cookie: str, seconds: int) -> None:
        """Set the login cookie."""
        self._set_cookie(response, self._login_cookie, cookie, seconds)

    def forget_login(self, response: Response) -> None:
        """Delete the login cookie."""
        response.delete_cookie(self._login_cookie, path=self._path, httponly=True, samesite="Lax")

    def _set_cookie(self, response: Response, name: str, value: str, seconds: int | None = None) -> None:
        response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="Lax", path=self._path)
