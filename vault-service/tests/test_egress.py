"""Requests to an authorization server: with a private certificate authority, and through a proxy."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from service_kit.outbound.session import Egress
from vault_service.adapters.provider.client_authentication import BasicSecret
from vault_service.adapters.provider.limited_session import LimitedSession
from vault_service.adapters.provider.token_endpoint import TokenEndpoint
from vault_service.application.provider_errors import NotSentError

FORM = {"grant_type": "refresh_token", "refresh_token": "r"}
TOKENS = b'{"access_token": "a", "token_type": "Bearer"}'


@dataclass
class Tls:
    """An authorization server behind TLS, for 127.0.0.1 and login.test. ca: its authority's certificate."""

    port: int
    ca: str
    other_ca: str
    posts: list[str] = field(default_factory=list)


@dataclass
class ForwardProxy:
    """A proxy that leads everything to one port of loopback. asked: method and target of each request."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)


def _certificate(name: str, issuer: tuple[x509.Certificate, Any] | None) -> tuple[x509.Certificate, Any]:
    """A certificate and its key, self-signed as an authority without an issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.DNSName("login.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signer = issuer[1] if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if issuer is None:
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
            False,
        )
        more = x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False)
        builder = builder.add_extension(more, critical=True)
    return builder.sign(signer, hashes.SHA256()), key


def _written(path: Path, certificate: x509.Certificate, key: Any = None) -> str:
    pem = certificate.public_bytes(Encoding.PEM)
    if key is not None:
        pem += key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem)
    return str(path)


class _TokenHandler(BaseHTTPRequestHandler):
    posts: list[str]

    def do_POST(self) -> None:
        self.posts.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(200)
        self.send_header("Content-Length", str(len(TOKENS)))
        self.end_headers()
        self.wfile.write(TOKENS)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A refused handshake is expected."""


def _listening(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> _Quiet:
    server = _Quiet(("127.0.0.1", 0), handler)
    if context is not None:  # the handshake is made by the request's thread
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[Tls]:
    """A server whose certificate is from a private authority."""
    authority, other = _certificate("private", None), _certificate("other", None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_written(tmp_path / "server.pem", *_certificate("login.test", authority)))
    posts: list[str] = []
    listening = _listening(type("HttpHandler", (_TokenHandler,), {"posts": posts}), context)
    ca, other_ca = _written(tmp_path / "ca.pem", authority[0]), _written(tmp_path / "other.pem", other[0])
    yield Tls(listening.server_port, ca, other_ca, posts)
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def proxy(tls: Tls) -> Iterator[ForwardProxy]:
    """Tunnels to the server behind TLS (RFC 9110 section 9.3.6), and answers forwarded posts itself."""
    known = ForwardProxy()

    class HttpHandler(_TokenHandler):
        posts = tls.posts

        def do_CONNECT(self) -> None:
            known.asked.append((self.command, self.path))
            with socket.create_connection(("127.0.0.1", tls.port)) as server:
                self.send_response_only(200)
                self.end_headers()
                back = threading.Thread(target=_copied, args=(server, self.connection), daemon=True)
                back.start()
                _copied(self.connection, server)
                back.join(5)
            self.close_connection = True

        def do_POST(self) -> None:
            known.asked.append((self.command, self.path))
            super().do_POST()

    listening = _listening(HttpHandler)
    known.url = f"http://127.0.0.1:{listening.server_port}"
    yield known
    listening.shutdown()
    listening.server_close()


def _copied(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def tokens(url: str, egress: Egress) -> str:
    """The access token that the server grants."""
    with LimitedSession(egress) as session:
        return TokenEndpoint(session, BasicSecret("vault", "s")).tokens(url, FORM)[0].access_token


def test_a_private_authority_is_trusted_where_it_is_configured(tls: Tls) -> None:
    """One provider's bundle holds for that provider."""
    assert tokens(f"https://127.0.0.1:{tls.port}/token", Egress(ca_bundle=tls.ca)) == "a"
    assert len(tls.posts) == 1


def test_another_authority_is_refused_before_anything_is_sent(tls: Tls) -> None:
    """Without a bundle, and with another one: the token certainly was not used."""
    for egress in (Egress(), Egress(ca_bundle=tls.other_ca)):
        with pytest.raises(NotSentError, match="SSLError"):
            tokens(f"https://127.0.0.1:{tls.port}/token", egress)
    assert tls.posts == []


def test_a_certificate_for_another_name_is_refused(tls: Tls) -> None:
    """Though its authority is trusted."""
    with pytest.raises(NotSentError, match="SSLError"):
        tokens(f"https://localhost:{tls.port}/token", Egress(ca_bundle=tls.ca))
    assert tls.posts == []


def test_https_goes_through_a_tunnel_of_the_proxy(tls: Tls, proxy: ForwardProxy) -> None:
    """The proxy learns the name and the port, and the certificate is still verified."""
    assert tokens("https://login.test/token", Egress(ca_bundle=tls.ca, proxy=proxy.url)) == "a"
    assert proxy.asked == [("CONNECT", "login.test:443")]
    with pytest.raises(NotSentError, match="SSLError"):
        tokens("https://login.test/token", Egress(proxy=proxy.url))
    assert len(tls.posts) == 1


def test_http_is_forwarded_by_the_proxy(tls: Tls, proxy: ForwardProxy) -> None:
    """An `internal_url` may be without TLS."""
    assert tokens("http://keycloak.test/token", Egress(proxy=proxy.url)) == "a"
    assert proxy.asked == [("POST", "http://keycloak.test/token")]
    assert len(tls.posts) == 1


def test_loopback_and_named_hosts_are_reached_without_the_proxy(tls: Tls, proxy: ForwardProxy) -> None:
    """Names below a direct host too. `login.test` cannot be resolved: a direct request to it fails."""
    assert tokens(f"https://127.0.0.1:{tls.port}/token", Egress(ca_bundle=tls.ca, proxy=proxy.url)) == "a"
    for direct in ("login.test", ".test", "*.test", "TEST", "*"):
        with pytest.raises(NotSentError):
            tokens("https://login.test/token", Egress(ca_bundle=tls.ca, proxy=proxy.url, direct=frozenset({direct})))
    assert proxy.asked == []


def test_without_a_proxy_none_is_used(tls: Tls, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    with pytest.raises(NotSentError):
        tokens("https://login.test/token", Egress(ca_bundle=tls.ca))
    assert proxy.asked == []


def test_a_proxy_that_is_unavailable_was_sent_nothing(tls: Tls) -> None:
    """The token was not used."""
    with pytest.raises(NotSentError):
        tokens("https://login.test/token", Egress(ca_bundle=tls.ca, proxy="http://127.0.0.1:9"))
    assert tls.posts == []
