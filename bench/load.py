"""A closed loop of one GET at full speed: by wrk or oha if the machine has one, otherwise by our own client.

Our own client takes processor time from a server on the same cores, which favours slow routes; the report names the
tool.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import urlsplit

from bench import client
from bench.outcome import BenchError, LoadOutcome

WRK_REPORT = Path(__file__).with_name("wrk.lua")
WRK_THREADS = 2
OWN_PROCESSES = 2


@dataclass(frozen=True, slots=True)
class Get:
    """One GET, again and again."""

    url: str
    headers: Mapping[str, str]

    @property
    def origin(self) -> str:
        """`http://host:port`."""
        address = urlsplit(self.url)
        return f"{address.scheme}://{address.netloc}"

    def request(self) -> bytes:
        """The complete request."""
        return _request(self.url, tuple(self.headers.items()))

    def take(self, body: bytes) -> None:
        """This caller has no state."""


@lru_cache(maxsize=64)
def _request(url: str, headers: Sequence[tuple[str, str]]) -> bytes:
    address = urlsplit(url)
    target = f"{address.path}?{address.query}" if address.query else address.path
    lines = [f"GET {target} HTTP/1.1", f"Host: {address.netloc}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode()


Tool = Callable[[Get, int, float], LoadOutcome]


def choose() -> tuple[str, Tool]:
    """The best available tool, with its name."""
    tools: dict[str, Tool] = {"wrk": _wrk, "oha": _oha}
    for name, tool in tools.items():
        if shutil.which(name):
            return name, tool
    return "own client", _own


def _wrk(get: Get, connections: int, seconds: float) -> LoadOutcome:
    threads = min(WRK_THREADS, connections)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(WRK_REPORT)]
    printed = _run([*command, *_headers(get), get.url])
    seen = json.loads(printed.rpartition("JSON ")[2])
    if seen["failed"] or not seen["count"]:
        raise BenchError(f"{get.origin}: {seen['failed']} of {seen['count']} requests failed")
    return LoadOutcome(seen["count"] / seen["microseconds"] * 1e6, seen["p50"] / 1e3, seen["p99"] / 1e3, seen["count"])


def _oha(get: Get, connections: int, seconds: float) -> LoadOutcome:
    command = ["oha", "--no-tui", "--output-format", "json", "-c", str(connections), "-z", f"{seconds}s"]
    seen = json.loads(_run([*command, *_headers(get), get.url]))
    answers = {int(status): count for status, count in seen["statusCodeDistribution"].items()}
    errors = {why: count for why, count in seen["errorDistribution"].items() if "deadline" not in why}
    if set(answers) != {200} or errors:
        raise BenchError(f"{get.origin} answered {answers}; errors: {errors}")
    percentiles = seen["latencyPercentiles"]
    return LoadOutcome(
        answers[200] / seen["summary"]["total"], 1e3 * percentiles["p50"], 1e3 * percentiles["p99"], answers[200]
    )


def _own(get: Get, connections: int, seconds: float) -> LoadOutcome:
    """Load by our own client; quantiles are the worst of its processes."""
    shares = [len(range(connections)[part::OWN_PROCESSES]) for part in range(OWN_PROCESSES)]
    with ProcessPoolExecutor(OWN_PROCESSES, mp_context=get_context("spawn")) as pool:
        done = [pool.submit(client.closed, [get] * share, seconds) for share in shares if share]
        outcomes = [future.result() for future in done]
    return LoadOutcome(
        rate=sum(outcome.rate for outcome in outcomes),
        p50=max(outcome.p50 for outcome in outcomes),
        p99=max(outcome.p99 for outcome in outcomes),
        count=sum(outcome.count for outcome in outcomes),
    )


def _headers(get: Get) -> list[str]:
    return [word for name, value in get.headers.items() for word in ("-H", f"{name}: {value}")]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout
