"""The authorization server: its metadata, and the grants by which a person logs in."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import requests

from token_vault.output import FAILED, LATER, LOG_IN, CommandError
from token_vault.profiles import Profile

TIMEOUT = (5.0, 20.0)
SCOPE = "openid"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True)
class LoginTokens:
    """The tokens of a login. expires_in: seconds of the access token's life."""

    access_token: str = field(repr=False)
    expires_in: float
    refresh_token: str = field(default="", repr=False)


class Challenge:
    """RFC 7636: a verifier, and the challenge that is made of it."""

    def __init__(self) -> None:
        self.verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        self.parameters = {
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }


class ServerRefusedError(CommandError):
    """The authorization server refuses (RFC 6749 section 5.2). error: its word."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(LOG_IN, f"the authorization server refuses: {description or error}", "token-vault login")
        self.error = error


class LoginServer:
    """The issuer of a profile, called as a public client."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile.demand("issuer")
        self._http = profile.http()
        self._metadata: Mapping[str, Any] = {}

    def endpoint(self, name: str) -> str:
        """An address of the metadata (OpenID Connect Discovery 1.0). Raises CommandError."""
        if not self._metadata:
            found = self._json("GET", f"{self.profile.issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self.profile.issuer:
                named = found.get("issuer", "nothing")
                raise CommandError(FAILED, f"the server at {self.profile.issuer} calls itself {named}")
            self._metadata = found
        address = self._metadata.get(name)
        if not isinstance(address, str):
            raise CommandError(FAILED, f"{self.profile.issuer} has no {name}: it cannot do this")
        return address

    def names_itself(self) -> bool:
        """True when its answers to a browser carry `iss` (RFC 9207)."""
        return bool(self._metadata.get("authorization_response_iss_parameter_supported"))

    def authorization_url(self, redirect_uri: str, state: str, challenge: Challenge) -> str:
        """The URL at which the person logs in (RFC 6749 section 4.1.1)."""
        query = {
            "response_type": "code",
            "client_id": self.profile.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            **challenge.parameters,
        }
        return f"{self.endpoint('authorization_endpoint')}?{urlencode(query)}"

    def redeem(self, code: str, redirect_uri: str, verifier: str) -> LoginTokens:
        """Section 4.1.3. Raises CommandError."""
        return self._tokens(
            {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        )

    def refresh(self, refresh_token: str) -> LoginTokens:
        """Section 6. Raises CommandError."""
        tokens = self._tokens({"grant_type": "refresh_token", "refresh_token": refresh_token})
        return tokens if tokens.refresh_token else LoginTokens(tokens.access_token, tokens.expires_in, refresh_token)

    def begin_device(self, challenge: Challenge) -> Mapping[str, Any]:
        """RFC 8628 section 3.2. Raises CommandError."""
        form = {"client_id": self.profile.client_id, "scope": SCOPE, **challenge.parameters}
        return self._json("POST", self.endpoint("device_authorization_endpoint"), data=form)

    def wait_for_device(self, begun: Mapping[str, Any], verifier: str) -> LoginTokens:
        """Ask until the person has answered (section 3.5). Raises CommandError."""
        interval, ends = float(begun.get("interval", 5)), time.monotonic() + float(begun["expires_in"])
        form = {"grant_type": DEVICE_GRANT, "device_code": str(begun["device_code"]), "code_verifier": verifier}
        while time.monotonic() < ends:
            time.sleep(interval)
            try:
                return self._tokens(form)
            except ServerRefusedError as error:
                if error.error == "slow_down":
                    interval += 5
                elif error.error != "authorization_pending":
                    raise
            except CommandError as error:
                if error.status != LATER:  # a connection that fails once is no answer
                    raise
        raise CommandError(LOG_IN, "the login was not completed in time", "token-vault login --device")

    def revoke(self, refresh_token: str) -> None:
        """RFC 7009. Raises CommandError."""
        self._send("POST", self.endpoint("revocation_endpoint"), data=self._form({"token": refresh_token}))

    def _tokens(self, form: Mapping[str, str]) -> LoginTokens:
        body = self._json("POST", self.endpoint("token_endpoint"), data=self._form(form))
        try:
            return LoginTokens(
                str(body["access_token"]), float(body.get("expires_in", 60)), body.get("refresh_token", "")
            )
        except (KeyError, TypeError, ValueError):
            raise CommandError(FAILED, "the authorization server's answer holds no token") from None

    def _form(self, form: Mapping[str, str]) -> dict[str, str]:
        return {"client_id": self.profile.client_id, **form}

    def _json(self, method: str, url: str, **content: Any) -> Mapping[str, Any]:
        answer = self._send(method, url, **content)
        try:
            body = answer.json()
        except requests.JSONDecodeError:
            body = None
        if answer.status_code in {429, 500, 502, 503, 504}:
            raise CommandError(LATER, f"the authorization server is unavailable (status {answer.status_code})")
        if isinstance(body, dict) and "error" in body:
            raise ServerRefusedError(str(body["error"]), str(body.get("error_description", "")))
        if not isinstance(body, dict) or answer.status_code != requests.codes.ok:
            what = f"{url} answers {answer.status_code}, not as an authorization server does: is that the issuer?"
            raise CommandError(FAILED, what)
        return body

    def _send(self, method: str, url: str, **content: Any) -> requests.Response:
        try:
            return self._http.request(method, url, timeout=TIMEOUT, allow_redirects=False, **content)
        except requests.RequestException as error:
            what = f"the authorization server does not answer at {self.profile.issuer} ({type(error).__name__})"
            raise CommandError(LATER, what) from None
