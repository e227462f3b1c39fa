"""The stack as a whole, as far as nothing has to be started: what the parts are told, and what is refused."""

import io
import json
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from local_stack import options
from local_stack.authorization_server import render_realm
from local_stack.options import ROOT, StackError, read_env_file, write_private
from local_stack.progress import ProgressLine
from local_stack.stack import INNER_PARTS, LocalStack

SECRETS = {"VAULT_CLIENT_SECRET": "v", "TASK_SERVICE_CLIENT_SECRET": "t"}


@pytest.fixture
def stack(tmp_path):
    def make(**environ):
        return LocalStack(
            options.read({"STATE_DIR": str(tmp_path / "state"), **environ}), environ, ProgressLine(io.StringIO())
        )

    return make


def environment(stack):
    return stack._environment({name: number for number, name in enumerate(INNER_PARTS, 1)})


def remember(tmp_path, **values):
    write_private(tmp_path / "state" / "stack.env", "".join(f"{name}={value}\n" for name, value in values.items()))


def command(tmp_path, *words, **environ):
    return subprocess.run(
        [sys.executable, "-m", "local_stack", *words],
        env={"PATH": "/usr/bin:/bin", "STATE_DIR": str(tmp_path / "state"), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_each_stack_has_secrets_of_its_own_and_keeps_them(stack, tmp_path):
    first = environment(stack())
    assert environment(stack()) == first
    other = LocalStack(options.read({"STATE_DIR": str(tmp_path / "other")}), {}, ProgressLine(io.StringIO()))
    for name in ("VAULT_CLIENT_SECRET", "TASK_SERVICE_CLIENT_SECRET", "VAULT_DATABASE_URL", "REDIS_URL"):
        assert environment(other)[name] != first[name]


def test_a_second_authorization_server_has_a_part_and_a_client_secret_of_its_own(stack, tmp_path):
    both = stack(SECOND_IDP="keycloak", SECOND_IDP_PORT="18081")
    environ = environment(both)
    assert "idp2" in both.names()
    assert "idp2" not in stack().names()
    told = tomllib.loads(Path(environ["VAULT_PROVIDERS_FILE"]).read_text())
    assert told["default"] == "default"
    issuers = {name: provider["issuer"] for name, provider in told["providers"].items()}
    assert issuers == {"default": environ["ISSUER"], "keycloak": "http://localhost:18081/realms/demo"}
    assert len({provider["client_secret_file"] for provider in told["providers"].values()}) == 2


def test_with_one_authorization_server_the_single_settings_do(stack):
    assert "VAULT_PROVIDERS_FILE" not in environment(stack())


def test_a_second_authorization_server_goes_with_the_development_server(stack):
    for choice in ({"SECOND_IDP": "keycloak", "IDP": "keycloak"}, {"SECOND_IDP": "dev"}):
        with pytest.raises(StackError, match="is not keycloak beside IDP=dev"):
            stack(**choice)


def test_a_stack_that_is_up_does_not_take_another_choice_of_servers(stack, tmp_path):
    remember(tmp_path, IDP="dev", SECOND_IDP="", SECOND_ISSUER="")
    with pytest.raises(StackError, match="`make stop` first"):
        stack(SECOND_IDP="keycloak")._demand_same_stack({"vault"})


def test_secrets_are_for_their_owner_only(stack, tmp_path):
    environment(stack())
    folder = tmp_path / "state" / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o377 for path in folder.iterdir()} <= {0o200, 0}
    assert (folder / "vault_root_key").stat().st_mode & 0o777 == 0o400


def test_the_root_key_is_32_bytes(stack, tmp_path):
    environment(stack())
    assert len((tmp_path / "state" / "secrets" / "vault_root_key").read_text().rstrip("=")) == 43


def test_services_are_told_runtime_roles_and_migrations_owners(stack):
    told = environment(stack())
    assert told["VAULT_DATABASE_URL"].startswith("postgresql://vault:")
    assert told["VAULT_MIGRATION_DATABASE_URL"].startswith("postgresql://vault_owner:")
    assert told["TASK_DATABASE_URL"].endswith("@127.0.0.1:1/tasks")
    assert (told["VAULT_URL"], told["TASK_URL"]) == ("http://127.0.0.1:3", "http://127.0.0.1:4")


def test_the_control_api_is_there_only_when_asked_for(stack):
    assert "CONTROL_URL" not in environment(stack())
    assert environment(stack(IDP_CONTROL="1"))["CONTROL_URL"] == "http://localhost:8080/_control"
    assert "CONTROL_URL" not in environment(stack(IDP_CONTROL="1", IDP="https://login.example/x", **SECRETS))


def test_an_issuer_that_is_there_already_needs_its_clients_secrets(stack):
    with pytest.raises(StackError, match=r"needs VAULT_CLIENT_SECRET and TASK_SERVICE_CLIENT_SECRET"):
        environment(stack(IDP="https://login.example/x"))


def test_an_issuer_that_is_there_already_has_clients_from_the_environment_and_no_part(stack):
    outside = stack(IDP="https://login.example/x", UI_CLIENT_ID="my-ui", **SECRETS)
    told = environment(outside)
    assert (told["IDP"], told["ISSUER"]) == ("external", "https://login.example/x")
    assert (told["UI_CLIENT_ID"], told["VAULT_CLIENT_ID"], told["VAULT_CLIENT_SECRET"]) == ("my-ui", "token-vault", "v")
    assert "idp" not in outside.names()


def test_its_clients_are_remembered(stack, tmp_path):
    first = environment(stack(IDP="https://login.example/x", UI_CLIENT_ID="my-ui", **SECRETS))
    remember(tmp_path, **first)
    again = environment(stack())
    assert {name: again[name] for name in ("UI_CLIENT_ID", "ISSUER", *SECRETS)} == {
        name: first[name] for name in ("UI_CLIENT_ID", "ISSUER", *SECRETS)
    }


def test_data_made_with_one_authorization_server_are_not_used_with_another(stack, tmp_path):
    remember(tmp_path, IDP="dev", GATEWAY_URL="http://localhost:3000", ISSUER="http://localhost:8080/realms/demo")
    with pytest.raises(StackError, match=r"IDP=dev.*make clean"):
        stack(IDP="keycloak").start()


def test_keycloaks_realm_is_imported_once_and_so_its_addresses_stay(stack, tmp_path):
    remember(tmp_path, IDP="keycloak", GATEWAY_URL="http://localhost:3000", ISSUER="http://localhost:8080/realms/demo")
    with pytest.raises(StackError, match=r"GATEWAY_URL=http://localhost:3000.*make clean"):
        stack(GATEWAY_PORT="3001").start()


def test_a_public_port_that_is_taken_is_one_line_and_an_exit_status(tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        done = command(tmp_path, "start", GATEWAY_PORT=str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"port {port} is in use by something else; choose another: GATEWAY_PORT=…\n"


def test_a_token_of_a_stack_that_is_not_there_is_one_line(tmp_path):
    done = command(tmp_path, "token")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "the stack is not there: `make start` first\n"


def test_stopping_what_does_not_run_is_no_trouble(tmp_path):
    done = command(tmp_path, "stop")
    assert (done.returncode, done.stdout) == (0, "nothing was running\n")


def test_status_counts_what_is_down(tmp_path):
    done = command(tmp_path, "status")
    assert done.returncode == 1
    assert [line.split() for line in done.stdout.splitlines()] == [
        [name, "down"] for name in ("postgres", "redis", "idp", "vault", "tasks", "worker", "gateway")
    ]


def test_clean_removes_what_a_stack_makes_and_nothing_else(stack, tmp_path):
    own = stack()
    remember(tmp_path, **environment(own))
    (tmp_path / "state" / "holiday.jpg").touch()
    own.clean()
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["holiday.jpg"]


def test_clean_leaves_no_empty_folder(stack, tmp_path):
    own = stack()
    remember(tmp_path, **environment(own))
    own.clean()
    assert not (tmp_path / "state").exists()


def test_stack_env_can_be_read_by_anything_that_reads_lines(stack, tmp_path):
    told = environment(stack())
    remember(tmp_path, **told)
    assert read_env_file(tmp_path / "state" / "stack.env") == told
    assert not [value for value in told.values() if set(value) & set("\n\"' ")]


def test_the_realm_file_has_placeholders_that_a_stack_fills_in(stack):
    own = stack()
    realm = json.loads(render_realm(own._options.folder("idp"), environment(own)).read_text())
    assert "${" not in json.dumps(realm)
    assert next(c for c in realm["clients"] if c["clientId"] == "token-vault")["redirectUris"] == [
        "http://localhost:3000/api/auth/manager/offline-callback",
        "http://localhost:3000/api/auth/manager/offline-callback/keycloak",
    ]


def test_the_checkout_is_found_from_the_package():
    assert (ROOT / "Makefile").is_file()
