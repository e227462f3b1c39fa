"""Change the code in small ways and see whether a test notices (`make mutants`; cosmic-ray makes the changes).

In a copy of the repository, for each target of `targets.toml`: a sample of the changes that are possible in its module,
drawn by a fixed seed, each tried with the target's tests. What survives is printed as a diff, and the
score goes into a file.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv/bin/python"
SOURCES = ("service-kit/src", "vault-service/src", "vault-service/client/src", "task-service/src", "dev/stack/src")
WORTHLESS = ["core/ReplaceBinaryOperator_BitOr_.*", "core/NumberReplacer"]
"""`X | None` in annotations, and constants that are a choice."""
SEED = 14
TEST_SECONDS = 120.0


def main() -> None:
    """Run the targets named on the command line, or all."""
    targets = tomllib.loads(Path(__file__).with_name("targets.toml").read_text())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(targets))
    parser.add_argument("--most", type=int, default=40, help="changes for each target")
    parser.add_argument("--minutes", type=float, default=30.0, help="no target begins later")
    parser.add_argument("--score", type=Path, default=ROOT / "artifacts/mutants.json")
    given = parser.parse_args()
    ends = time.monotonic() + given.minutes * 60
    scores: dict[str, dict[str, int]] = {}
    with TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder, "repository")
        copied(copy)
        for name in given.targets or targets:
            if time.monotonic() < ends:
                scores[name] = tried(name, targets[name], copy, given.most)
            else:
                print(f"{name}: not tried, the time is over", flush=True)
    given.score.parent.mkdir(exist_ok=True)
    given.score.write_text(json.dumps(scores, indent=2) + "\n")


def copied(copy: Path) -> None:
    """Copy the files that git knows, as they are now."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.split(b"\0")
    for name in filter(None, map(os.fsdecode, names)):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)


def tried(name: str, target: dict[str, Any], copy: Path, most: int) -> dict[str, int]:
    """Try a target's changes; their numbers: possible, tried, noticed."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(str(copy / each) for each in SOURCES)}
    tests = [str(PYTHON), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *target["tests"]]
    unchanged = subprocess.run(tests, cwd=copy, env=environ, check=False, capture_output=True, text=True)
    if unchanged.returncode:
        sys.exit(f"{name}: its tests fail without a change, so they can notice none:\n{unchanged.stdout[-4000:]}")
    config, session = copy / f"{name}.toml", copy / f"{name}.sqlite"
    config.write_text(
        f'[cosmic-ray]\nmodule-path = "{target["module"]}"\ntimeout = {TEST_SECONDS}\nexcluded-modules = []\n'
        f"test-command = {json.dumps(' '.join(tests))}\n"
        '[cosmic-ray.distributor]\nname = "local"\n'
        f"[cosmic-ray.filters.operators-filter]\nexclude-operators = {json.dumps(WORTHLESS)}\n"
    )
    tools = Path(sys.executable).parent

    def run(tool: str, *arguments: str | Path) -> None:
        subprocess.run([tools / tool, *arguments], cwd=copy, env=environ, check=True, stdout=subprocess.DEVNULL)

    run("cosmic-ray", "init", config, session)
    run("cr-filter-operators", session, config)
    possible = sampled(session, most)
    run("cosmic-ray", "exec", config, session)
    return {"possible": possible, **told(name, session)}


def sampled(session: Path, most: int) -> int:
    """Leave a sample of the changes to be tried. The number of all."""
    with use_db(session, WorkDB.Mode.open) as database:
        pending = sorted(database.pending_work_items, key=lambda item: repr(item.mutations))
        kept = random.Random(SEED).sample(range(len(pending)), min(most, len(pending)))  # noqa: S311 - a sample
        for number, item in enumerate(pending):
            if number not in kept:
                database.set_result(item.job_id, WorkResult(WorkerOutcome.SKIPPED))
    return len(pending)


def told(name: str, session: Path) -> dict[str, int]:
    """Print what survived. The numbers tried and noticed."""
    with use_db(session, WorkDB.Mode.open) as database:
        results = [result for _, result in database.results if result.test_outcome is not None]
    survivors = [result for result in results if result.test_outcome == TestOutcome.SURVIVED]
    for survivor in survivors:
        print(survivor.diff)
    print(f"{name}: {len(results) - len(survivors)} of {len(results)} changes noticed", flush=True)
    return {"tried": len(results), "noticed": len(results) - len(survivors)}


if __name__ == "__main__":
    main()
