"""In which order deploy/compose/upgrade does things: by a `docker` that only writes down what it was asked."""

import os
import subprocess

import pytest

from local_stack.options import ROOT

DOCKER = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in *"run --rm --no-deps secrets") exit "$SECRETS_STATUS" ;; esac
"""


@pytest.fixture
def upgrade(tmp_path):
    """Runs the script; its exit status, and what it asked of docker."""
    program, calls = tmp_path / "bin" / "docker", tmp_path / "calls"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)

    def run(secrets_status):
        path = f"{program.parent}:{os.environ['PATH']}"
        environ = {"PATH": path, "CALLS": str(calls), "SECRETS_STATUS": str(secrets_status)}
        done = subprocess.run([ROOT / "deploy/compose/upgrade", "--ansi=never"], env=environ, check=False, timeout=60)
        return done.returncode, calls.read_text().splitlines()

    return run


def test_secrets_that_are_new_are_made_before_anything_of_the_newer_release_runs(upgrade):
    status, calls = upgrade(0)
    assert status == 0
    assert calls[:3] == [
        "compose --ansi=never build",
        "compose --ansi=never run --rm --no-deps secrets",
        "compose --ansi=never run --rm --no-deps vault-migrate migrate --pre-only",
    ]


def test_an_upgrade_without_all_secrets_does_nothing(upgrade):
    status, calls = upgrade(78)
    assert status == 78
    assert calls[1:] == ["compose --ansi=never run --rm --no-deps secrets"]
