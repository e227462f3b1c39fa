"""A request leaves in time or not at all, and ends in time, whatever the authorization server does."""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service_kit.outbound.session import Egress
from vault_service.adapters.provider import token_endpoint
from vault_service.adapters.provider.client_authentication import BasicSecret
from vault_service.adapters.provider.limited_session import LimitedSession
from vault_service.adapters.provider.token_endpoint import TokenEndpoint
from vault_service.application.provider_errors import NotSentError, UncertainError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
GOOD = b'{"access_token": "a", "token_type": "Bearer", "expires_in": 300}'
Serve = Callable[[socket.socket, threading.Event], None]


@pytest.fixture
def serving() -> Iterator[Callable[..., int]]:
    """A server that reads a request and then does as the test says, as long as the test lasts; its port."""
    over = threading.Event()
    listening: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(serve: Serve, tls: ssl.SSLContext | None = None) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        listening.append(server)

        def run() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with suppress(OSError), closing(_secured(connection, tls)) as secured:
                        if secured.recv(65536):
                            serve(secured, over)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return int(server.getsockname()[1])

    yield start
    over.set()
    for server in listening:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
    for thread in threads:
        thread.join(5)


def _secured(connection: socket.socket, tls: ssl.SSLContext | None) -> socket.socket:
    """The connection is closed when the TLS handshake fails."""
    return connection if tls is None else tls.wrap_socket(connection, server_side=True)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenEndpoint]:
    """A client whose requests end after one second."""
    monkeypatch.setattr(token_endpoint, "TOTAL_TIMEOUT", 1.0)
    with LimitedSession() as session:
        yield TokenEndpoint(session, BasicSecret("token-vault", "secret"))


def dripping(data: bytes) -> Serve:
    """Sends a byte every 50 ms, without end."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        for byte in data * 100:
            connection.sendall(bytes([byte]))
            if over.wait(0.05):
                return

    return serve


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 500, HEAD % 10_000 + b" " * 10], ids=["head", "body"]
)
def test_a_dripping_server_is_not_waited_for(serving: Callable[..., int], endpoint: TokenEndpoint, data: bytes) -> None:
    """Each wait is short, but their sum is limited."""
    started = monotonic()
    with pytest.raises(UncertainError):
        endpoint.tokens(f"http://127.0.0.1:{serving(dripping(data))}/token", {})
    assert monotonic() - started < 5


def test_a_whole_answer_is_taken_and_the_connection_kept(serving: Callable[..., int], endpoint: TokenEndpoint) -> None:
    """A later request on the connection has its own deadlines."""
    served = []

    def serve(connection: socket.socket, over: threading.Event) -> None:
        served.append(1)
        connection.sendall(HEAD % len(GOOD) + GOOD)
        while connection.recv(65536):
            connection.sendall(HEAD % len(GOOD) + GOOD)

    url = f"http://127.0.0.1:{serving(serve)}/token"
    started = monotonic()
    while monotonic() < started + 1.5:  # longer than one request may last
        assert endpoint.tokens(url, {})[0].access_token == "a"
    assert served == [1]


@pytest.mark.parametrize("first", [b"103 Early Hints", b"204 No Content", b"304 Not Modified"], ids=bytes.decode)
def test_what_comes_after_an_answer_without_a_body_is_nobodys_answer(
    serving: Callable[..., int], endpoint: TokenEndpoint, first: bytes
) -> None:
    """The next request has a connection of its own: it must not read another person's tokens."""
    requests = []

    def serve(connection: socket.socket, over: threading.Event) -> None:
        requests.append(1)
        if len(requests) == 1:
            connection.sendall(b"HTTP/1.1 " + first + b"\r\n\r\n")
            if connection.recv(65536):  # the next request on this connection, if there is one
                connection.sendall(HEAD % len(GOOD) + GOOD)
        else:
            own = GOOD.replace(b'"a"', b'"own"')
            connection.sendall(HEAD % len(own) + own)

    url = f"http://127.0.0.1:{serving(serve)}/token"
    with pytest.raises(UncertainError):
        endpoint.tokens(url, {})
    assert endpoint.tokens(url, {})[0].access_token == "own"


@pytest.mark.parametrize("is_connected", [False, True])
def test_a_request_that_would_leave_late_does_not_leave(
    serving: Callable[..., int], endpoint: TokenEndpoint, is_connected: bool
) -> None:
    """The process was frozen before it sent: another one may have used the token meanwhile."""
    asked = []

    def serve(connection: socket.socket, over: threading.Event) -> None:
        while True:
            asked.append(1)
            connection.sendall(HEAD % len(GOOD) + GOOD)
            if not connection.recv(65536):
                return

    url = f"http://127.0.0.1:{serving(serve)}/token"
    if is_connected:
        endpoint.tokens(url, {})
    with pytest.raises(NotSentError):
        endpoint.tokens(url, {}, begun=monotonic() - token_endpoint.LEAVE_WITHIN)
    assert len(asked) == is_connected


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "server.pem"
    path.write_bytes(plain + built.public_bytes(pem))
    return path


def test_over_tls(
    serving: Callable[..., int], endpoint: TokenEndpoint, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an untrusted certificate nothing was sent; after a broken record the outcome is uncertain."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    asked = []

    def breaks(connection: socket.socket, over: threading.Event) -> None:
        asked.append(1)
        assert isinstance(connection, ssl.SSLSocket)
        socket.socket.sendall(connection, b"\x17\x03\x03\x00\x20" + b"x" * 32)

    url = f"https://localhost:{serving(breaks, context)}/token"
    with pytest.raises(NotSentError):
        endpoint.tokens(url, {})
    assert asked == []
    endpoint._session = LimitedSession(Egress(str(certificate)))
    with pytest.raises(UncertainError):
        endpoint.tokens(url, {})
    assert asked == [1]


def test_a_server_that_drips_over_tls(serving: Callable[..., int], endpoint: TokenEndpoint, certificate: Path) -> None:
    """The deadline holds over TLS, too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    endpoint._session = LimitedSession(Egress(str(certificate)))
    with pytest.raises(UncertainError):
        endpoint.tokens(f"https://localhost:{serving(dripping(HEAD % 10_000), context)}/token", {})
