"""The README's blocks, pasted as they stand: the shell ones into one shell, the Python one with its names filled in."""

import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from api import Api
from person import Person
from stack import ROOT, Stack

README = (ROOT / "README.md").read_text(encoding="utf-8")
END = "-- end of the block --"


def blocks(heading: str, language: str) -> list[str]:
    """The code blocks below a heading."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert section is not None, f"no heading {heading}"
    return re.findall(rf"^```{language}\n(.*?)^```", section[1], re.MULTILINE | re.DOTALL)


@pytest.fixture
def shell(stack: Stack) -> Iterator["subprocess.Popen[str]"]:
    """A shell in the checkout, as after `make start`."""
    if os.environ.get("STACK") == "compose":
        pytest.skip("`make token` is a command of the native stack")
    with subprocess.Popen(
        ["/bin/sh"],
        cwd=ROOT,
        env=stack.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        yield running
        running.kill()


def paste(shell: "subprocess.Popen[str]", block: str, gateway: str) -> str:
    """The shell's output for one block; the port is this stack's."""
    assert shell.stdin is not None
    assert shell.stdout is not None
    shell.stdin.write(block.replace("http://localhost:3000", gateway) + f"\necho '{END}'\n")
    shell.stdin.flush()
    printed = ""
    while END not in printed:
        line = shell.stdout.readline()
        assert line, f"the shell has ended: {printed}"
        printed += line
    return printed.replace(f"{END}\n", "")


def test_the_curl_blocks_run_from_top_to_bottom(
    shell: "subprocess.Popen[str]", stack: Stack, alice_person: Person, alice: Api
) -> None:
    """R10, R27: no consent, a consent that is not granted yet, and the happy path."""
    before, after = blocks("Use it with curl", "sh")
    printed = paste(shell, before, stack.gateway)
    needs, waiting, consent_url = printed.splitlines()[-3:]
    assert '"status":"needs_consent"' in needs
    assert '"status":"waiting_consent"' in waiting
    alice.arrive(alice_person, alice_person.grant(consent_url, stop_at=stack.gateway))

    executing, *states = paste(shell, after, stack.gateway).splitlines()
    assert '"status":"executing"' in executing
    assert '"status":"completed"' in states[-1]
    assert '"progress":100' in states[-1]


def test_the_python_block_gets_a_token_that_an_api_takes(stack: Stack, alice: Api, alice_person: Person) -> None:
    """With the task service's client, which the consent names by default."""
    (block,) = blocks("Use it in your own service", "python")
    owner = alice.get("/api/tasks/" + alice.create_task()).json()["userId"]
    names: dict[str, Any] = {
        "VAULT_URL": stack["VAULT_URL"],
        "TOKEN_ENDPOINT": stack["ISSUER"] + "/protocol/openid-connect/token",
        "CLIENT_ID": stack["TASK_SERVICE_CLIENT_ID"],
        "CLIENT_SECRET": stack["TASK_SERVICE_CLIENT_SECRET"],
        "API": stack["ISSUER"] + "/protocol/openid-connect/userinfo",
        "persistent_token_id": alice.ready_task(alice_person)[1],
        "owner": owner,
    }
    exec(compile(block, "README.md", "exec"), names)
    assert names["answer"].status_code == requests.codes.ok
    assert names["answer"].json()["sub"] == owner


def test_the_commands_of_the_readme_are_there() -> None:
    """`make run` and the others that the text names are targets."""
    (start,) = blocks("Start it", "sh")
    named = set(re.findall(r"\bmake ([a-z-]+)", start)) | set(re.findall(r"`make ([a-z-]+)", README))
    assert named >= {"run", "test", "start", "stop", "clean", "help", "token"}
    for name in named:
        done = subprocess.run(["make", "--dry-run", name], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_links_of_the_readme_lead_somewhere() -> None:
    """Files only; addresses elsewhere are not asked."""
    targets = [target for target in re.findall(r"\]\(([^)#]+)", README) if "://" not in target]
    assert [target for target in targets if not (ROOT / target).exists()] == []
