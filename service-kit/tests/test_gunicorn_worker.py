"""gunicorn with our worker: processes share connections, stop without losing work, and do not outlive their master."""

import inspect
import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from served import Service, eventually, listens, received, served
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

from service_kit.server import connections
from service_kit.server.connections import Place, listeners
from service_kit.server.gunicorn_worker import Worker
from service_kit.server.http_protocol import HttpProtocol

pytestmark = pytest.mark.process

APPLICATION = """
import os, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from service_kit.http import app as http, inputs
from service_kit.process import logs
from service_kit.server import http_protocol
logs.configure("test")
http_protocol.LINGER_SECONDS = 5.0
background = ThreadPoolExecutor(1)

class Said(inputs.Output, frozen=True, kw_only=True):
    text: str

app = http.create_app("test", {})

@app.get("/process")
def process():
    return http.respond(Said(text=str(os.getpid())))

def wait():
    while not Path("go").exists():
        time.sleep(0.01)

@app.get("/held")
def held():
    Path("held").touch()
    wait()
    return http.respond(Said(text="held"))

def work():
    Path("working").touch()
    wait()
    time.sleep(1)
    Path("finished").touch()

@app.get("/background")
def begin():
    background.submit(work)
    return http.respond(Said(text="begun"))
"""
OWN = {"prepare", "leave"}
"""Methods of the worker that only our configuration calls."""
PROCESS = b"GET /process HTTP/1.1\r\nHost: x\r\n\r\n"


def asked(service: Service, target: str) -> str:
    """The text of an answer on a connection of its own."""
    with closing(HTTPConnection("127.0.0.1", service.port, timeout=30)) as connection:
        connection.request("GET", target)
        return str(json.loads(connection.getresponse().read())["text"])


def processes(service: Service) -> list[int]:
    """The children of the master."""
    pid = service.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_gone(pid: int) -> bool:
    """True when there is no such process, or only its exit status."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def test_health_is_answered_while_every_thread_waits(tmp_path: Path) -> None:
    """One locked row held all threads: the orchestrator would have killed a process that works."""
    with served(tmp_path, APPLICATION, workers=1) as service, ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(asked, service, "/held") for _ in range(3)]
        eventually((tmp_path / "held").exists)
        with closing(HTTPConnection("127.0.0.1", service.port, timeout=10)) as connection:
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())) == (200, {"status": "ok", "checks": {}})
        (tmp_path / "go").touch()
        assert {each.result(30) for each in waiting} == {"held"}


def test_sigterm_lets_requests_finish(tmp_path: Path) -> None:
    """A request that is being answered is answered; new connections are refused meanwhile."""
    with served(tmp_path, APPLICATION, workers=1) as service, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(asked, service, "/held")
        eventually((tmp_path / "held").exists)
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: not listens(service.port))
        assert not answer.done()
        (tmp_path / "go").touch()
        assert answer.result(30) == "held"
        assert service.process.wait(30) == 0


def test_sigterm_lets_background_work_finish(tmp_path: Path) -> None:
    """A refresh without callers, for example: its thread continues after the last connection has ended."""
    with served(tmp_path, APPLICATION, workers=1) as service:
        assert asked(service, "/background") == "begun"
        eventually((tmp_path / "working").exists)
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: not listens(service.port))
        (tmp_path / "go").touch()
        assert service.process.wait(30) == 0
    assert (tmp_path / "finished").exists()


def test_a_kept_connection_is_ended_cleanly(tmp_path: Path) -> None:
    """A request that is under way when the service stops is answered, with the word that it is the last."""
    with served(tmp_path, APPLICATION, workers=1) as service, service.connect() as used, service.connect() as idle:
        for connection in (used, idle):
            connection.sendall(PROCESS)
            with connection.makefile("rb") as answer:
                assert b"".join(iter(answer.readline, b"\r\n")).startswith(b"HTTP/1.1 200 ")
                assert b"}" in iter(lambda: answer.read(1), b"")
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: not listens(service.port))
        used.sendall(PROCESS)
        last = received(used)
        assert last.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nconnection: close\r\n" in last
        assert received(idle) == b""
        assert service.process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_it_stops_at_once_when_it_is_told_so(tmp_path: Path, number: signal.Signals) -> None:
    """By Ctrl-C at the master, say."""
    with served(tmp_path, APPLICATION, workers=2) as service:
        eventually(lambda: len(processes(service)) == 2)
        asked(service, "/process")
        workers = processes(service)
        began = time.monotonic()
        service.process.send_signal(number)
        assert service.process.wait(30) == 0
        assert time.monotonic() - began < 20, "gunicorn had to kill them"
        assert all(map(is_gone, workers))


def test_processes_end_with_their_master(tmp_path: Path) -> None:
    """Even when it was killed."""
    with served(tmp_path, APPLICATION, workers=2) as service:
        eventually(lambda: len(processes(service)) == 2)
        workers = processes(service)
        service.process.kill()
        service.process.wait()
        eventually(lambda: all(map(is_gone, workers)))


def test_a_process_that_was_killed_is_replaced(tmp_path: Path) -> None:
    """And takes part in sharing."""
    with served(tmp_path, APPLICATION, workers=2) as service:
        eventually(lambda: len(processes(service)) == 2)
        killed = processes(service)[0]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: len(set(processes(service)) - {killed}) == 2)
        eventually(lambda: len(together(service.port, 8)) == 2)
        assert str(killed) not in together(service.port, 8)


def test_connections_are_shared_evenly(tmp_path: Path) -> None:
    """Connections that arrive together do not all go to one process of two."""
    with served(tmp_path, APPLICATION, workers=2) as service:
        eventually(lambda: max(together(service.port, 8).values()) <= 5)


def together(port: int, number: int) -> Counter[str]:
    """The number of connections of each process, when so many are opened at the same time and kept."""
    with ExitStack() as kept:
        opened = [kept.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=30))) for _ in range(number)]
        for connection in opened:
            connection.request("GET", "/process")
        return Counter(json.loads(connection.getresponse().read())["text"] for connection in opened)


@pytest.mark.parametrize(
    ("own", "base"), [(HttpProtocol, HttpToolsProtocol), (Worker, UvicornWorker)], ids=["protocol", "worker"]
)
def test_what_is_overridden_is_still_there(own: type, base: type) -> None:
    """uvicorn calls these methods by name: after a renaming ours would never be called, and no error would say so."""
    gone = [
        f"{base.__module__}.{base.__name__}.{name}"
        for name, ours in vars(own).items()
        if inspect.isfunction(ours)
        and name not in OWN
        and (not name.startswith("_") or hasattr(base, name))
        and not (hasattr(base, name) and _parameters(ours) == _parameters(getattr(base, name)))
    ]
    assert not gone, f"no longer there, or with other parameters: {gone}; see docs/adr/0018"


def _parameters(function: Callable[..., object]) -> list[str] | None:
    """Their names; None for a function that passes on whatever it gets."""
    names = list(inspect.signature(function).parameters)
    return None if function.__name__ == "__init__" else names


def test_uvicorn_is_told_all_by_the_names_that_it_knows() -> None:
    """An unknown name would stop each process at its start."""
    assert set(Worker.CONFIG_KWARGS) <= set(inspect.signature(Config).parameters)


def test_a_process_with_more_connections_hesitates(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with as few as any does not; those of a process that has ended count no more."""
    hesitations: list[float] = []
    monkeypatch.setattr(connections.time, "sleep", hesitations.append)
    one, other = Place(), Place()
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as opened:
        listening = {place: opened.enter_context(listeners([server.dup()], place)[0]) for place in (one, other)}

        def hesitates(place: Place) -> bool:
            hesitations.clear()
            opened.enter_context(socket.create_connection(server.getsockname()))
            opened.enter_context(closing(listening[place].accept()[0]))
            return bool(hesitations)

        order: list[Callable[[], bool]] = [lambda: hesitates(one), lambda: hesitates(one), lambda: hesitates(other)]
        assert [each() for each in order] == [False, True, False]
        one.count(-1)
        assert (one.connections, other.connections) == (1, 1)
        one.count(1)
        other.leave()
        assert not hesitates(one)
    again = Place()
    assert again.connections == 0
    again.leave()
    one.leave()
