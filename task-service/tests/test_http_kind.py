"""The kind `http`: what it sends, and what it refuses to reach."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from http_parts import Asked, Reply, Server, serving
from memory_attempts import Memory
from memory_journal import MemoryJournal
from scripted_vault import ScriptedVault, Userinfo

from task_service.application.access import AttemptAccess
from task_service.application.handler import HandlerContext, Stop, Stopped
from task_service.application.progress import GroupedProgress
from task_service.domain.attempt import Attempt, AttemptKey
from task_service.domain.owner import Owner
from task_service.kinds.base import HandlerError, KindSettings, ParametersError, Tools
from task_service.kinds.guarded import is_public
from task_service.kinds.http import Http, HttpParameters, origin_of
from task_service.kinds.registry import parsed

pytestmark = pytest.mark.process


class StubApi:
    """A web API: answers by path."""

    def __init__(self) -> None:
        self.replies: dict[str, Callable[[], Reply]] = {}
        self.server: Server | None = None

    def answer(self, asked: Asked) -> Reply:
        """The answer that the test has set."""
        return self.replies[asked.path]()


@pytest.fixture
def api() -> Iterator[StubApi]:
    """The API answers."""
    api = StubApi()
    with serving(api.answer) as server:
        api.server = server
        yield api


def url_of(api: StubApi) -> str:
    """The API's origin."""
    assert api.server is not None
    return api.server.url


def run(
    api: StubApi,
    *,
    path: str = "/data",
    networks: tuple[str, ...] = ("127.0.0.0/8",),
    seconds: float = 10.0,
    stop: Callable[[], Stop | None] = lambda: None,
    vault: ScriptedVault | None = None,
    **parameters: Any,
) -> str:
    """The result of one task."""
    settings = KindSettings(http_origins=(url_of(api),), http_networks=networks, http_seconds=seconds)
    kind = Http(Tools(userinfo=Userinfo(), settings=settings))
    attempt = Attempt(
        key=AttemptKey(uuid4(), 7),
        run=2,
        owner=Owner("https://issuer.example", "alice-sub"),
        task_name="a",
        kind="http",
        parameters={},
        persistent_token_id=uuid4(),
    )
    context = HandlerContext(
        attempt, GroupedProgress(Memory(attempt)), MemoryJournal(), AttemptAccess(vault or ScriptedVault()), stop
    )
    return kind.run(parsed(kind, {"url": url_of(api) + path, **parameters}), context)


def test_the_request_has_the_token_and_a_key_for_the_run(api: StubApi) -> None:
    """And what the owner has said; the answer's text is the result."""
    api.replies["/data"] = lambda: Reply(201, b"created \xff", "text/plain")
    result = run(api, method="POST", headers={"X-Trace": "a b"}, body='{"ä": 1}')
    assert result == "created \ufffd"
    assert api.server is not None
    (asked,) = api.server.asked
    assert asked.method == "POST"
    assert asked.body == '{"ä": 1}'
    assert asked.headers["Authorization"] == "Bearer access of alice-sub"
    assert asked.headers["Idempotency-Key"].endswith(":2")
    assert asked.headers["X-Trace"] == "a b"
    assert asked.headers["Content-Type"] == "application/json; charset=utf-8"


def test_private_addresses_are_refused_when_the_connection_is_made(api: StubApi) -> None:
    """Although the origin is allowed: its name may lead somewhere else tomorrow."""
    api.replies["/data"] = Reply
    with pytest.raises(HandlerError, match="private address"):
        run(api, networks=())
    assert api.server is not None
    assert api.server.asked == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("192.168.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, expected: bool) -> None:
    """Also those that an IPv6 address carries."""
    assert is_public(address) is expected


def test_redirects_are_followed_within_the_allowed_origins_only(api: StubApi) -> None:
    """The token never goes anywhere else; a POST that is answered by 303 becomes a GET."""
    api.replies["/data"] = lambda: Reply(303, headers={"Location": "/there"})
    api.replies["/there"] = lambda: Reply(200, b"there", "text/plain")
    assert run(api, method="POST", body="{}") == "there"
    assert api.server is not None
    assert [asked.method for asked in api.server.asked] == ["POST", "GET"]
    assert api.server.asked[1].body == ""
    other = url_of(api).replace("127.0.0.1", "localhost")
    for location in (f"{other}/there", "//evil.example/", "file:///etc/passwd", f"{url_of(api)}@evil.example/"):
        api.replies["/data"] = lambda location=location: Reply(302, headers={"Location": location})  # type: ignore[misc]
        with pytest.raises(HandlerError, match="may not be called here"):
            run(api)
    api.replies["/data"] = lambda: Reply(302, headers={"Location": "/data"})
    with pytest.raises(HandlerError, match="more than 5 times"):
        run(api)


@pytest.mark.parametrize(("status", "can_pass"), [(503, True), (429, True), (404, False), (401, False), (304, False)])
def test_other_statuses_fail_the_task_with_the_answer_s_first_line(api: StubApi, status: int, can_pass: bool) -> None:
    """Some can pass."""
    api.replies["/data"] = lambda: Reply(status, b"" if status == 304 else b"no luck\nmore", "text/plain")
    with pytest.raises(HandlerError, match=str(status)) as failed:
        run(api)
    assert failed.value.can_pass is can_pass
    assert "more" not in str(failed.value)


def test_an_answer_that_is_too_large_or_too_slow_is_broken_off(api: StubApi) -> None:
    """The run fails with a message; the answer is not truncated."""
    api.replies["/data"] = lambda: Reply(200, b"x" * ((1 << 20) + 1), "text/plain")
    with pytest.raises(HandlerError, match="more than 1048576 bytes"):
        run(api)
    released = threading.Event()

    def late() -> Reply:
        released.wait(20)
        return Reply()

    api.replies["/data"] = late
    began = time.monotonic()
    with pytest.raises(HandlerError, match=r"within 0\.3 s") as slow:
        run(api, seconds=0.3)
    assert slow.value.can_pass
    assert time.monotonic() - began < 5
    released.set()


def test_a_cancelled_run_breaks_the_call_off(api: StubApi) -> None:
    """A cancelled run does not wait for the answer."""
    released, waiting = threading.Event(), threading.Event()

    def late() -> Reply:
        waiting.set()
        released.wait(20)
        return Reply()

    api.replies["/data"] = late
    began = time.monotonic()
    with pytest.raises(Stopped):
        run(api, stop=lambda: Stop.CANCELLED if waiting.is_set() else None)
    assert time.monotonic() - began < 5
    released.set()


def test_a_server_that_is_not_there_can_come_back(api: StubApi) -> None:
    """So another attempt may succeed. The message has no query of the URL."""
    with suppress(HandlerError), serving(lambda _: Reply()) as gone:
        pass
    api.server = gone
    with pytest.raises(HandlerError, match="The call has failed") as failed:
        run(api, path="/data?key=secret")
    assert failed.value.can_pass
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"url": "https://evil.example/"}, "/url"),
        ({"url": "https://api.example@evil.example/"}, "/url"),
        ({"url": "https://api.example:8443/"}, "/url"),
        ({"url": "http://api.example/"}, "/url"),
        ({"url": "//api.example/"}, "/url"),
        ({"url": "https://api.example\\@evil.example/"}, "/url"),
        ({"url": "file:///etc/passwd"}, "/url"),
        ({"url": "https://api.example/\n"}, "/url"),
        ({"url": "https://api.example/", "method": "TRACE"}, "/method"),
        ({"url": "https://api.example/", "headers": {"Authorization": "x"}}, "/headers"),
        ({"url": "https://api.example/", "headers": {"host": "evil.example"}}, "/headers"),
        ({"url": "https://api.example/", "headers": {"Transfer-Encoding": "chunked"}}, "/headers"),
        ({"url": "https://api.example/", "headers": {"X-A": "a\r\nB: c"}}, "/headers"),
        ({"url": "https://api.example/", "headers": {"X A": "a"}}, "/headers"),
        ({"url": "https://api.example/", "contentType": "a/b"}, "/contentType"),
    ],
)
def test_what_may_not_be_called_is_refused_when_the_task_is_created(parameters: dict[str, Any], pointer: str) -> None:
    """With the place of the fault."""
    kind = Http(Tools(userinfo=Userinfo(), settings=KindSettings(http_origins=("https://api.example",))))
    with pytest.raises(ParametersError) as refused:
        parsed(kind, parameters)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize("url", ["https://api.example", "https://API.example:443/x?y", "https://api.example/"])
def test_an_origin_is_written_in_one_way(url: str) -> None:
    """Case and the usual port do not matter."""
    assert origin_of(url) == "https://api.example"
    assert isinstance(HttpParameters(url=url), HttpParameters)


def test_each_request_has_a_token_that_is_fresh(api: StubApi) -> None:
    """A redirect that comes after the token has ended gets another one."""
    vault = ScriptedVault()
    vault.lifetime = timedelta(0)
    api.replies["/data"] = lambda: Reply(307, headers={"Location": "/there"})
    api.replies["/there"] = lambda: Reply(200, b"there", "text/plain")
    assert run(api, vault=vault) == "there"
    assert vault.tokens_asked == 2
