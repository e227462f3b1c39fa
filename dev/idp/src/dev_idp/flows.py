"""The grant types of RFC 6749 and RFC 8628, on Authlib: Authlib checks the requests, the realm decides and answers.

Each flow reads the realm's state from `self.server.state` and makes its complete token answer in `generate_token`.
"""

from typing import Any

from authlib.oauth2.rfc6749 import (
    AccessDeniedError,
    InvalidGrantError,
    InvalidRequestError,
    UnauthorizedClientError,
    grants,
)
from authlib.oauth2.rfc7636 import CodeChallenge, create_s256_code_challenge
from authlib.oauth2.rfc8628 import AuthorizationPendingError, DeviceCodeGrant, ExpiredTokenError, SlowDownError

from dev_idp import errors
from dev_idp.codes import Code
from dev_idp.devices import Device
from dev_idp.errors import CredentialsRefusedError, FlowRefusedError, ScopesRefusedError
from dev_idp.grants import Presented, new_sid
from dev_idp.logins import LoginSession
from dev_idp.realm import User

_ANY_METHOD = ("client_secret_basic", "client_secret_post", "none")


class AuthorizationCode(grants.AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib has no types
    """Section 4.1."""

    TOKEN_ENDPOINT_AUTH_METHODS = _ANY_METHOD

    def validate_requested_scope(self) -> None:
        """Raises ScopesRefusedError, which goes back to the client."""
        _check_scopes(self.request.client or self.server.query_client(self.request.payload.client_id), self.request)

    def create_authorization_response(self, redirect_uri: str, grant_user: LoginSession) -> Any:
        """Adds the session that the code stands for, as Keycloak does."""
        request = self.request
        self.sid = new_sid(grant_user.sid, request.client.get_allowed_scope(request.payload.scope))
        return super().create_authorization_response(redirect_uri, grant_user)

    def save_authorization_code(self, code: str, request: Any) -> None:
        """Store a code; in Authlib, the login is the request's user."""
        login: LoginSession = request.user
        asked = request.payload.data
        self.server.state.codes.add(
            code,
            Code(
                client_id=request.client.client_id,
                user_id=login.user_id,
                sid=self.sid,
                login_sid=login.sid,
                redirect_uri=request.payload.redirect_uri,
                scope=request.client.get_allowed_scope(request.payload.scope),
                nonce=asked.get("nonce", ""),
                code_challenge=asked.get("code_challenge", ""),
                auth_time=login.auth_time,
            ),
        )

    def query_authorization_code(self, code: str, client: Any) -> Code:
        """Consumes the code, even if the rest of the request is faulty. Raises InvalidGrantError."""
        taken: Code = self.server.state.codes.take(code, client.client_id)
        if taken.redirect_uri != self.request.form.get("redirect_uri"):
            raise InvalidGrantError(errors.CODE_ELSEWHERE)
        return taken

    def authenticate_user(self, authorization_code: Code) -> User:
        """The person who consented. Raises InvalidGrantError if they have been disabled or logged out since."""
        state = self.server.state
        user: User | None = state.realm.user(authorization_code.user_id)
        if user is None or not state.logins.is_enabled(user):
            raise InvalidGrantError(errors.USER_DISABLED)
        if state.logins.find(authorization_code.login_sid) is None:
            raise InvalidGrantError(errors.CODE_NOT_VALID)
        return user

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Keeps the code, marked as used, to recognize a replay."""

    def generate_token(self, user: User, **_: Any) -> dict[str, Any]:
        """The answer to a code."""
        code: Code = self.request.authorization_code
        login = LoginSession(code.login_sid, code.user_id, code.auth_time, code.auth_time)
        grant = self.server.state.grants.begin(code.client_id, login, code.scope, code.sid)
        refresh_token = self.server.state.grants.first_refresh_token(grant, self.server.key(self.request.client))
        return dict(self.server.answer(self.request.client, user, grant, refresh_token, nonce=code.nonce))


class RefreshTokenFlow(grants.RefreshTokenGrant):  # type: ignore[misc] # Authlib has no types
    """Section 6."""

    TOKEN_ENDPOINT_AUTH_METHODS = _ANY_METHOD

    def authenticate_refresh_token(self, refresh_token: str) -> "_Credential":
        """Raises InvalidGrantError."""
        presented = self.server.state.grants.present(refresh_token, self.request.client.client_id)
        if presented.key not in {"", self.server.key(self.request.client)}:
            raise InvalidGrantError(errors.REFRESH_BOUND)
        return _Credential(presented)

    def _validate_token_scope(self, token: "_Credential") -> None:  # noqa: ARG002 - Authlib's signature
        """Unlike Authlib, Keycloak refuses only unknown scopes and ignores scopes that were not granted."""
        _check_scopes(self.request.client, self.request)

    def authenticate_user(self, refresh_token: "_Credential") -> User | None:
        """The person who granted."""
        user: User | None = self.server.state.realm.user(refresh_token.presented.grant.user_id)
        return user

    def generate_token(self, user: User, **_: Any) -> dict[str, Any]:
        """Uses the token; the answer. Raises InvalidGrantError if it was used too often."""
        presented = self.request.refresh_token.presented
        successor = self.server.state.grants.spend(presented)
        asked = self.request.payload.scope
        return dict(self.server.answer(self.request.client, user, presented.grant, successor, asked=asked))

    def revoke_old_credential(self, refresh_token: "_Credential") -> None:
        """Nothing to do: using the token has revoked it."""


class Password(grants.ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc] # Authlib has no types
    """Section 4.3, for the command line in development."""

    TOKEN_ENDPOINT_AUTH_METHODS = _ANY_METHOD

    def validate_token_request(self) -> None:
        """Raises FlowRefusedError in Keycloak's words."""
        try:
            super().validate_token_request()
        except UnauthorizedClientError as error:
            raise FlowRefusedError("Client not allowed for direct access grants", status_code=400) from error

    def authenticate_user(self, username: str, password: str) -> User:
        """Raises CredentialsRefusedError, or InvalidGrantError when the person is disabled."""
        logins = self.server.state.logins
        user: User | None = logins.authenticate(username, password)
        if user is None:
            raise CredentialsRefusedError
        if not logins.is_enabled(user):
            raise InvalidGrantError("Account disabled")
        return user

    def generate_token(self, user: User, **_: Any) -> dict[str, Any]:
        """A login without a browser, and the answer. Raises ScopesRefusedError."""
        _check_scopes(self.request.client, self.request)
        state, client = self.server.state, self.request.client
        login = state.logins.begin_without_browser(user)
        scope = client.get_allowed_scope(self.request.payload.scope)
        grant = state.grants.begin(client.client_id, login, scope, new_sid(login.sid, scope))
        return dict(
            self.server.answer(
                client, user, grant, state.grants.first_refresh_token(grant, self.server.key(self.request.client))
            )
        )


class ClientCredentialsFlow(grants.ClientCredentialsGrant):  # type: ignore[misc] # Authlib has no types
    """Section 4.4."""

    TOKEN_ENDPOINT_AUTH_METHODS = _ANY_METHOD

    def validate_token_request(self) -> None:
        """Raises FlowRefusedError in Keycloak's words."""
        client = self.authenticate_token_endpoint_client()
        if client.record.secret is None:
            raise FlowRefusedError("Public client not allowed to retrieve service account")
        if not client.check_grant_type(self.GRANT_TYPE):
            raise FlowRefusedError("Client not enabled to retrieve service account")
        self.request.client = client

    def generate_token(self, **_: Any) -> dict[str, Any]:
        """The answer, for the client's service account. Raises ScopesRefusedError."""
        _check_scopes(self.request.client, self.request)
        return dict(self.server.answer_client(self.request.client, self.request.payload.scope))


class DeviceCode(DeviceCodeGrant):  # type: ignore[misc] # Authlib has no types
    """RFC 8628 section 3.4; `devices.Devices` has the codes."""

    TOKEN_ENDPOINT_AUTH_METHODS = _ANY_METHOD

    def validate_token_request(self) -> None:
        """Raises InvalidGrantError with Keycloak's text, and the errors of section 3.5."""
        try:
            super().validate_token_request()
        except UnauthorizedClientError as error:
            raise InvalidGrantError(errors.DEVICE_NOT_ALLOWED) from error
        self._check_verifier(self.request.credential.code_challenge)
        self.server.state.devices.use(self._code)

    def query_device_credential(self, device_code: str) -> Device:
        """Raises InvalidGrantError."""
        self._code = device_code
        device: Device | None = self.server.state.devices.find(device_code)
        if device is None or device.decision == "used":
            raise InvalidGrantError(errors.DEVICE_CODE_NOT_VALID)
        return device

    def validate_device_credential(self, credential: Device) -> User:
        """The person who approved. The checks are in Keycloak's order: expired, too fast, denied, pending."""
        state = self.server.state
        if state.devices.is_over(credential):
            raise ExpiredTokenError("Device code is expired")
        if state.devices.polls_too_fast(self._code, credential):
            raise SlowDownError("Slow down")
        if credential.decision == "denied":
            raise AccessDeniedError("The end user denied the authorization request")
        if not credential.decision:
            raise AuthorizationPendingError("The authorization request is still pending")
        user: User | None = state.realm.user(credential.user_id)
        if user is None or not state.logins.is_enabled(user):
            raise InvalidGrantError(errors.USER_DISABLED)
        return user

    def generate_token(self, user: User, **_: Any) -> dict[str, Any]:
        """The answer. Raises InvalidGrantError if the person has logged out since."""
        state, client, device = self.server.state, self.request.client, self.request.credential
        login = state.logins.find(device.login_sid)
        if login is None:
            raise InvalidGrantError(errors.SESSION_GONE)
        grant = state.grants.begin(client.client_id, login, device.scope, new_sid(login.sid, device.scope))
        refresh_token = state.grants.first_refresh_token(grant, self.server.key(self.request.client))
        return dict(self.server.answer(client, user, grant, refresh_token, nonce=device.nonce))

    def _check_verifier(self, challenge: str) -> None:
        """RFC 7636 section 4.6. Raises InvalidGrantError."""
        verifier = self.request.form.get("code_verifier")
        if challenge and not verifier:
            raise InvalidGrantError(errors.VERIFIER_MISSING)
        if challenge and create_s256_code_challenge(verifier) != challenge:
            raise InvalidGrantError(errors.VERIFIER_WRONG)


class Pkce(CodeChallenge):  # type: ignore[misc] # Authlib has no types
    """RFC 7636 with S256; required for clients whose realm entry says so."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)
    DEFAULT_CODE_CHALLENGE_METHOD = "S256"

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Authlib accepts a request without a challenge; Keycloak does not."""
        asked = grant.request.payload.data
        if grant.request.client.record.pkce_required:
            for name in ("code_challenge_method", "code_challenge"):
                if not asked.get(name):
                    raise InvalidRequestError(f"Missing parameter: {name}", redirect_uri=redirect_uri)
        super().validate_code_challenge(grant, redirect_uri)

    def validate_code_verifier(self, grant: Any, result: Any) -> None:
        """Raises InvalidGrantError in Keycloak's words."""
        challenged = bool(grant.request.authorization_code.code_challenge)
        if challenged and not grant.request.form.get("code_verifier"):
            sent = "code_verifier" in grant.request.form
            raise InvalidGrantError(errors.VERIFIER_INVALID if sent else errors.VERIFIER_MISSING)
        try:
            super().validate_code_verifier(grant, result)
        except InvalidRequestError as error:
            raise InvalidGrantError(errors.VERIFIER_INVALID) from error
        except InvalidGrantError as error:
            raise InvalidGrantError(errors.VERIFIER_WRONG) from error

    def get_authorization_code_challenge(self, authorization_code: Code) -> str | None:
        """The challenge of the request."""
        return authorization_code.code_challenge or None

    def get_authorization_code_challenge_method(self, authorization_code: Code) -> str:  # noqa: ARG002
        """S256, the only accepted method."""
        return "S256"


class _Credential:
    """A presented refresh token, in the form that Authlib expects."""

    def __init__(self, presented: Presented) -> None:
        self.presented = presented

    def check_client(self, client: Any) -> bool:
        """True if the token was issued to that client."""
        return bool(self.presented.grant.client_id == client.client_id)

    def get_scope(self) -> str:
        """All granted scopes."""
        return self.presented.grant.scope


def _check_scopes(client: Any, request: Any) -> None:
    asked = request.payload.scope
    if client.record.unknown_scopes(asked):
        raise ScopesRefusedError(asked)
