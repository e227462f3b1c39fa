"""The containers: no root, no writable file system, no compilers; and their sizes."""

import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from compose_stack import READ_SECRETS, ComposeStack, docker, inspect
from stack import ARTIFACTS, ROOT

pytestmark = pytest.mark.skipif(os.environ.get("STACK") != "compose", reason="needs containers: make test-compose")
OURS = ("gateway", "secrets", "task-api", "task-migrate", "task-worker", "vault", "vault-migrate")
THEIRS = ("postgres", "redis")
NOT_READ_ONLY = ("keycloak",)
"""It writes to its own folders."""
WATCHING = ("prometheus", "grafana")
WITH_A_PASSWORD_INSIDE = ("keycloak", "postgres")
"""Their entry points put their administrator's password into their own environment (and Grafana's does)."""
BUILD_TOOLS = ("cc", "gcc", "g++", "make", "cmake", "git", "node", "npm", "pip", "pip3")
TASK_REACHES = (
    "import socket,sys\n"
    "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)\n"
    "except OSError as error: sys.exit(type(error).__name__)\n"
)


@pytest.fixture(scope="module")
def compose(stack: ComposeStack) -> ComposeStack:
    """The stack, which these tests know to be a compose project."""
    return stack


def configured(*options: str) -> dict[str, Any]:
    """docker-compose.yml itself, without what the tests add."""
    command = ["docker", "compose", "-f", "docker-compose.yml", *options, "config", "--format", "json"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return dict(json.loads(told.stdout))


@pytest.mark.parametrize("service", [*OURS, *THEIRS, *NOT_READ_ONLY])
def test_a_container_may_do_nothing_that_it_need_not(compose: ComposeStack, service: str) -> None:
    """A fixed user that is not root, a read-only file system, no capability, no way to get one, and limits."""
    for container in inspect(*compose.containers(service)):
        host = container["HostConfig"]
        assert container["Config"]["User"].partition(":")[0] not in {"", "0", "root"}
        assert host["ReadonlyRootfs"] != (service in NOT_READ_ONLY)
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert not host["Privileged"]
        assert host["Memory"] > 0
        assert host["PidsLimit"] > 0


@pytest.mark.parametrize("service", WATCHING)
def test_what_watches_may_do_no_more(service: str) -> None:
    """Their images are not to be had everywhere: by what the engine would be asked for."""
    asked = configured("--profile", "observability")["services"][service]
    assert asked["read_only"]
    assert asked["cap_drop"] == ["ALL"]
    assert asked["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "user", "pid", "devices"} & set(asked)  # their images' users are not root
    assert asked["healthcheck"]["test"]
    assert int(asked["mem_limit"]) > 0
    assert asked["pids_limit"] > 0


def test_no_secret_is_in_a_container_s_configuration_or_in_the_environment_of_our_programs(
    compose: ComposeStack,
) -> None:
    """Each is read from a file; docs/containers.md tells what three programs of others do with theirs."""
    secrets = json.loads(
        compose.docker_compose("run", "--rm", "--no-deps", "-T", "secrets", "python", "-c", READ_SECRETS).stdout
    )
    for service in (*OURS, *THEIRS, *NOT_READ_ONLY):
        for container in inspect(*compose.containers(service)):
            told = json.dumps([container["Config"], container["Args"], container["HostConfig"]])
            assert [name for name, value in secrets.items() if value in told] == [], service
    for service in ("gateway", "vault", "task-api", "task-worker", "redis", *WITH_A_PASSWORD_INSIDE):
        told = compose.docker_compose("exec", "-T", service, "cat", "/proc/1/environ").stdout
        held = {name for name, value in secrets.items() if value in told}
        assert held <= ({"keycloak_admin", "database_superuser"} if service in WITH_A_PASSWORD_INSIDE else set())
        assert len(held) <= 1, service


@pytest.mark.parametrize("service", OURS)
def test_our_images_say_what_they_are(compose: ComposeStack, service: str) -> None:
    """OCI labels, a numeric user, and nothing to build with."""
    container = inspect(compose.containers(service)[0])[0]
    image = inspect(container["Image"])[0]["Config"]
    assert image["User"].replace(":", "").isdecimal()
    for name in ("title", "description", "licenses", "version", "revision"):
        assert image["Labels"][f"org.opencontainers.image.{name}"]
    search = " ".join(f"command -v {tool};" for tool in BUILD_TOOLS) + " true"
    found = docker("run", "--rm", "--network=none", "--entrypoint=sh", container["Image"], "-c", search).stdout
    assert found == ""


def test_sizes_are_written_down(compose: ComposeStack, say: Callable[[str], None]) -> None:
    """The sizes of our images and of their base image, with the versions that the programs inside report."""
    sizes = {}
    for service in ("vault", "task-api", "gateway", "secrets"):
        image = inspect(inspect(compose.containers(service)[0])[0]["Image"])[0]
        sizes[service] = round(image["Size"] / 1e6)
    asked = {
        "vault": ["python", "--version"],
        "gateway": ["nginx", "-v"],
        "postgres": ["postgres", "--version"],
        "redis": ["redis-server", "--version"],
    }
    versions = {}
    for service, command in asked.items():
        told = compose.docker_compose("exec", "-T", service, *command)
        versions[service] = (told.stdout or told.stderr).strip()
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "images.json").write_text(json.dumps({"megabytes": sizes, "versions": versions}, indent=2) + "\n")
    say(f"MB: {sizes}; {versions}")
    assert min(sizes.values()) > 0


def test_only_the_gateway_and_keycloak_have_a_door() -> None:
    """By docker-compose.yml itself, without what the tests add."""
    config = configured()
    assert {name for name, service in config["services"].items() if service.get("ports")} == {"gateway", "keycloak"}
    for name, service in config["services"].items():
        open_networks = {net for net in service.get("networks") or {} if not config["networks"][net].get("internal")}
        assert open_networks == ({"edge"} if name in {"gateway", "keycloak"} else set()), name


@pytest.mark.parametrize("service", ["task-api", "task-worker"])
def test_the_task_side_reaches_neither_redis_nor_what_is_in_the_vaults_database(
    compose: ComposeStack, service: str
) -> None:
    """Not by name, not by address, and with its own password not the other database."""

    def reach(host: str, port: int) -> str:
        done = compose.docker_compose("exec", "-T", service, "python", "-c", TASK_REACHES, host, str(port), check=False)
        return done.stderr.strip() if done.returncode else "reached"

    networks = inspect(compose.containers("redis")[0])[0]["NetworkSettings"]["Networks"]
    address = networks[f"{compose.project}_vault-data"]["IPAddress"]
    assert reach("vault", 8000) == "reached"
    assert reach("redis", 6379) == "gaierror"
    assert reach(address, 6379) in {"TimeoutError", "OSError"}
    refused = compose.docker_compose(
        *("exec", "-T", service, "python", "-c"),
        "import psycopg; psycopg.connect(open('/run/secrets/database_url').read().rpartition('/')[0] + '/vault')",
        check=False,
    )
    assert 'permission denied for database "vault"' in refused.stderr


def test_each_part_reads_its_own_secrets_only(compose: ComposeStack) -> None:
    """Each part has its own folder mounted."""
    for service, names in {
        "vault": {"client_secret", "database_url", "redis_url", "root_key"},
        "task-api": {"client_secret", "database_url"},
        "task-worker": {"client_secret", "database_url"},
    }.items():
        told = compose.docker_compose("exec", "-T", service, "ls", "/run/secrets").stdout
        assert set(told.split()) == names
    assert compose.docker_compose("exec", "-T", "gateway", "ls", "/run/secrets", check=False).returncode != 0
