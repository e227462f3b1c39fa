"""Processes by pid file: nothing is signalled that is not ours, nothing of ours is left."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from local_stack.options import StackError
from local_stack.process import Part, Processes, started

pytestmark = pytest.mark.process


def eventually(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "condition did not come"
        time.sleep(0.01)
    return value


def child_of(processes, tmp_path):
    """The pid that the script has written."""
    text = eventually(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip())
    return int(text)


def test_a_started_part_is_known_by_its_pid_file_also_to_the_next_command(processes, sleeper, tmp_path):
    processes.start(sleeper("exec sleep 60"))
    pid = int((tmp_path / "sleeper.pid").read_text())
    assert processes.pid("sleeper") == pid
    assert Processes(tmp_path, tmp_path).pid("sleeper") == pid


def test_a_part_whose_main_thread_has_ended_still_runs_while_another_thread_does(processes, tmp_path):
    script = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    part = Part(name="threads", command=[sys.executable, "-c", script], ready=lambda: True)
    processes.start(part)
    pid = processes.pid("threads")
    eventually(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
    assert processes.pid("threads") == pid
    assert processes.stop("threads", signal.SIGKILL)
    assert started(pid) is None


def test_a_stopped_part_is_gone_with_its_files(processes, sleeper, tmp_path):
    processes.start(sleeper("exec sleep 60"))
    pid = processes.pid("sleeper")
    assert processes.stop("sleeper")
    assert started(pid) is None
    assert not list(tmp_path.glob("sleeper.pid")) + list(tmp_path.glob("sleeper.started"))
    assert not processes.stop("sleeper")


def test_a_stranger_with_the_same_pid_is_neither_taken_for_the_part_nor_signalled(processes, tmp_path):
    (tmp_path / "sleeper.pid").write_text(f"{os.getpid()}\n")
    (tmp_path / "sleeper.started").write_text("1")
    assert processes.pid("sleeper") is None
    assert not processes.stop("sleeper")  # and this test lives to say so


@pytest.mark.parametrize("content", ["", "no number", "999999999"])
def test_a_pid_file_that_says_nothing_is_a_part_that_is_down(processes, tmp_path, content):
    (tmp_path / "sleeper.pid").write_text(content)
    (tmp_path / "sleeper.started").write_text("1")
    assert processes.pid("sleeper") is None


def test_children_are_stopped_with_their_part(processes, sleeper, tmp_path):
    processes.start(sleeper(f"trap 'exit 0' TERM; sleep 60 & echo $! > {tmp_path}/child; wait"))
    child = child_of(processes, tmp_path)
    processes.stop("sleeper")
    assert started(child) is None


def test_children_of_a_part_that_was_killed_are_swept_up(processes, sleeper, tmp_path):
    processes.start(sleeper(f"sleep 60 & echo $! > {tmp_path}/child; wait"))
    child = child_of(processes, tmp_path)
    os.kill(processes.pid("sleeper"), signal.SIGKILL)
    eventually(lambda: processes.has_died("sleeper"))
    assert started(child) is not None
    processes.kill_remnants("sleeper")
    assert started(child) is None


def test_a_part_that_ignores_the_gentle_signal_is_killed(processes, sleeper, monkeypatch):
    monkeypatch.setattr("local_stack.process.STOP_SECONDS", 0.3)
    processes.start(sleeper("trap '' TERM; while :; do sleep 0.05; done"))
    pid = processes.pid("sleeper")
    processes.stop("sleeper")
    assert started(pid) is None


def test_a_part_that_dies_while_it_starts_is_reported_with_its_last_lines(processes):
    part = Part(name="sleeper", command=["/bin/sh", "-c", "echo no such table >&2; exit 3"], ready=lambda: False)
    processes.start(part)
    with pytest.raises(StackError, match=r"(?s)sleeper has died.*no such table"):
        processes.wait_ready(part)


def test_a_part_that_never_gets_ready_is_reported_too(processes):
    command = ["/bin/sh", "-c", "echo still thinking; exec sleep 60"]
    part = Part(name="sleeper", command=command, ready=lambda: False, start_seconds=0.5)
    processes.start(part)
    with pytest.raises(StackError, match=r"(?s)not ready after.*still thinking"):
        processes.wait_ready(part)


def test_what_an_earlier_run_has_logged_does_not_count(processes, sleeper, tmp_path):
    (tmp_path / "sleeper.log").write_text("worker.ready\n")
    processes.start(sleeper(f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo worker.ready; exec sleep 60"))
    assert not processes.has_logged("sleeper", "worker.ready")
    (tmp_path / "go").touch()
    eventually(lambda: processes.has_logged("sleeper", "worker.ready"))


def test_only_a_death_that_nobody_ordered_is_one(processes, sleeper):
    assert not processes.has_died("sleeper")
    processes.start(sleeper("exec sleep 60"))
    assert not processes.has_died("sleeper")
    os.kill(processes.pid("sleeper"), signal.SIGKILL)
    eventually(lambda: processes.has_died("sleeper"))
    processes.stop("sleeper")
    assert not processes.has_died("sleeper")


def test_a_part_does_not_hear_what_the_terminal_sends_to_its_group(processes, sleeper):
    processes.start(sleeper("exec sleep 60"))
    pid = processes.pid("sleeper")
    assert os.getsid(pid) == os.getpgid(pid) == pid
