"""Several replicas in containers, and what happens to them under load: kill -9, a cut network, a restarted database.

Each test ends with the same books: nothing lost, nothing twice, no session ended (`compose_load.Load.balance`). The
figures are printed and kept in `artifacts/compose-scale.json`.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from api import Api, command_line_token
from compose_load import ASKED_A_SECOND, Bounds, Load
from compose_stack import READ_SECRETS, SCALE_DOORS, SERVICES, ComposeStack, docker, inspect
from person import Person
from stack import ARTIFACTS, ROOT, eventually

pytestmark = pytest.mark.skipif(os.environ.get("STACK") != "compose", reason="needs containers: make test-compose")
SCALE = {"vault": 2, "task-worker": 3}
GRANTS = 4
TASKS = 6
RUNNING = (
    "from urllib.request import urlopen; lines = urlopen('http://127.0.0.1:9100/metrics').read().decode().splitlines();"
    "print(next(line.split()[1] for line in lines if line.startswith('task_attempts_running ')))"
)
TAKEN_OVER_SECONDS = 12.0  # longer than a worker may be silent
DATABASE_AWAY = Bounds(gap=20, refused=200)
GATEWAY_AWAY = Bounds(gap=15, unanswered=15 * ASKED_A_SECOND)
KEYCLOAK_AWAY = Bounds(gap=10, refused=60 * ASKED_A_SECOND // 5)  # each fifth request leads to a refresh
CUT_OFF = Bounds(gap=20, refused=8)  # who has asked the one that is cut off waits until it notices
ONE_OF_TWO = Bounds(refused=8)  # without a second try there were 12 to 21
KILLED = {"vault": ONE_OF_TWO, "gateway": GATEWAY_AWAY, "postgres": DATABASE_AWAY}

Recorder = Callable[[Load, str], None]


@pytest.fixture(scope="module")
def scaled() -> Iterator[ComposeStack]:
    """A compose project of its own with two vaults and three workers."""
    state_dir = Path(tempfile.mkdtemp(prefix="offline-token-vault-scale-"))
    stack = ComposeStack(state_dir, SCALE_DOORS, SCALE)
    try:
        stack.start()
        yield stack
    finally:
        stack.collect_logs()
        shutil.copytree(state_dir / "log", ARTIFACTS / "log-scale", dirs_exist_ok=True)
        stack.clean()
        shutil.rmtree(state_dir)


@pytest.fixture(scope="module")
def grants(scaled: ComposeStack) -> list[str]:
    """Alice's grants, each consented to in a browser of its own, so that each has a session of its own."""
    alice = Api(scaled, command_line_token(scaled, "alice"))
    return [alice.grant(Person("alice")) for _ in range(GRANTS)]


@pytest.fixture
def load(scaled: ComposeStack, grants: list[str]) -> Load:
    """Work that waits to be begun."""
    return Load(scaled, Api(scaled, command_line_token(scaled, "alice")), grants, TASKS)


@pytest.fixture(scope="module")
def record(say: Callable[[str], None]) -> Iterator[Recorder]:
    """Prints the figures of a load and keeps them."""
    kept: list[dict[str, object]] = []

    def keep(load: Load, what: str) -> None:
        kept.append(load.figures(what))
        say(json.dumps(kept[-1]))

    yield keep
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "compose-scale.json").write_text(json.dumps(kept, indent=2) + "\n")


def is_healthy(name: str) -> bool:
    """True when the engine calls the container healthy."""
    return bool(inspect(name)[0]["State"].get("Health", {}).get("Status") == "healthy")


def victim_of(scaled: ComposeStack, part: str) -> str:
    """A container of a part; of the workers, one that is at work."""
    names = scaled.containers(SERVICES[part])
    if part != "worker":
        return names[0]
    return max(names, key=lambda name: float(docker("exec", name, "python", "-c", RUNNING).stdout))


def assert_taken_over(load: Load, part: str) -> None:
    """The attempts of a worker have been begun again by another."""
    assert part != "worker" or load.taken_over() > 0


def test_all_replicas_work(scaled: ComposeStack, load: Load, record: Recorder) -> None:
    """The gateway uses both vaults, and three workers have reported to the queue."""
    assert {name: len(scaled.containers(name)) for name in SCALE} == SCALE
    with load:
        load.goes_on()
        load.finish_tasks()
    load.balance()
    assert load.repeated == 0
    lines = [json.loads(line) for line in scaled.log("gateway").splitlines() if line.startswith("{")]
    vaults = {line["upstream"] for line in lines if line["path"].endswith("/access-token")}
    assert len(vaults) == SCALE["vault"]
    with psycopg.connect(scaled["POSTGRES_SUPERUSER_URL"].rpartition("/")[0] + "/tasks") as connection:
        workers = connection.execute("select count(*) from procrastinate_workers").fetchone()
    assert workers == (SCALE["task-worker"],)
    record(load, "none")


def test_the_simpler_upgrade_keeps_the_scale(scaled: ComposeStack) -> None:
    """`up` again, as for another release: as many of each as the variables say, and here the same containers."""
    before = serving(scaled)
    assert {name: len(before[name]) for name in SCALE} == SCALE
    scaled.docker_compose("up", "--wait")
    assert serving(scaled) == before


@pytest.mark.parametrize("part", ["vault", "worker", "tasks", "gateway", "redis", "postgres"])
def test_kill_9_under_load(scaled: ComposeStack, load: Load, record: Recorder, part: str) -> None:
    """One container of each service, as a machine that loses power; then it comes back."""
    with load:
        victim = victim_of(scaled, part)
        docker("kill", "--signal", "SIGKILL", victim)
        if len(scaled.containers(SERVICES[part])) > 1:
            load.goes_on()  # the others do it alone
        docker("start", victim)
        eventually(lambda: is_healthy(victim), f"{victim} is healthy", 90)
        load.goes_on()
        load.finish_tasks()
    load.balance(KILLED.get(part, Bounds()))
    assert_taken_over(load, part)
    record(load, f"kill -9 {part}")


def test_kill_9_of_keycloak_under_load(scaled: ComposeStack, load: Load, record: Recorder) -> None:
    """Unexpired tokens are served, and refreshes wait. Running tasks continue, and none is begun meanwhile."""
    victim = scaled.containers("keycloak")[0]
    with load:
        load.finish_tasks()
        docker("kill", "--signal", "SIGKILL", victim)
        load.goes_on()
        docker("start", victim)
        eventually(lambda: is_healthy(victim), "Keycloak is healthy", 180)
        load.goes_on()
    load.balance(KEYCLOAK_AWAY)
    record(load, "kill -9 idp")


@pytest.mark.parametrize(("part", "network"), [("vault", "vault-data"), ("worker", "task-data")])
def test_cut_off_the_network_and_back(
    scaled: ComposeStack, load: Load, record: Recorder, part: str, network: str
) -> None:
    """A replica loses its database for longer than a worker may be silent; what it still believes changes nothing."""
    with load:
        victim = victim_of(scaled, part)
        docker("network", "disconnect", f"{scaled.project}_{network}", victim)
        cut = time.monotonic()
        load.goes_on()
        eventually(lambda: time.monotonic() - cut > TAKEN_OVER_SECONDS, "others have taken over", 30)
        docker("network", "connect", "--alias", SERVICES[part], f"{scaled.project}_{network}", victim)
        eventually(lambda: is_healthy(victim), f"{victim} is healthy", 90)
        load.goes_on()
        load.finish_tasks()
    load.balance(CUT_OFF if part == "vault" else Bounds())
    assert_taken_over(load, part)
    record(load, f"{part} cut off {network}")


def serving(scaled: ComposeStack) -> dict[str, list[str]]:
    """The containers that an upgrade replaces."""
    return {name: scaled.containers(name) for name in (*SCALE, "task-api")}


def secret_files(scaled: ComposeStack) -> dict[str, str]:
    """The secrets by name."""
    told = scaled.docker_compose("run", "--rm", "--no-deps", "-T", "secrets", "python", "-c", READ_SECRETS).stdout
    return dict(json.loads(told))


def upgrade(scaled: ComposeStack, **changes: str) -> "subprocess.CompletedProcess[str]":
    """Run the script; changes: what is different in the newer release's environment."""
    command = [str(ROOT / "deploy" / "compose" / "upgrade"), *scaled.compose.compose_command_property[2:]]
    environ = {**os.environ, **changes}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=300)


def test_an_upgrade_without_downtime(scaled: ComposeStack, load: Load, record: Recorder) -> None:
    """To images of another version: other containers at the end, no 503, and a pause while the gateway is replaced.

    It makes a secret that the newer release has introduced, and leaves the others as they are.
    """
    before = serving(scaled)
    secrets = secret_files(scaled)
    forget = "cd /secrets && rm own/grafana_admin && sed -i /grafana_admin/d made"
    scaled.docker_compose("run", "--rm", "--no-deps", "-T", "secrets", "sh", "-c", forget)
    with load:
        done = upgrade(scaled, VERSION="newer")
        assert done.returncode == 0, done.stdout + done.stderr
        load.goes_on()
        load.finish_tasks()
    load.balance(GATEWAY_AWAY)
    assert {name for name, value in secret_files(scaled).items() if value != secrets[name]} == {"grafana_admin"}
    after = serving(scaled)
    for name, old in before.items():
        assert len(after[name]) == len(old)
        assert not set(after[name]) & set(old)
        labels = [container["Config"]["Labels"] for container in inspect(*after[name])]
        assert {each["org.opencontainers.image.version"] for each in labels} == {"newer"}
    record(load, "upgrade")


def test_an_upgrade_to_what_does_not_start(scaled: ComposeStack, load: Load, record: Recorder) -> None:
    """The script fails and says why. The containers are the same as before, and no caller was disturbed."""
    before = serving(scaled)
    with load:
        done = upgrade(scaled, LOG_LEVEL="nonsense")
        assert done.returncode != 0
        assert "LOG_LEVEL: is none of" in done.stderr
        load.goes_on()
        load.finish_tasks()
    load.balance()
    assert not load.others
    assert serving(scaled) == before
    record(load, "upgrade that fails")


def test_postgresql_restarted_under_load(scaled: ComposeStack, load: Load, record: Recorder) -> None:
    """As for a minor upgrade."""
    victim = scaled.containers("postgres")[0]
    with load:
        docker("restart", victim)
        eventually(lambda: is_healthy(victim), "PostgreSQL is healthy", 90)
        load.goes_on()
        load.finish_tasks()
    load.balance(DATABASE_AWAY)
    record(load, "restart postgres")
