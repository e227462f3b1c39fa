"""An authorization server where people consent: `StubIssuer` with a token endpoint (RFC 6749), PKCE (RFC 7636) and
`iss` in its authorization responses (RFC 9207).

Its codes, access tokens and refresh tokens are opaque. It remembers each secret that it gave or was given.
"""

import base64
import hashlib
import json
import secrets
import time
from collections import deque
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from stub_issuer import SigningKey, StubIssuer

PERSON = "alice-id"
CLIENT = "token-vault"
ECHO = "{echo}"
"""In an answer that a test has written: the secret of the request, as careless servers repeat it."""
Answer = tuple[int, dict[str, Any]]


class ConsentingIssuer(StubIssuer):
    """The server, for the vault's one client.

    known: each secret, and what it is; forms: what its token endpoint was sent; id_claims: instead of the usual ones in
    the next ID tokens (None leaves one out); session: its name for the next logins; scripted: what
    the token endpoint answers next; revoked: tokens.
    """

    def __init__(self, key: SigningKey, redirect_uri: str) -> None:
        """redirect_uri: the one that is registered for the client."""
        self.known: dict[str, str] = {}
        self.forms: list[dict[str, str]] = []
        self.id_claims: dict[str, object] = {}
        self.session: str | None = None
        self.scripted: deque[Answer] = deque()
        self.revoked: list[str] = []
        self.client_secret = self.secret("client secret")
        self._redirect_uri = redirect_uri
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh_tokens: dict[str, dict[str, str]] = {}
        super().__init__(key)
        self.describe(revocation_endpoint=f"{self.url}/revoke", authorization_response_iss_parameter_supported=True)

    def secret(self, kind: str) -> str:
        """A new one, which is remembered."""
        return self.remember(secrets.token_urlsafe(32), kind)

    def remember(self, value: str, kind: str) -> str:
        """Remember a secret that another part has made. Returns the secret."""
        self.known[value] = kind
        return value

    def consented(self, consent_url: str, person: str = PERSON) -> dict[str, str]:
        """The parameters with which the browser of a person who has consented is sent back."""
        asked = dict(parse_qsl(urlsplit(consent_url).query))
        assert consent_url.startswith(f"{self.url}/auth?")
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert asked["redirect_uri"] == self._redirect_uri
        for name in ("state", "nonce"):
            self.remember(asked[name], name)
        code = self.secret("code")
        self._codes[code] = {**asked, "sub": person}
        return {"code": code, "state": asked["state"], "iss": self.url}

    def bearer(self, client: str, subject: str = PERSON, **claims: object) -> str:
        """A caller's own access token. A client whose name ends with `-service` has the role of a service."""
        role = {"resource_access": {"token-vault": {"roles": ["token:mint"]}}} if client.endswith("-service") else {}
        usual = {"azp": client, "sub": subject, **_life(), "jti": secrets.token_hex(8), "resource_access": None, **role}
        token = self.token(payload=self.claims(**{**usual, **claims}))
        self.remember(token.rpartition(".")[2], f"signature of a token of {client}")
        return self.remember(token, f"bearer token of {client}")

    def _granted(self, session: dict[str, str]) -> Answer:
        refresh_token = self.secret("refresh token")
        self._refresh_tokens[refresh_token] = session
        usual = {"aud": CLIENT, "azp": CLIENT, "typ": "ID", "sub": session["sub"], "nonce": session["nonce"], **_life()}
        id_token = self.token(payload=self.claims(**{**usual, "resource_access": None, **self.id_claims}))
        return 200, {
            "access_token": self.secret("access token"),
            "token_type": "Bearer",
            "expires_in": 300,
            "refresh_token": refresh_token,
            "id_token": self.remember(id_token, "ID token"),
            "scope": session["scope"],
            **({} if self.session is None else {"session_state": self.session}),
        }

    def _token(self, form: dict[str, str]) -> Answer:
        if self.scripted:
            status, document = self.scripted.popleft()
            secret = form.get("refresh_token") or form["code"]
            return status, {name: secret if value == ECHO else value for name, value in document.items()}
        if form["grant_type"] == "refresh_token":
            session = self._refresh_tokens.pop(form["refresh_token"], None)
            return _refused(form["refresh_token"]) if session is None else self._granted(session)
        self.remember(form.get("code_verifier", ""), "code verifier")
        asked = self._codes.pop(form["code"], None)
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"] or not _proves(form, asked):
            return _refused(form["code"])
        return self._granted(asked)

    def _handler(stub) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the request's
        basic = base64.b64encode(f"{CLIENT}:{stub.client_secret}".encode()).decode()

        class HttpHandler(super()._handler()):  # type: ignore[misc] # a base class that is made when it runs
            def do_POST(self) -> None:  # noqa: N802 - http.server's name
                form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                stub.requests.append(self.path)
                if self.headers["Authorization"] != f"Basic {basic}":
                    self._say(401, {"error": "invalid_client"})
                elif self.path.endswith("/revoke"):
                    stub.revoked.append(form["token"])
                    self._say(200, {})
                else:
                    stub.forms.append(form)
                    self._say(*stub._token(form))

            def _say(self, status: int, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Retry-After", "1")  # after a 503
                self.end_headers()
                self.wfile.write(body)

        return HttpHandler


def _life() -> dict[str, object]:
    now = time.time()
    return {"iat": now, "exp": now + 300}


def _proves(form: dict[str, str], asked: dict[str, str]) -> bool:
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return (asked["code_challenge_method"], asked["code_challenge"]) == ("S256", challenge)


def _refused(secret: str) -> Answer:
    """A server that repeats what it was sent, as careless ones do."""
    return 400, {"error": "invalid_grant", "error_description": f"{secret} is not valid"}
