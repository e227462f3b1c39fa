"""The authorization server's protocol in plain requests: as a client sends them, with unprocessed answers.

An answer is reduced to the parts on which programs depend: status, `error`, `error_description` and redirect.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import requests
from api import MANAGER
from person import Person, query
from stack import TIMEOUT, Stack

Told = tuple[int, str, str]
"""Status, `error`, `error_description` (both empty when there is none)."""
Form = dict[str, str] | list[tuple[str, str]]


@dataclass
class Flow:
    """One authorization code flow of a client, up to the code."""

    parameters: dict[str, str]
    verifier: str

    @property
    def redirect_uri(self) -> str:
        """The redirect URI of the code."""
        return self.parameters["redirect_uri"]


@dataclass
class ProtocolServer:
    """The authorization server of a stack, with the vault's client as the one that usually calls."""

    stack: Stack
    endpoints: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        address = f"{self.stack['ISSUER']}/.well-known/openid-configuration"
        self.endpoints = requests.get(address, timeout=TIMEOUT).json()

    @property
    def vault(self) -> tuple[str, str]:
        """The vault's client and its secret."""
        return self.stack["VAULT_CLIENT_ID"], self.stack["VAULT_CLIENT_SECRET"]

    @property
    def tasks(self) -> tuple[str, str]:
        """The task service's client, which has no code flow."""
        return self.stack["TASK_SERVICE_CLIENT_ID"], self.stack["TASK_SERVICE_CLIENT_SECRET"]

    @property
    def page(self) -> str:
        """The page's client, which is public."""
        return self.stack["UI_CLIENT_ID"]

    def flow(self, **changes: str | None) -> Flow:
        """A flow of the vault's client; changes: parameters to set, or to leave out (None)."""
        verifier = secrets.token_urlsafe(48)
        usual: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.vault[0],
            "redirect_uri": f"{self.stack['PUBLIC_URL']}{MANAGER}/offline-callback",
            "scope": "openid offline_access",
            "state": "the-state",
            "nonce": "the-nonce",
            "code_challenge": _unpadded(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "prompt": "consent",
            **changes,
        }
        return Flow({name: value for name, value in usual.items() if value is not None}, verifier)

    def of_the_page(self) -> dict[str, str | None]:
        """The parameters of the page's flow that differ from those of the vault's."""
        return {"client_id": self.page, "redirect_uri": f"{self.stack['PUBLIC_URL']}/tasks", "prompt": None}

    def logged_in(self, person: Person) -> dict[str, Any]:
        """The tokens of a login at the page."""
        flow = self.flow(scope="openid", **self.of_the_page())
        form = {"grant_type": "authorization_code", "code": self.code(flow, person), "redirect_uri": flow.redirect_uri}
        form |= {"code_verifier": flow.verifier, "client_id": self.page}
        return dict(self.post("token_endpoint", form, None).json())

    def page_refresh(self, page: dict[str, Any]) -> requests.Response:
        """The page refreshes the tokens of its login."""
        form = {"grant_type": "refresh_token", "refresh_token": page["refresh_token"], "client_id": self.page}
        return self.post("token_endpoint", form, None)

    def logout_url(self, **parameters: str) -> str:
        """The URL at which a browser logs out (OpenID Connect RP-Initiated Logout 1.0)."""
        return str(requests.Request("GET", self.endpoints["end_session_endpoint"], params=parameters).prepare().url)

    def address(self, flow: Flow) -> str:
        """The URL at which the flow begins."""
        return f"{self.endpoints['authorization_endpoint']}?{urlencode(flow.parameters)}"

    def begun(self, flow: Flow, person: Person) -> requests.Response:
        """The first answer there, without following redirects."""
        return person.get(self.address(flow))

    def code(self, flow: Flow, person: Person) -> str:
        """The code, after a login and a consent if they are asked for."""
        return query(person.grant(self.address(flow), stop_at=flow.redirect_uri))["code"]

    def exchanged(self, flow: Flow, code: str, /, **changes: str) -> requests.Response:
        """The code's exchange by the vault's client."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": flow.redirect_uri}
        return self.token({**form, "code_verifier": flow.verifier, **changes})

    def tokens(self, person: Person, scope: str = "openid offline_access") -> dict[str, Any]:
        """The answer to a whole flow of the vault's client."""
        flow = self.flow(scope=scope)
        answer = self.exchanged(flow, self.code(flow, person))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def token(self, form: Form, client: tuple[str, str] | None = None, **headers: str) -> requests.Response:
        """A request to the token endpoint; client: the vault's, if not told."""
        return self.post("token_endpoint", form, client or self.vault, **headers)

    def refreshed(self, token: str, client: tuple[str, str] | None = None, **more: str) -> requests.Response:
        """A refresh."""
        return self.token({"grant_type": "refresh_token", "refresh_token": token, **more}, client)

    def post(self, endpoint: str, form: Form, client: tuple[str, str] | None, **headers: str) -> requests.Response:
        """A form to an endpoint of the discovery document; client: id and secret in the header, or none."""
        if client is not None:
            headers["Authorization"] = basic(*client)
        return requests.post(self.endpoints[endpoint], form, headers=headers, timeout=TIMEOUT)

    def userinfo(self, token: str | None) -> requests.Response:
        """Whose token it is."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return requests.get(self.endpoints["userinfo_endpoint"], headers=headers, timeout=TIMEOUT)

    def introspected(self, token: str, client: tuple[str, str] | None = None) -> dict[str, Any]:
        """The server's introspection of a token."""
        return dict(self.post("introspection_endpoint", {"token": token}, client or self.vault).json())


def basic(client: str, secret: str) -> str:
    """Both percent-encoded first (RFC 6749 section 2.3.1)."""
    pair = f"{quote(client, safe='')}:{quote(secret, safe='')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def told(answer: requests.Response) -> Told:
    """The parts of an answer on which programs depend."""
    try:
        document = answer.json()
    except ValueError:
        document = {}
    return answer.status_code, document.get("error", ""), document.get("error_description", "")


def sent_back(answer: requests.Response) -> dict[str, str]:
    """The parameters with which a browser is sent back to the client."""
    assert answer.is_redirect, (answer.status_code, answer.text[:300])
    return query(answer.headers["Location"])


def _unpadded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
