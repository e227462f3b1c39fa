"""Redis gone, full, silent or mad: it spares refreshes and is needed for nothing."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from faults.figures import Figures
from faults.world import World, outcome

ASKED = 20


class Garbage(socketserver.BaseRequestHandler):
    """Answers everything with what no Redis says."""

    def handle(self) -> None:
        """Until the caller leaves."""
        while self.request.recv(4096):
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\x00\xff$99999999999\r\n")


class Silence(socketserver.BaseRequestHandler):
    """Takes everything and answers nothing."""

    def handle(self) -> None:
        """Until the caller leaves."""
        while self.request.recv(4096):
            pass


@contextmanager
def full(url: str) -> Iterator[None]:
    """A Redis that takes no more."""
    with redis.Redis.from_url(url, protocol=2) as client:
        before = {name: client.config_get(name)[name] for name in ("maxmemory-policy", "maxmemory")}
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
        try:
            yield
        finally:
            for name, value in before.items():
                client.config_set(name, value)


@contextmanager
def pretended(handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    """The URL of a server that is no Redis."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"redis://:secret@127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()


@contextmanager
def trouble(world: World, kind: str) -> Iterator[str]:
    """The URL of a Redis in trouble."""
    if kind == "full":
        with full(world.stack["REDIS_URL"]):
            yield world.stack["REDIS_URL"]
    elif kind == "gone":
        yield "redis://:secret@127.0.0.1:1/0"
    else:
        with pretended({"garbage": Garbage, "silent": Silence}[kind]) as url:
            yield url


@pytest.mark.parametrize("kind", ["gone", "full", "garbage", "silent"])
def test_redis_in_trouble(world: World, figures: Figures, kind: str) -> None:
    """P8: every token is served, from memory or by a refresh; the server is asked once for each scope."""
    world.settings(refreshTokenMaxReuse=0)
    world.plan()
    with trouble(world, kind) as url:
        vault = world.vault(f"redis-{kind}", environ={"REDIS_URL": url}).start()
        granted = world.grant()
        answers = [outcome(vault.ask(world.bearer, granted.id, scope=scope)) for scope in ("openid", "email") * ASKED]
        figures.keep("P8", f"tokens refused of {len(answers)}, Redis {kind}", "0", len(answers) - answers.count("ok"))
        assert set(answers) == {"ok"}
        assert (world.requests(), world.books(granted).generation) == (2, 3)
        vault.end()
