"""Processor time of the parts for each request; other load on the machine hardly affects it."""

import os
from collections.abc import Mapping
from pathlib import Path

TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def used(parts: Mapping[str, int]) -> dict[str, float]:
    """Processor time in seconds that each part has used so far. parts: the first process of each, by name."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        fields = _stat(entry) if entry.name.isdecimal() else []
        if fields:
            parents[int(entry.name)] = int(fields[1])
            seconds[int(entry.name)] = (int(fields[11]) + int(fields[12])) * TICK_SECONDS
    names = {first: name for name, first in parts.items()}
    sums = dict.fromkeys(parts, 0.0)
    for process, its_seconds in seconds.items():
        ancestor: int | None = process
        while ancestor is not None and ancestor not in names:
            ancestor = parents.get(ancestor)
        if ancestor is not None:
            sums[names[ancestor]] += its_seconds
    return sums


def spent(parts: Mapping[str, int], before: Mapping[str, float], count: int) -> dict[str, float]:
    """Microseconds that each part has used since then, for each request."""
    return {name: 1e6 * (now - before[name]) / count for name, now in used(parts).items()}


def _stat(process: Path) -> list[str]:
    """The fields of proc(5)'s `stat` from the third on; none for a process that has gone."""
    try:
        return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
