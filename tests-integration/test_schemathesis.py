"""Schemathesis on both APIs: every answer is one that the OpenAPI document describes.

All its checks are on. There is no answer of 500 or more, and no undescribed status, media type, header or body. Input
against the schema is refused, and input by the schema is accepted. Nothing works without the token. Exceptions and
their reasons are in `openapi/schemathesis.toml`. FAULTS=long sends far more.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from api import MANAGER, Api
from person import Person
from stack import ARTIFACTS, ROOT

pytestmark = pytest.mark.any_server

CONFIGURATION = ROOT / "tests-integration" / "openapi" / "schemathesis.toml"
HOOKS = CONFIGURATION.with_name("schemathesis_hooks.py")
EXAMPLES = 400 if os.environ.get("FAULTS") == "long" else 15
ONE_BY_ONE = ("--phases", "examples,coverage,fuzzing")
IN_SEQUENCE = ("--phases", "stateful")
APIS = pytest.mark.parametrize("address", ["/api/tasks", MANAGER], ids=["tasks", "vault"])
FOLLOWED = re.compile(r"API Links: +(\d+) covered")


@dataclass
class Things:
    """Ids of things that are there: a token that is active, and a task that has it."""

    token_id: str
    task_id: str
    subject: str

    def named_in(self, configuration: Path) -> str:
        """The configuration with them in its dictionaries, where schemathesis reads no environment."""
        text = configuration.read_text()
        for name in ("TOKEN_ID", "TASK_ID", "SUBJECT"):
            assert f"${{{name}}}" in text
            text = text.replace(f"${{{name}}}", getattr(self, name.lower()))
        return text.replace('"hostile.dict"', f'"{configuration.with_name("hostile.dict")}"')


@pytest.fixture
def things(alice: Api, alice_person: Person) -> Things:
    """Alice's."""
    task_id, token_id = alice.ready_task(alice_person)
    return Things(token_id, task_id, subject=alice.task(task_id)["userId"])


def described(caller: Api, address: str, things: Things, report: Path, *options: str) -> str:
    """Run schemathesis on the API at an address, with the caller's token; it finds nothing. Its words."""
    names = {"PYTHONPATH": str(HOOKS.parent), "SCHEMATHESIS_HOOKS": HOOKS.stem}
    configuration = report.with_suffix(".toml")
    configuration.write_text(things.named_in(CONFIGURATION))
    document = f"{caller.stack.gateway}{address}/openapi.json"
    run = ["run", document, "--max-examples", str(EXAMPLES), "--generation-database", "none"]
    done = subprocess.run(
        [Path(sys.executable).with_name("schemathesis"), "--config-file", configuration, "--no-color", *run, *options],
        env={**os.environ, **names, "BEARER": caller.bearer or ""},
        cwd=report.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=3600,
    )
    report.write_text(done.stdout)
    assert done.returncode == 0, done.stdout
    return done.stdout


LEADING_NOWHERE = (
    "batch",
    "list_kinds",
    "issue_access_tokens",
    "refresh_by_ticket",
    "revoke_ticket",
    "create_ticket",
    "extend_ticket",
    "end_ticket",
    "list_tickets",
    "begin_offline_consent",
    "decline_offline_consent",
    "confirm_offline_consent",
    "receive_logout",
    "receive_logout_of_provider",
)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Path:
    """The file for a run's output."""
    folder = ARTIFACTS / "schemathesis"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{request.node.name}.txt"


@APIS
def test_a_person_s_requests(alice: Api, things: Things, report: Path, address: str) -> None:
    """All operations, one by one."""
    described(alice, address, things, report, *ONE_BY_ONE)


@APIS
def test_a_person_s_sequences(alice: Api, things: Things, report: Path, address: str) -> None:
    """From each answer along its links; not from batches and tickets, which have none."""
    others = [word for name in LEADING_NOWHERE for word in ("--exclude-operation-id", name)]
    words = described(alice, address, things, report, *IN_SEQUENCE, *others)
    followed = FOLLOWED.search(words)
    assert followed, words
    assert int(followed[1]) > 0, words


def test_a_service_s_requests(task_service: Api, things: Things, report: Path) -> None:
    """The operations that are for services: tokens for an owner, one and many."""
    operations = ("--include-operation-id", "issue_access_token", "--include-operation-id", "issue_access_tokens")
    described(task_service, MANAGER, things, report, *ONE_BY_ONE, *operations)
