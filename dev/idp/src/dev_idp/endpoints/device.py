"""The device flow (RFC 8628): a program requests a code, and a person enters it and decides.

Unlike the authorization endpoint, this flow always asks for consent, as Keycloak does: an attacker may have sent the
person the code of another device (section 5.4).
"""

from dataclasses import dataclass
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError
from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from dev_idp import errors
from dev_idp.clients import Client
from dev_idp.devices import Device
from dev_idp.endpoints import OIDC
from dev_idp.endpoints.answers import as_json, refusal
from dev_idp.endpoints.sign_in import SignIn, decision
from dev_idp.errors import ScopesRefusedError
from dev_idp.flows import DeviceCode
from dev_idp.pages import Pages
from dev_idp.realm import SCOPE_TITLES, User
from dev_idp.server import OAuthServer

PAGE = "/device"
_METHODS = ("client_secret_basic", "client_secret_post", "none")
_FAILED, _DONE = "Device Login Failed", "Device Login Successful"


def blueprint(server: OAuthServer, pages: Pages) -> Blueprint:
    """The endpoints, below the realm's address."""
    routes = Blueprint("device", __name__)
    page = _Verification(server, pages, SignIn(server, pages))
    routes.add_url_rule(PAGE, view_func=page.answer, methods=["GET", "POST"], endpoint="page")
    routes.register_error_handler(OAuth2Error, refusal)

    @routes.post(f"{OIDC}/auth/device")
    def authorize_device() -> Response:
        return as_json(_begun(server))

    return routes


def _begun(server: OAuthServer) -> dict[str, str | int]:
    """Section 3.2. Raises OAuth2Error with Keycloak's text."""
    client = server.authenticate_client(server.create_oauth2_request(None), _METHODS)
    asked = request.form
    if not client.check_grant_type(DeviceCode.GRANT_TYPE):
        raise InvalidGrantError(errors.DEVICE_NOT_ALLOWED)
    _check_challenge(client)
    if client.record.unknown_scopes(asked.get("scope")):
        raise ScopesRefusedError(asked["scope"])
    lifetimes = server.state.realm.lifetimes
    scope = client.get_allowed_scope(asked.get("scope"))
    code, device = server.state.devices.begin(
        client.client_id,
        scope,
        asked.get("nonce", ""),
        asked.get("code_challenge", ""),
        lifetimes.device_code,
        lifetimes.device_interval,
    )
    address = f"{server.state.tokens.issuer}{PAGE}"
    return {
        "device_code": code,
        "user_code": device.shown_code,
        "verification_uri": address,
        "verification_uri_complete": f"{address}?user_code={device.shown_code}",
        "expires_in": lifetimes.device_code,
        "interval": lifetimes.device_interval,
    }


def _check_challenge(client: Client) -> None:
    """RFC 7636 for the device flow, as in Keycloak."""
    sent = request.form
    for name in ("code_challenge_method", "code_challenge"):
        if not sent.get(name) and (client.record.pkce_required or sent.get("code_challenge")):
            raise InvalidRequestError(f"Missing parameter: {name}")
    if sent.get("code_challenge") and sent["code_challenge_method"] != "S256":
        raise InvalidRequestError(errors.CHALLENGE_METHOD)


@dataclass(frozen=True, slots=True)
class _Verification:
    server: OAuthServer
    pages: Pages
    sign_in: SignIn

    def answer(self) -> Response:
        """The next page: code, login, question, or end."""
        if request.method == "POST":
            self.pages.demand_own_form()
            if "password" in request.form:
                return self.sign_in.answer_form()
            if "device_user_code" in request.form:
                return redirect(f"{request.path}?{urlencode({'user_code': request.form['device_user_code']})}", 303)
        typed = request.args.get("user_code", "")
        device = self.server.state.devices.pending(typed) if typed else None
        if device is None:
            return self._ask_for_code("Invalid code, please try again." if typed else None)
        return self._answer_for(device)

    def _answer_for(self, device: Device) -> Response:
        known = self.sign_in.who()
        if known is None:
            return self.sign_in.ask()
        login, user = known
        if page := self.sign_in.ask_if_disabled(user):
            return page
        if decision() is None:
            return self._ask_for_consent(device, user)
        approved = decision() == "accept"
        if not self.server.state.devices.decide(device, "approved" if approved else "denied", login):
            return self._end(_FAILED, "The code has expired. Please go back to your device and try connecting again.")
        if not approved:
            return self._end(_FAILED, "Consent denied for connecting the device.")
        return self._end(_DONE, "You may close this browser window and go back to your device.")

    def _ask_for_code(self, error: str | None) -> Response:
        return self.pages.show("device.html", title="Device Login", error=error)

    def _ask_for_consent(self, device: Device, user: User) -> Response:
        client = self.server.state.realm.clients[device.client_id].name
        titles = [title for name, title in SCOPE_TITLES.items() if name in device.scope.split()]
        title = f"Grant access to {client}"
        return self.pages.show("consent.html", title=title, user=user, scopes=titles, code=device.shown_code)

    def _end(self, title: str, message: str) -> Response:
        return self.pages.show("message.html", title=title, message=message)
