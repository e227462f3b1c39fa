"""The report of the measurements, for people and for programs, with a description of the machine."""

import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.vault import Plan, Round, VaultFigure

SYNCED_BYTES = 8192
SYNCS = 50


def table(figures: Sequence[VaultFigure]) -> str:
    """A line for each figure."""
    head = f"{'':<4}{'':<42}{'median':>9}{'least':>9}{'greatest':>9}    goal"
    lines = [
        f"{f.name:<4}{f.what:<42}{f.median:>9.2f}{f.least:>9.2f}{f.greatest:>9.2f} {f.unit:<3}{f.goal:<7}"
        f"{' not reached' if f.is_reached is False else ''}"
        for f in figures
    ]
    return "\n".join([head, *lines])


def outcomes(rounds: Sequence[Round]) -> str:
    """A line for each measurement: medians over the rounds; then the processor time of an answer, by part."""
    parts = list(rounds[0]["flask"].processor)
    head = f"{'':<16}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}   processor µs of " + ", ".join(parts)
    lines = []
    for name in rounds[0]:
        measured = [each[name] for each in rounds]
        rate, p50, p99 = (statistics.median(getattr(m, field) for m in measured) for field in ("rate", "p50", "p99"))
        spent = (statistics.median(m.processor[part] for m in measured) for part in parts)
        lines.append(f"{name:<16}{rate:>10.0f}{p50:>9.2f}{p99:>9.2f}   " + " ".join(f"{each:>7.0f}" for each in spent))
    return "\n".join([head, *lines])


def write(
    path: Path, figures: Sequence[VaultFigure], rounds: Sequence[Round], plan: Plan, about: dict[str, object]
) -> None:
    """Write everything as JSON."""
    document = {
        "figures": [asdict(figure) for figure in figures],
        "rounds": [{name: asdict(outcome) for name, outcome in measured.items()} for measured in rounds],
        "plan": asdict(plan),
        **about,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def machine(folder: Path) -> dict[str, object]:
    """The properties of the machine that affect the figures. folder: on the disk of the database."""
    return {
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
        "fsync_ms": round(_fsync_milliseconds(folder), 3),
    }


def commit(root: Path) -> str:
    """The checked-out commit, marked if the checkout has changes."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _fsync_milliseconds(folder: Path) -> float:
    """Duration of an fsync of a small write: the minimum for each durable audit line."""
    seconds = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            file.write(bytes(SYNCED_BYTES))
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds)
