"""Ports of the stack's inner parts: chosen once and remembered; a port that another program has taken is replaced."""

import json
import secrets
import socket
from pathlib import Path

from local_stack.options import StackError, write_private

CHOICE = range(20_000, 30_000)
"""Below the kernel's ports for outgoing connections, which could be in use at the next start."""


def is_free(port: int) -> bool:
    """True if nothing listens on the port on the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def demand(port: int, variable: str) -> None:
    """Raise StackError unless the port is free, also on IPv6, where browsers look for `localhost` first."""
    if not is_free(port) or _listens_on_ipv6(port):
        raise StackError(f"port {port} is in use by something else; choose another: {variable}=…")


def choose(file: Path, names: list[str], running: set[str]) -> dict[str, int]:
    """A port for each name: the remembered one if it is free or its part is running, otherwise another."""
    known: dict[str, int] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    chosen: dict[str, int] = {}
    for name in names:
        port = known.get(name)
        keep = port is not None and (name in running or is_free(port))
        chosen[name] = port if keep and port is not None else _free(set(chosen.values()))
    write_private(file, json.dumps(chosen))
    return chosen


def _free(taken: set[int]) -> int:
    while True:
        port = secrets.choice(CHOICE)
        if port not in taken and is_free(port):
            return port


def _listens_on_ipv6(port: int) -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.settimeout(0.5)
            return probe.connect_ex(("::1", port)) == 0
    except OSError:
        return False  # a machine without IPv6
