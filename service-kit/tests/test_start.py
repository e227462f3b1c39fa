"""A process allows no core dump, and drops libpq's variables, before it starts its work."""

import os
import resource
import subprocess
import sys

PROGRAM = (
    "import os, resource; from service_kit.process import start; start.or_exit('kit', lambda: None);"
    "print(resource.getrlimit(resource.RLIMIT_CORE)[0], sorted(name for name in os.environ if name.startswith('PG')))"
)


def test_a_process_leaves_no_core_and_forgets_libpqs_variables() -> None:
    """A core would hold keys and tokens; PGSSLMODE and PGOPTIONS would change every connection."""
    hostile = {"PGSSLMODE": "require", "PGOPTIONS": "-c statement_timeout=1", "PGSERVICEFILE": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PATH": os.environ["PATH"], **hostile},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        preexec_fn=_allow_cores,
    )
    limit, _, names = done.stdout.strip().partition(" ")
    assert int(limit) <= 1
    assert names == "[]"


def _allow_cores() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
