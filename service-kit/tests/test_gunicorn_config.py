"""gunicorn takes the configuration as it is."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process


def test_gunicorn_accepts_every_setting() -> None:
    """An unknown name or a wrong type would end it."""
    command = [sys.executable, "-m", "gunicorn", "--check-config", "-c", "python:service_kit.server.gunicorn_config"]
    ran = subprocess.run(
        [*command, "service_kit.http.app:create_app"], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
