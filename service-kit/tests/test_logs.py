"""Logs: one JSON object a line, with the request id, and never a secret. Each in a process of its own, as in life."""

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.process


def logged(*statements: str, level: str = "info") -> list[dict[str, Any]]:
    """The lines on stderr of a program that configures logging and does this."""
    start = ["import logging", "from service_kit.process import logs", "from service_kit.process.secret import Secret"]
    start += [f"logs.configure('test', {level!r})", "log = logs.get('module')"]
    program = "\n".join((*start, *statements))
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert ran.stdout == ""
    return [json.loads(line) for line in ran.stderr.splitlines()]


def test_an_event_is_a_line_of_json() -> None:
    """The line has the event's name, fields, place and time. A line feed in a field does not make a second line."""
    [line] = logged("log.info('grant.refreshed', grant='g-1', ms=1.5, text='a\\nb')")
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "grant.refreshed",
        "level": "info",
        "service": "test",
        "module": "module",
        "grant": "g-1",
        "ms": 1.5,
        "text": "a\nb",
    }


def test_the_request_id_is_attached_while_there_is_one() -> None:
    """To the standard library's records too."""
    lines = logged(
        "log.info('before')",
        "logs.request_id.set('request-1')",
        "log.info('during')",
        "logging.getLogger('library').warning('also')",
    )
    assert [line.get("requestId") for line in lines] == [None, "request-1", "request-1"]


def test_secrets_are_masked() -> None:
    """As a field, inside a list, inside an exception."""
    lines = logged(
        "secret = Secret('hunter2')",
        "log.info('settings', password=secret, more=[secret], deep={'a': {'b': secret}})",
        "try:",
        "    raise ValueError(secret)",
        "except ValueError as error:",
        "    log.error('broken', error=error, exc_info=True)",
    )
    assert (lines[0]["password"], lines[0]["more"], lines[0]["deep"]) == ("***", ["***"], {"a": {"b": "***"}})
    assert "hunter2" not in json.dumps(lines)


@pytest.mark.parametrize(
    "report", ["log.error('broken', exc_info=True)", "logging.getLogger('library').exception('broken')"]
)
def test_a_traceback_is_told_without_local_variables(report: str) -> None:
    """Local variables may hold tokens. Causes are logged, without local variables too."""
    [line] = logged(
        "def fail(token):",
        "    local = 'hunter2' + token",
        "    return {}[len(local)]",
        "try:",
        "    try:",
        "        fail('hunter' + str(3))",
        "    except KeyError as error:",
        "        raise RuntimeError('outer') from error",
        "except RuntimeError:",
        f"    {report}",
    )
    outer, inner = line["exception"]
    assert (outer["exc_type"], outer["exc_value"], inner["exc_type"]) == ("RuntimeError", "outer", "KeyError")
    assert [frame["name"] for frame in inner["frames"]] == ["<module>", "fail"]
    assert not any(frame.get("locals") for told in line["exception"] for frame in told["frames"])
    assert "hunter" not in json.dumps(line)


def test_records_of_libraries_are_lines_of_json_too() -> None:
    """From `warning` on, with their arguments filled in."""
    lines = logged(
        "logging.getLogger('urllib3').warning('retry %d of %s', 1, 'x')",
        "logging.getLogger('urllib3').info('chatter')",
    )
    assert [(line["event"], line["level"], line["service"]) for line in lines] == [("retry 1 of x", "warning", "test")]


@pytest.mark.parametrize(("level", "told"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 0)])
def test_the_level_is_kept(level: str, told: int) -> None:
    """Lesser events cost nothing."""
    assert len(logged("log.debug('a')", "log.info('b')", "log.warning('c')", level=level)) == told


def test_fields_that_no_json_can_hold_do_not_break_the_caller() -> None:
    """Lone surrogates from a hostile address, numbers beyond measure, rings: told somehow, on one line."""
    lines = logged(
        "log.info('odd', text='\\ud800')",
        "log.info('odd', number=10**400, other=object(), raw=b'\\xff', when=float('nan'))",
        "ring = []; ring.append(ring)",
        "log.info('odd', ring=ring)",
        "logging.getLogger('library').warning('odd %s', '\\ud800')",
    )
    assert len(lines) == 4
    assert "ud800" in lines[0]["text"]
