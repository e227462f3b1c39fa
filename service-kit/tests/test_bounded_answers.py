"""Whatever a server sends, a call ends in time and with a bounded answer."""

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest
import requests

from service_kit.outbound import session as outbound
from service_kit.outbound.session import MAX_ANSWER_BYTES, AnswerTooLargeError, Egress, Session

Send = Callable[[Callable[[bytes], None]], None]
SOON = 1.0


@contextmanager
def serving(answer: Send) -> Iterator[str]:
    """A server that answers each connection by that function; the URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with suppress(OSError):
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        connection.recv(65536)
                        answer(connection.sendall)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/userinfo"
        ended.set()


def head(*fields: str) -> bytes:
    """The head of a 200."""
    return ("HTTP/1.1 200 OK\r\n" + "".join(f"{field}\r\n" for field in fields) + "\r\n").encode()


def packed(size: int) -> bytes:
    """That many zeros, compressed."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session whose calls end soon."""
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", SOON)
    with Session() as made:
        yield made


def get(session: Session, answer: Send) -> requests.Response:
    """A call that waits for each byte longer than it is sent later."""
    with serving(answer) as url:
        return session.get(url, timeout=(SOON / 2, SOON / 2))


def test_300_mib_in_gzip_are_refused_without_being_unpacked(session: Session) -> None:
    """The body is 300 KiB on the wire."""
    body = packed(300 << 20)
    began = time.monotonic()
    with pytest.raises(AnswerTooLargeError):
        get(session, lambda send: send(head(f"Content-Length: {len(body)}", "Content-Encoding: gzip") + body))
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked", "Connection: close"])
def test_a_drip_ends_in_time(session: Session, framing: str) -> None:
    """However the end of the body is told."""

    def drip(send: Callable[[bytes], None]) -> None:
        send(head(framing))
        for _ in range(100):
            send(b"1\r\nx\r\n" if "chunked" in framing else b"x")
            time.sleep(0.1)

    began = time.monotonic()
    with pytest.raises(requests.RequestException):
        get(session, drip)
    assert time.monotonic() - began < 3 * SOON


def test_a_drip_of_header_fields_ends_in_time(session: Session) -> None:
    """The answer's body is never reached."""

    def drip(send: Callable[[bytes], None]) -> None:
        send(b"HTTP/1.1 200 OK\r\n")
        for number in range(100):
            send(f"X-{number}: x\r\n".encode())
            time.sleep(0.1)

    began = time.monotonic()
    with pytest.raises(requests.RequestException):
        get(session, drip)
    assert time.monotonic() - began < 3 * SOON


def test_a_body_without_end_is_refused(session: Session) -> None:
    """As soon as it is too large."""

    def flood(send: Callable[[bytes], None]) -> None:
        send(head("Connection: close"))
        for _ in range(1000):
            send(bytes(65536))

    with pytest.raises(AnswerTooLargeError):
        get(session, flood)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd"])
def test_an_encoding_that_was_not_asked_for_is_refused(session: Session, encoding: str) -> None:
    """Only gzip and deflate are undone, once."""
    with pytest.raises(requests.RequestException):
        get(session, lambda send: send(head("Content-Length: 2", f"Content-Encoding: {encoding}") + b"{}"))


@pytest.mark.parametrize("damage", [lambda body: body[:-9], lambda body: b"x" + body])
def test_a_damaged_compressed_body_is_an_error(session: Session, damage: Callable[[bytes], bytes]) -> None:
    """A damaged body does not count as a shorter one."""
    body = damage(gzip.compress(b"{}" * 1000))
    with pytest.raises(requests.RequestException):
        get(session, lambda send: send(head(f"Content-Length: {len(body)}", "Content-Encoding: gzip") + body))


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_compressed_answer_is_read(session: Session, pack: Callable[[bytes], bytes]) -> None:
    """Up to the limit."""
    content = b"x" * MAX_ANSWER_BYTES
    name = "gzip" if pack is gzip.compress else "deflate"
    body = pack(content)
    answer = get(session, lambda send: send(head(f"Content-Length: {len(body)}", f"Content-Encoding: {name}") + body))
    assert answer.content == content


def test_a_drip_in_the_tls_handshake_ends_in_time(session: Session) -> None:
    """A record of 16 KiB, a byte at a time."""

    def drip(send: Callable[[bytes], None]) -> None:
        send(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
        for _ in range(100):
            send(b"\0")
            time.sleep(0.1)

    began = time.monotonic()
    with serving(drip) as url, pytest.raises(requests.RequestException):
        session.get(url.replace("http:", "https:"), timeout=(SOON / 2, SOON / 2))
    assert time.monotonic() - began < 3 * SOON


def test_a_drip_of_a_proxy_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy's answer to CONNECT never ends."""
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", SOON)

    def drip(send: Callable[[bytes], None]) -> None:
        send(b"HTTP/1.1 200 OK\r\n")
        for number in range(100):
            send(f"X-{number}: x\r\n".encode())
            time.sleep(0.1)

    began = time.monotonic()
    with serving(drip) as url, Session(egress=Egress(proxy=url.removesuffix("/userinfo"))) as session:
        call = partial(session.get, "https://login.example.org/", timeout=(SOON / 2, SOON / 2))
        with pytest.raises(requests.RequestException):
            call()
    assert time.monotonic() - began < 3 * SOON


def test_a_caller_that_names_a_longer_time_gets_it(session: Session) -> None:
    """For example one that waits for a change at the other side."""

    def slow(send: Callable[[bytes], None]) -> None:
        time.sleep(1.5 * SOON)
        send(head("Content-Length: 2") + b"{}")

    with serving(slow) as url:
        assert session.get(url, timeout=(2, 3)).content == b"{}"
