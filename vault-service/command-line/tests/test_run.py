"""`run` and its command, in this process."""

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from token_vault.commands import run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_that_comes_while_the_command_is_being_started_reaches_it(monkeypatch, number):
    start = subprocess.Popen

    def start_and_be_told(*words: Any, **how: Any) -> "subprocess.Popen[bytes]":
        child = start(*words, **how)
        os.kill(os.getpid(), number)
        return child

    monkeypatch.setattr("token_vault.commands.run.subprocess.Popen", start_and_be_told)
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert run._run(command, dict(os.environ)) == 128 + number


def test_handlers_are_as_before_when_the_command_has_ended():
    before = {number: signal.getsignal(number) for number in (*run._FORWARDED, *run._TYPED)}
    assert run._run([sys.executable, "-c", ""], dict(os.environ)) == 0
    assert {number: signal.getsignal(number) for number in before} == before
