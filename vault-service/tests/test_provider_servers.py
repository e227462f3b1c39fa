"""Authorization servers: discovery, the URL of a consent, and the reading of answers."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest
from replica import ROOT_KEY
from werkzeug.test import TestResponse

from service_kit.tokens.bearer import Claims, Verifier
from service_kit.tokens.issuer import Issuer, IssuerMismatchError, IssuerUnavailableError, demand_no_mismatch
from vault_service import bootstrap, config
from vault_service.adapters.provider.accounts import IdTokenAccounts
from vault_service.adapters.provider.authorization_server import AuthorizationServer, ClientRegistration
from vault_service.adapters.provider.client_authentication import BasicSecret
from vault_service.adapters.provider.discovery import Discovery
from vault_service.adapters.provider.endpoints import DiscoveredEndpoints
from vault_service.adapters.provider.limited_session import LimitedSession
from vault_service.adapters.provider.token_endpoint import TokenEndpoint
from vault_service.application.errors import ProviderUnavailableError
from vault_service.application.provider_errors import NotSentError, RevocationNotOfferedError
from vault_service.domain.grant import RefreshToken, TokenIdentity
from vault_service.http.app import create_app


@dataclass
class StubProvider:
    """A server with a discovery document and one prepared answer to every form."""

    url: str = ""
    document: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[StubProvider]:
    """Listens on loopback."""
    known = StubProvider()

    class HttpHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            self._say(known.document)

        def do_POST(self) -> None:
            known.asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._say(known.answer)

        def _say(self, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), HttpHandler)
    known.url = f"http://127.0.0.1:{listening.server_port}"
    known.document = {
        "issuer": known.url,
        "authorization_endpoint": f"{known.url}/auth?tenant=1",
        "token_endpoint": f"{known.url}/token",
        "jwks_uri": f"{known.url}/keys",
        "revocation_endpoint": f"{known.url}/revoke",
    }
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield known
    listening.shutdown()
    listening.server_close()


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def session() -> Iterator[LimitedSession]:
    """A session that is closed after the test."""
    with LimitedSession() as open_session:
        yield open_session


def provider(
    server: StubProvider, session: LimitedSession, *, revokes: bool = True, **parameters: str
) -> AuthorizationServer:
    """The adapter for a client at that server."""
    issuer = Issuer(server.url)
    endpoint = TokenEndpoint(session, BasicSecret("token-vault", "s"))
    client = ClientRegistration(
        name="test",
        issuer=server.url,
        client_id="token-vault",
        redirect_uri="https://vault.example/callback",
        parameters=parameters,
        revokes=revokes,
    )
    endpoints = DiscoveredEndpoints(issuer, Discovery("test", issuer))
    accounts = IdTokenAccounts(issuer, "token-vault", None, 60)
    return AuthorizationServer(client, endpoints, endpoint, accounts)


def jwt(**claims: object) -> str:
    """A JWT whose signature is not verified."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


# discovery


def test_a_failure_holds_for_two_seconds(server: StubProvider, session: LimitedSession) -> None:
    """Many callers of an unreachable server cause one request in two seconds."""
    clock = Clock()
    right, server.document = server.document, {}
    discovery = Discovery("test", Issuer(server.url), clock)
    for _ in range(3):
        with pytest.raises(IssuerUnavailableError):
            discovery.metadata()
    assert len(server.asked) == 1
    server.document = right
    clock.now = 2.0
    assert discovery.metadata().issuer == server.url
    assert len(server.asked) == 2


def test_a_server_that_names_another_issuer_is_refused(server: StubProvider, session: LimitedSession) -> None:
    """Nothing is sent to the addresses that it names (RFC 8414 section 3.3)."""
    server.document["issuer"] = "https://other.example"
    refused = provider(server, session)
    with pytest.raises(IssuerMismatchError):
        refused.ping()
    with pytest.raises(ProviderUnavailableError):
        refused.authorization_url(state="s", nonce="n", code_challenge="c", scopes=frozenset())
    with pytest.raises(NotSentError):
        refused.refresh(RefreshToken("r"), None, monotonic())
    assert server.asked == ["/.well-known/openid-configuration"]


def test_an_unreachable_server_is_no_mismatch(server: StubProvider, session: LimitedSession) -> None:
    """An unreachable server does not make the vault unready."""
    server.document["issuer"] = "https://other.example"
    with pytest.raises(IssuerMismatchError):
        demand_no_mismatch(Discovery("test", Issuer(server.url)).metadata)
    demand_no_mismatch(Discovery("test", Issuer("http://127.0.0.1:9")).metadata)


# the consent's address


def test_parameters_of_the_configuration_are_added(server: StubProvider, session: LimitedSession) -> None:
    """Configured parameters join those of the protocol and those in the endpoint's URL."""
    asked = provider(server, session, access_type="offline", prompt="select_account consent").authorization_url(
        state="s", nonce="n", code_challenge="c", scopes=frozenset({"openid", "calendar"})
    )
    assert dict(parse_qsl(urlsplit(asked).query)) == {
        "tenant": "1",
        "access_type": "offline",
        "prompt": "select_account consent",
        "response_type": "code",
        "client_id": "token-vault",
        "redirect_uri": "https://vault.example/callback",
        "scope": "calendar openid",
        "state": "s",
        "nonce": "n",
        "code_challenge": "c",
        "code_challenge_method": "S256",
    }


@pytest.mark.parametrize("promised", [True, False, None])
def test_whose_answer_a_callback_brings(server: StubProvider, session: LimitedSession, promised: bool | None) -> None:
    """RFC 9207 section 2.4: to the letter the issuer's, and absent only where the metadata do not promise it."""
    if promised is not None:
        server.document["authorization_response_iss_parameter_supported"] = promised
    asked = provider(server, session)
    assert asked.check_issuer(server.url)
    assert asked.check_issuer(None) is not bool(promised)
    for other in ("", f"{server.url}/", server.url[:-1], server.url.upper(), "https://other.example"):
        assert not asked.check_issuer(other), other


# answers


@pytest.mark.parametrize(
    ("access_token", "id_token", "identity", "person"),
    [
        ("opaque", None, None, None),
        (jwt(iss="i", sub="s", azp="a"), None, TokenIdentity("i", "s", "a"), None),
        (jwt(iss="i", sub="s", client_id="a"), None, TokenIdentity("i", "s", "a"), None),
        (jwt(), jwt(iss="i", sub="s"), TokenIdentity("", "", ""), TokenIdentity("i", "s", "")),
        ("a.%%%.c", "not.a.jwt", None, None),
    ],
)
def test_a_refresh_tells_whose_token_it_is(
    server: StubProvider,
    session: LimitedSession,
    access_token: str,
    id_token: str | None,
    identity: TokenIdentity | None,
    person: TokenIdentity | None,
) -> None:
    """Read from the access token, if it is a JWT, and from the id_token, if there is one."""
    server.answer = {"access_token": access_token, "token_type": "Bearer", "expires_in": 300, "id_token": id_token}
    answer = provider(server, session).refresh(RefreshToken("r"), None, monotonic())
    assert (answer.identity, answer.person) == (identity, person)


@pytest.mark.parametrize("seconds", [0, None])
def test_a_token_without_an_end(server: StubProvider, session: LimitedSession, seconds: int | None) -> None:
    """Keycloak answers 0 for offline tokens, other servers nothing."""
    server.answer = {"access_token": "a", "token_type": "Bearer", "refresh_expires_in": seconds}
    assert provider(server, session).refresh(RefreshToken("r"), None, monotonic()).refresh_expires_in is None


def test_revocation_where_it_is_not_offered(server: StubProvider, session: LimitedSession) -> None:
    """Switched off by configuration, or without an endpoint: nothing is sent."""
    with pytest.raises(RevocationNotOfferedError):
        provider(server, session, revokes=False).revoke(RefreshToken("r"))
    with_endpoint = provider(server, session)
    with_endpoint.revoke(RefreshToken("r"))
    assert "token=r" in server.asked[-1]
    del server.document["revocation_endpoint"]
    with pytest.raises(RevocationNotOfferedError):
        provider(server, session).revoke(RefreshToken("r"))


# the whole service


@dataclass
class Everybody:
    """A verifier that takes any bearer token for that person's, from the client `dev-cli`."""

    issuer: str

    def verify(self, _: str) -> Claims:
        """The claims."""
        return Claims(self.issuer, "alice-sub", "dev-cli", frozenset(), frozenset(), 2e9)

    def must_be_bound(self, _: Claims) -> bool:
        """No token must be bound."""
        return False


@pytest.fixture
def settings(server: StubProvider, tmp_path: Path, database_url: str) -> Callable[..., config.VaultSettings]:
    """Settings with a providers file; people log in at `good`."""
    key = tmp_path / "root.key"
    key.write_text(base64.urlsafe_b64encode(ROOT_KEY).decode())
    key.chmod(0o400)
    (tmp_path / "secret").write_text("s3cret-value")
    (tmp_path / "secret").chmod(0o400)

    def write(default: str, **issuers: str) -> config.VaultSettings:
        tables = [
            f'[providers.{name}]\nissuer = "{issuer}"\nclient_id = "c"\nclient_secret_file = "secret"\n'
            'token_types = ["offline"]\n'
            for name, issuer in {"good": server.url, **issuers}.items()
        ]
        path = tmp_path / "providers.toml"
        path.write_text(f'default = "{default}"\n' + "".join(tables))
        return config.read(
            {
                "VAULT_DATABASE_URL": database_url,
                "VAULT_ROOT_KEY_FILE": str(key),
                "VAULT_SPOOL_DIR": str(tmp_path / "spool"),
                "PUBLIC_URL": "http://localhost:3000",
                "ISSUER": server.url,
                "VAULT_PROVIDERS_FILE": str(path),
            }
        )

    return write


@pytest.mark.parametrize(
    ("wish", "pointer", "detail"),
    [
        ({"provider": "nobody"}, "/provider", "is not a provider of this vault"),
        ({"tokenType": "refresh"}, "/tokenType", "must be offline with this provider"),
    ],
    ids=str,
)
def test_options_that_a_provider_does_not_allow_are_a_problem(
    settings: Callable[..., config.VaultSettings], server: StubProvider, wish: dict[str, str], pointer: str, detail: str
) -> None:
    """The answer is 422 and points at the wrong member."""
    answer = ask(settings("good"), server.url, wish)
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == [{"pointer": pointer, "detail": detail}]
    assert "s3cret-value" not in answer.text


@pytest.mark.parametrize(("issuer", "is_bound"), [(None, False), ("https://login.example", True)])
def test_an_account_elsewhere_needs_the_browser_whatever_client_asked(
    settings: Callable[..., config.VaultSettings], server: StubProvider, issuer: str | None, is_bound: bool
) -> None:
    """A command line client gets a cookie, too, if its person logs in at another issuer than the provider's."""
    answer = ask(settings("good"), issuer or server.url, {})
    assert answer.status_code == 200
    assert answer.get_json()["consentUrl"].startswith(f"{server.url}/auth?")
    assert ("Set-Cookie" in answer.headers) is is_bound


def ask(configured: config.VaultSettings, login: str, wish: dict[str, str]) -> TestResponse:
    """Request consent as a person who logs in at that issuer."""
    with closing(bootstrap.build(configured)) as process:
        vault = replace(process.vault, verifier=cast("Verifier", Everybody(login)))
        headers = {"Authorization": "Bearer x"}
        return create_app(vault).test_client().post("/api/auth/manager/offline-consent", json=wish, headers=headers)


@pytest.mark.parametrize(("default", "status", "code"), [("good", "degraded", 200), ("wrong", "unavailable", 503)])
def test_readiness_names_the_providers_that_cannot_be_used(
    settings: Callable[..., config.VaultSettings], server: StubProvider, default: str, status: str, code: int
) -> None:
    """One is unreachable, one names another issuer: the vault is ready unless the default is the latter."""
    port = server.url.rpartition(":")[2]
    issuers = {"good": server.url, "wrong": f"http://localhost:{port}", "away": "http://127.0.0.1:9"}
    configured = settings(default, **issuers)
    bootstrap.check(configured)
    with closing(bootstrap.build(configured)) as process:
        answer = create_app(process.vault).test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["status"]) == (code, status)
    checks = answer.get_json()["checks"]
    assert {name: checks[f"provider {name}"] for name in issuers} == {
        "good": "ok",
        "wrong": "unavailable",
        "away": "unavailable",
    }
    assert "s3cret-value" not in answer.text
    assert "s3cret-value" not in str(configured)
