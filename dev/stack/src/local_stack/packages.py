"""Runs pip, npm or another slow command and shows how far it is: `python -m local_stack.packages pip|npm|step WHAT …`.

    pip WHAT ARGUMENTS…          `pip install ARGUMENTS…` in this interpreter's environment
    npm WHAT LOCK_FILE COMMAND…  a command that runs `npm ci` and passes its log on
    step WHAT COMMAND…           any other command; only the time is shown

The output of the command is shown if it fails, and only then. The exit status is the command's.
Standard library only: `dev/stack/install` runs this before any package is installed.
"""

import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from local_stack.progress import ProgressLine, duration, remaining

TICK_SECONDS = 0.2
LAST_LINES = 20
UNITS = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
NOT_FOR_THE_COMMAND = ("PYTHONPATH", "PIP_QUIET", "PIP_VERBOSE")
"""Environment variables that would change what a command loads, or the log that is read here."""


class Progress(Protocol):
    """The progress of a command, read from its log."""

    def read(self, line: str) -> None:
        """Take one line of the log."""

    def fraction(self) -> float:
        """The part that is done, 0 to 1; 0 when it is not known."""

    def state(self) -> str:
        """The current step: `downloading 12 of 47, flask`."""


class InstallStep:
    """A command whose log says nothing about its progress."""

    def read(self, line: str) -> None:
        """Nothing to learn."""

    def fraction(self) -> float:
        """Unknown."""
        return 0

    def state(self) -> str:
        """Nothing to say."""
        return ""


class PipProgress:
    """`pip install`: every package is downloaded, then every package is installed; each counts one half."""

    def __init__(self, arguments: Sequence[str], site_packages: Path, downloads: Path) -> None:
        """downloads: the folder that pip uses for temporary files; the size of the current download is read there."""
        pairs = list(pairwise(arguments))
        self._total = sum(_pins(Path(value)) for name, value in pairs if name == "-r") + arguments.count("-e")
        self._site_packages = site_packages
        self._downloads = downloads
        self._before = self._installed()
        self._collected = self._present = 0
        self._name = self._file = ""
        self._size = 0.0
        self._installing = False

    def read(self, line: str) -> None:
        """Follows pip's own messages; the texts have been the same since pip 10."""
        if found := re.match(r"(?:Collecting|Obtaining) (?:file:\S*/)?([\w.-]+)", line):
            self._collected += 1
            self._name, self._file, self._size = found[1], "", 0.0
        elif found := re.match(r"\s+Downloading (?:\S*/)?(\S+) \(([\d.]+) (bytes|kB|MB|GB)\)", line):
            self._file, self._size = found[1], float(found[2]) * UNITS[found[3]]
        elif line.startswith(("Requirement already satisfied:", "Ignoring ")):
            self._collected += 1
            self._present += 1
        elif line.startswith("Installing collected packages:"):
            self._installing = True

    def fraction(self) -> float:
        """Both halves; the current download counts by its bytes."""
        if not self._total:
            return 0
        downloaded = self._total if self._installing else max(0.0, self._collected - 1 + self._current())
        return min(1.0, (downloaded + self._done()) / 2 / self._total)

    def state(self) -> str:
        """The package at hand, with its size when that is large."""
        if self._installing:
            return f"installing {min(self._done() + 1, self._total)} of {self._total}"
        if not self._collected:
            return f"{self._total} to install"
        size = f" ({self._current() * self._size / 1e6:.1f} of {self._size / 1e6:.1f} MB)" if self._size > 1e6 else ""
        return f"downloading {min(self._collected, self._total)} of {self._total}, {self._name}{size}"

    def _current(self) -> float:
        """The part of the current download that is on disk."""
        if not self._size:
            return 0
        sizes = (size for path in self._downloads.rglob(self._file) if (size := _size(path)))
        return min(1.0, max(sizes, default=0) / self._size)

    def _done(self) -> int:
        return self._present + len(self._installed() - self._before)

    def _installed(self) -> set[str]:
        return {path.name for path in self._site_packages.glob("*.dist-info")}


class NpmProgress:
    """`npm ci` with `--loglevel http`: one line for each archive that is fetched or found in the cache."""

    def __init__(self, lock_file: Path) -> None:
        self._total = _locked(lock_file)
        self._fetched: set[str] = set()
        self._name = ""

    def read(self, line: str) -> None:
        """An archive's address ends with `/-/NAME-VERSION.tgz`."""
        if found := re.search(r"/-/(\S+)\.tgz", line):
            self._fetched.add(found[1])
            self._name = found[1]

    def fraction(self) -> float:
        """Archives that are there."""
        return min(1.0, len(self._fetched) / self._total) if self._total else 0

    def state(self) -> str:
        """The last archive."""
        count = min(len(self._fetched), self._total)
        return f"fetched {count} of {self._total}, {self._name}" if count else f"{self._total} to fetch"


def _pins(requirements: Path) -> int:
    return len(re.findall(r"^[\w.-]+==", requirements.read_text(encoding="utf-8"), re.MULTILINE))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # pip has moved it meanwhile
        return 0


def _locked(lock_file: Path) -> int:
    """The packages of a lock file that npm installs on this machine. Optional ones are for certain systems only."""
    here = {
        "os": sys.platform,
        "cpu": {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(
            platform.machine().lower(), platform.machine()
        ),
        "libc": "glibc" if platform.libc_ver()[0] == "glibc" else "musl",
    }
    packages = json.loads(lock_file.read_text(encoding="utf-8"))["packages"]
    return sum(
        all(value in package.get(name, [value]) for name, value in here.items())
        for folder, package in packages.items()
        if folder and ("os" in package or not package.get("optional"))
    )


def follow(what: str, command: Sequence[str], progress: Progress, environ: dict[str, str], line: ProgressLine) -> int:
    """Run a command and show its progress; its exit status. Its last lines are printed when it fails."""
    started = time.monotonic()
    last: deque[str] = deque(maxlen=LAST_LINES)
    process = subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )

    texts: SimpleQueue[str | None] = SimpleQueue()  # None: the output has ended
    threading.Thread(target=_read, args=(process, texts), daemon=True).start()
    line.show(f"  … {what}")
    try:
        while (text := _next(texts)) is not None:
            if text:
                last.append(text.rstrip())
                progress.read(text)
            line.show(_text(what, progress, time.monotonic() - started))
        status = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        status = 130
    if status:
        line.keep("\n".join(["", *last]))
    else:
        line.keep(f"  ✓ {what:<24}{duration(time.monotonic() - started):>8}")
    return status


def _read(process: "subprocess.Popen[str]", texts: "SimpleQueue[str | None]") -> None:
    with process:
        for text in process.stdout or ():
            texts.put(text)
    texts.put(None)


def _next(texts: "SimpleQueue[str | None]") -> str | None:
    """The next line; empty when there is none for a while."""
    try:
        return texts.get(timeout=TICK_SECONDS)
    except Empty:
        return ""


def _text(what: str, progress: Progress, elapsed: float) -> str:
    facts = (progress.state(), duration(elapsed) if elapsed >= 1 else "", remaining(progress.fraction(), elapsed))
    return f"  … {what}" + "".join(f" · {fact}" for fact in facts if fact)


def main(arguments: Sequence[str]) -> int:
    """Run what the command line names; its exit status."""
    kind, what, *rest = arguments
    line = ProgressLine(sys.stderr)
    environ = {name: value for name, value in os.environ.items() if name not in NOT_FOR_THE_COMMAND}
    if kind == "npm":
        return follow(what, rest[1:], NpmProgress(Path(rest[0])), environ, line)
    if kind == "step":
        return follow(what, rest, InstallStep(), environ, line)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    with tempfile.TemporaryDirectory(prefix="pip-") as downloads:
        progress = PipProgress(rest, Path(sysconfig.get_path("purelib")), Path(downloads))
        return follow(what, [*pip, *rest], progress, {**environ, "TMPDIR": downloads}, line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
