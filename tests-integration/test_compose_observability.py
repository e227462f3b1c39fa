"""Prometheus in the stack: it finds the replicas, and answers every query of the dashboard with data."""

import json
import os
from collections.abc import Callable

import pytest
from api import Api
from compose_stack import ComposeStack, docker
from person import Person
from stack import eventually
from test_dashboard import queries

pytestmark = pytest.mark.skipif(os.environ.get("STACK") != "compose", reason="needs containers: make test-compose")
PROFILE = ("--profile", "observability")
ASK = (
    "import sys; from urllib.parse import quote; from urllib.request import urlopen;"
    "print(urlopen('http://prometheus:9090/api/v1/query?query=' + quote(sys.argv[1])).read().decode())"
)


@pytest.fixture(scope="module")
def ask(stack: ComposeStack) -> Callable[[str], list[object]]:
    """Asks Prometheus from inside, where it can be reached."""
    image = next(
        line for line in stack.docker_compose(*PROFILE, "config", "--images").stdout.split() if "prometheus" in line
    )
    if docker("image", "inspect", image, check=False).returncode and docker("pull", image, check=False).returncode:
        pytest.skip(f"the image {image} cannot be had here")
    stack.docker_compose(*PROFILE, "up", "--wait", "prometheus")

    def asked(query: str) -> list[object]:
        words = ("exec", "-T", "vault", "python", "-c", ASK, query.replace("$__rate_interval", "1m"))
        done = stack.docker_compose(*words, check=False)
        return list(json.loads(done.stdout)["data"]["result"]) if done.returncode == 0 else []

    return asked


def test_each_query_is_answered(ask: Callable[[str], list[object]], alice: Api, alice_person: Person) -> None:
    """With one replica of each part, and some work done."""
    eventually(lambda: len(ask("up == 1")) == 3, "vault, task API and worker are scraped", 60)
    missing = set(queries())

    def all_answered() -> bool:
        task_id, token_id = alice.ready_task(alice_person)
        alice.access_token(token_id, scope="openid")
        alice.execute(task_id)
        alice.finished(task_id)
        missing.difference_update([query for query in missing if ask(query)])
        return not missing

    eventually(all_answered, "every query has data", 120)
