"""docker-compose.yml, read as a file: no container engine is needed."""

import re
from functools import cache

import pytest
import yaml

import task_service.bootstrap
import task_service.worker.engine
import vault_service.bootstrap
import vault_service.bootstrap.foundation
from local_stack.options import ROOT
from task_service import config as task_config
from vault_service import config as vault_config

RESERVED_CONNECTIONS = 20
"""For migrations, `audit verify`, backups and whoever looks: superusers' own are among them."""
USES = 1
"""A vault process's connection outside its pools, which records uses."""
LISTENER = 1
"""A worker's connection outside its pools, on which it is told of new jobs."""
URL = "postgresql://role@localhost/database"


@cache
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def services():
    return compose()["services"]


@cache
def page(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def max_connections():
    (words,) = [word for word in services()["postgres"]["command"] if word.startswith("max_connections=")]
    return int(words.partition("=")[2])


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """The number of connections that a container of each service may open, by the pools that its code makes."""
    sizes = []

    def counted(module, name):
        make = getattr(module, name)

        def counting(url, *, size, **more):
            sizes.append(size)
            return make(url, size=size, **more)

        monkeypatch.setattr(module, name, counting)

    counted(vault_service.bootstrap.foundation, "vault_database")
    counted(task_service.bootstrap, "tasks_database")
    root_key = tmp_path / "root_key"
    root_key.write_text("A" * 43 + "=")
    root_key.chmod(0o400)

    def settings_of(service, read):
        environ = {name: str(value) for name, value in services()[service]["environment"].items()}
        files = [name for name in environ if name.endswith("_FILE")]
        for name in files:
            del environ[name]
        known = {
            "PUBLIC_URL": "http://localhost:3000",
            "ISSUER": "http://localhost:8080/realms/demo",
            "LOG_LEVEL": "info",
            "VAULT_DATABASE_URL": URL,
            "TASK_DATABASE_URL": URL,
            "VAULT_ROOT_KEY_FILE": str(root_key),
            "VAULT_CLIENT_SECRET": "secret",
            "TASK_SERVICE_CLIENT_SECRET": "secret",
            "VAULT_SPOOL_DIR": str(tmp_path),
        }
        return int(environ["WEB_WORKERS"]), read(environ | known)

    def pools(build, settings):
        sizes.clear()
        return build(settings), sum(sizes)

    processes, vault = settings_of("vault", vault_config.read)
    _, vault_pools = pools(vault_service.bootstrap.build, vault)
    api_processes, task = settings_of("task-api", task_config.read)
    _, api_pools = pools(task_service.bootstrap.build_service, task)
    work, worker_pools = pools(task_service.bootstrap.build_work, task)
    engine = task_service.worker.engine.create_app(task, work.run).connector._pool_args["max_size"]
    return {
        "vault": processes * (vault_pools + USES),
        "task-api": api_processes * api_pools,
        "task-worker": worker_pools + engine + LISTENER,
    }


def test_the_documents_say_how_many_connections_the_code_opens(opened):
    said = re.search(r"a vault uses up to (\d+), a task API (\d+), a worker (\d+)", page("containers.md"))
    assert tuple(opened.values()) == tuple(int(number) for number in said.groups())
    kubernetes = (ROOT / "deploy/kubernetes/README.md").read_text(encoding="utf-8")
    said = re.search(r"so (\d+) a replica\. A task API replica opens (\d+), a worker (\d+)", kubernetes)
    assert tuple(opened.values()) == tuple(int(number) for number in said.groups())


def test_postgresql_has_room_for_the_documented_scale_doubled_by_an_upgrade(opened):
    (line,) = re.findall(r"^docker compose up --wait .*--scale.*$", page("containers.md"), re.MULTILINE)
    scale = {name: int(number) for name, number in re.findall(r"--scale ([a-z-]+)=(\d+)", line)}
    assert set(scale) <= set(opened)
    most = 2 * sum(scale.get(name, 1) * number for name, number in opened.items())
    assert most + RESERVED_CONNECTIONS <= max_connections()
    assert f"PostgreSQL takes {max_connections()} connections" in page("containers.md")


def test_postgresql_may_have_as_many_processes_as_connections():
    assert services()["postgres"]["pids_limit"] > max_connections() + 50


@pytest.mark.parametrize("service", compose()["services"])
def test_every_service_has_a_limit_of_memory_and_of_processes(service):
    assert re.fullmatch(r"\d+[mg]|\$\{[A-Z_]+:-\d+[mg]\}", services()[service]["mem_limit"])
    assert services()[service]["pids_limit"] >= 32


@pytest.mark.parametrize("service", compose()["services"])
def test_a_part_of_a_volume_is_never_filled_from_an_image(service):
    """Else what an image happens to have at that place would be written among the secrets."""
    mounts = [each for each in services()[service].get("volumes", []) if isinstance(each, dict)]
    assert all(each["volume"] == {"subpath": each["volume"]["subpath"], "nocopy": True} for each in mounts)


@pytest.mark.parametrize("service", ["postgres", "redis", "keycloak", "task-worker", "prometheus", "grafana"])
def test_what_stays_has_a_health_check(service):
    """Health checks of our own images are in the Dockerfile."""
    check = services()[service]["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert {"interval", "timeout", "start_period", "retries"} <= set(check)


def test_keycloak_has_time_to_start_on_a_slow_machine():
    """Keycloak imports its realm first. Failed checks within the start period do not count."""
    check = services()["keycloak"]["healthcheck"]
    assert check["start_period"] == "180s"
    assert int(check["retries"]) >= 5


@pytest.mark.parametrize("service", ["vault", "task-api", "task-worker"])
def test_how_many_there_are_is_a_variable(service):
    variable = f"{service.upper().replace('-', '_')}_REPLICAS"
    assert services()[service]["deploy"] == {"replicas": f"${{{variable}:-1}}"}
    assert variable in page("containers.md")
