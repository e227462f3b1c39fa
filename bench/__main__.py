"""`python -m bench vault` measures P1 to P4, `python -m bench tasks` T2 to T6; both print and store what they measured.

They write artifacts/bench-vault.json and artifacts/bench-tasks.json.

The exit status is 1 if the figures are meaningless, and if `tasks` misses a goal. A goal that `vault` misses is
reported and is no error.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from stack import ARTIFACTS, ROOT

from bench import load, report, rig, tasks, tasks_rig, vault
from bench.outcome import BenchError

BUSY_LOAD = 0.5
"""Load average for each processor, before the start, above which the machine counts as busy."""


def main() -> int:
    """Run one benchmark; the exit status."""
    options = _parse()
    return _tasks(options) if options.what == "tasks" else _vault(options)


def _tasks(options: argparse.Namespace) -> int:
    ARTIFACTS.mkdir(exist_ok=True)
    machine = report.machine(options.folder)
    print(f"{machine['processors']} processors ({machine['processor']}), fsync {machine['fsync_ms']} ms")
    _warn_if_busy(machine)
    plan = tasks_rig.TaskPlan(rounds=options.rounds, jobs=options.jobs, tasks=options.tasks, parts=options.only)
    begun = datetime.now(UTC)
    try:
        figures = tasks.measure(plan, options.folder, lambda line: print(line, flush=True))
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    about = {"begun": begun.isoformat(timespec="seconds"), "commit": report.commit(ROOT), "machine": machine}
    found = {
        each.name: {
            "median": each.median,
            "values": list(each.values),
            "goal": str(each.goal or ""),
            "reached": each.is_reached,
        }
        for each in figures
    }
    kept = ARTIFACTS / "bench-tasks.json"
    document = json.dumps({"figures": found, "plan": asdict(plan), **about}, indent=1, ensure_ascii=False)
    kept.write_text(document + "\n", encoding="utf-8")
    missed = [str(each) for each in figures if not each.is_reached]
    print("\n".join(["", "Goals that are not reached:", *missed] if missed else ["", "All goals are reached."]))
    print(f"\nkept in {kept.relative_to(ROOT)}")
    return int(bool(missed))


def _warn_if_busy(machine: dict[str, object]) -> None:
    if os.getloadavg()[0] > BUSY_LOAD * len(os.sched_getaffinity(0)):
        print(f"  ! the machine is busy (load average {machine['load_average']}): figures from a quiet one are better")


def _vault(options: argparse.Namespace) -> int:
    plan = vault.Plan(
        rounds=options.rounds, seconds=options.seconds, connections=options.connections, is_quick=options.quick
    )
    shape = rig.Shape(
        workers=options.workers,
        threads=options.threads,
        grants=options.grants,
        before=options.before,
        folder=options.folder,
    )
    idp = os.environ.get("IDP") or "dev"
    ARTIFACTS.mkdir(exist_ok=True)
    machine = report.machine(options.folder)
    tool_name, tool = load.choose()
    print(
        f"{machine['processors']} processors ({machine['processor']}), fsync {machine['fsync_ms']} ms, "
        f"load by {tool_name}, authorization server {idp}"
    )
    _warn_if_busy(machine)
    begun = datetime.now(UTC)
    try:
        with rig.running(idp, shape) as running:
            rounds = vault.measure(running, tool, plan, lambda line: print(line, flush=True))
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    figures = vault.figures(rounds, is_real=idp != "dev")
    about: dict[str, object] = {
        "begun": begun.isoformat(timespec="seconds"),
        "commit": report.commit(ROOT),
        "idp": idp,
        "tool": tool_name,
        "gunicorn": {"workers": shape.workers, "threads": shape.threads},
        "machine": machine,
    }
    kept = ARTIFACTS / "bench-vault.json"
    report.write(kept, figures, rounds, plan, about)
    print(f"\n{report.outcomes(rounds)}\n\n{report.table(figures)}\n\nkept in {kept.relative_to(ROOT)}")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("what", choices=["vault", "tasks"])
    parser.add_argument("--rounds", type=int, default=5, help="medians are taken over so many (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=8, help="of a closed loop (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="gunicorn's processes (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=8, help="of each of them (default: %(default)s)")
    parser.add_argument("--grants", type=int, default=16, help="that are refreshed (default: %(default)s)")
    parser.add_argument("--before", type=Path, help="another checkout, measured in turns with this one")
    parser.add_argument(
        "--folder", type=Path, default=ARTIFACTS, help="of the database: on a disk, so that a commit costs its fsync"
    )
    parser.add_argument("--jobs", type=int, default=600, help="of one measurement of throughput (default: %(default)s)")
    parser.add_argument("--tasks", type=int, default=1_000_000, help="of the long list (default: %(default)s)")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=tasks.PARTS,
        default=list(tasks.PARTS),
        metavar="PART",
        help="of the tasks: %(choices)s",
    )
    parser.add_argument("--quick", action="store_true", help="cached tokens only: P1 and the latency of P4")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
