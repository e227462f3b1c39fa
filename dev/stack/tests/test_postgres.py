"""PostgreSQL as a part: data outlive every way of ending it, and each role opens its own database only."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from local_stack import ports, postgres
from local_stack.options import StackError
from local_stack.process import Processes

pytestmark = pytest.mark.postgres
PASSWORDS = {role: f"secret of {role}" for role in ("vault_owner", "vault", "tasks_owner", "tasks")}
IS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def pristine():
    """A server that has never run, its data folder made: most tests need no `initdb` of their own."""
    folder = Path(tempfile.mkdtemp(prefix="offline-token-vault-pristine-"))
    folder.chmod(0o755)
    postgres.PostgresServer(folder / "postgres", 1, "secret").part()
    yield folder / "postgres"
    shutil.rmtree(folder)


@pytest.fixture
def server(open_folder, pristine):
    subprocess.run(["cp", "-a", pristine, open_folder], check=True, timeout=60)
    port = ports.choose(open_folder / "ports.json", ["postgres"], set())["postgres"]
    return postgres.PostgresServer(open_folder / "postgres", port, "secret")


@pytest.fixture
def start(server, processes):
    def run():
        part = server.part("fsync=off")
        processes.start(part)
        processes.wait_ready(part)

    yield run
    processes.stop("postgres", signal.SIGINT)


@pytest.fixture(scope="module")
def shared(pristine, tmp_path_factory):
    """A running server with the databases, and its processes, for all tests that neither stop nor damage it."""
    folder = Path(tempfile.mkdtemp(prefix="offline-token-vault-shared-"))
    folder.chmod(0o755)
    subprocess.run(["cp", "-a", pristine, folder], check=True, timeout=60)
    port = ports.choose(folder / "ports.json", ["postgres"], set())["postgres"]
    server = postgres.PostgresServer(folder / "postgres", port, "secret")
    notes = tmp_path_factory.mktemp("shared")
    processes = Processes(notes, notes)
    part = server.part("fsync=off")
    processes.start(part)
    try:
        processes.wait_ready(part)
        postgres.create_databases(server.url, PASSWORDS)
        yield server, processes
    finally:
        processes.stop("postgres", signal.SIGINT)
        shutil.rmtree(folder)


def eventually(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition did not come"
        time.sleep(0.01)


def execute(server, statement):
    with psycopg.connect(server.url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def address(server, role, database):
    return f"postgresql://{role}:{PASSWORDS[role]}@127.0.0.1:{server.port}/{database}".replace(" ", "%20")


def test_data_outlive_a_restart(server, start, processes):
    start()
    execute(server, "create table kept as select 1 as one")
    assert processes.stop("postgres", signal.SIGINT)
    assert not server.answers()
    start()
    assert execute(server, "select one from kept") == [(1,)]


def test_data_outlive_a_kill_and_what_was_left_of_it_is_in_nobodys_way(server, start, processes):
    start()
    execute(server, "create table kept as select 1 as one")
    os.kill(processes.pid("postgres"), signal.SIGKILL)
    eventually(lambda: processes.has_died("postgres"))
    start()
    assert execute(server, "select one from kept") == [(1,)]


def test_a_frozen_server_is_not_taken_for_a_dead_one(server, start, processes, open_folder):
    start()
    pid = processes.pid("postgres")
    os.kill(pid, signal.SIGSTOP)
    try:
        server.part()
        assert (open_folder / "postgres" / "data" / "postmaster.pid").exists()
    finally:
        os.kill(pid, signal.SIGCONT)


def test_it_asks_for_the_password(shared):
    server, _ = shared
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.url.replace(":secret@", ":guess@"))


def test_it_listens_on_loopback_only(shared):
    server, _ = shared
    assert execute(server, "show listen_addresses") == [("127.0.0.1",)]
    assert execute(server, "show unix_socket_directories") == [("",)]
    assert execute(server, "show password_encryption") == [("scram-sha-256",)]


@pytest.mark.parametrize("role", PASSWORDS)
def test_each_role_opens_its_own_database_and_no_other(shared, role):
    server, _ = shared
    own = role.removesuffix("_owner")
    psycopg.connect(address(server, role, own)).close()
    for other in {"vault", "tasks"} - {own}:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(address(server, role, other))


def test_only_the_owner_makes_tables(shared):
    server, _ = shared
    with psycopg.connect(address(server, "vault_owner", "vault")) as connection:
        connection.execute("create table grants ()")
    with (
        psycopg.connect(address(server, "vault", "vault")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("create table mine ()")


def test_databases_are_made_once_and_passwords_follow(shared):
    server, _ = shared
    try:
        postgres.create_databases(server.url, {**PASSWORDS, "vault": "another"})
        psycopg.connect(address(server, "vault", "vault").replace("secret%20of%20vault@", "another@")).close()
    finally:
        postgres.create_databases(server.url, PASSWORDS)
    psycopg.connect(address(server, "vault", "vault")).close()


@pytest.mark.skipif(not IS_ROOT, reason="only root can be somebody else")
def test_root_runs_it_as_an_unprivileged_user(shared):
    server, processes = shared
    nobody = pwd.getpwnam(postgres.UNPRIVILEGED)
    told = Path(f"/proc/{processes.pid('postgres')}/status").read_text()
    assert f"Uid:\t{nobody.pw_uid}\t{nobody.pw_uid}" in told
    assert f"Gid:\t{nobody.pw_gid}\t{nobody.pw_gid}" in told
    data = Path(execute(server, "show data_directory")[0][0]).stat()
    assert (data.st_uid, stat.S_IMODE(data.st_mode)) == (nobody.pw_uid, 0o700)


@pytest.mark.skipif(not IS_ROOT, reason="an ordinary user can always reach what is their own")
def test_a_folder_that_the_unprivileged_user_cannot_reach_gets_a_stand_in(open_folder, processes):
    open_folder.chmod(0o700)
    folder = open_folder / "postgres"
    port = ports.choose(open_folder / "ports.json", ["postgres"], set())["postgres"]
    far = postgres.fallback_folder(folder)
    try:
        part = postgres.PostgresServer(folder, port, "secret").part("fsync=off")
        processes.start(part)
        processes.wait_ready(part)
        processes.stop("postgres", signal.SIGINT)
        assert (far / "data" / "PG_VERSION").exists()
        assert not folder.exists()
    finally:
        postgres.forget(folder)
    assert not far.exists()


@pytest.mark.skipif(not IS_ROOT, reason="needs a file that belongs to somebody else")
def test_a_stand_in_that_somebody_else_has_prepared_is_refused(open_folder):
    open_folder.chmod(0o700)
    folder = open_folder / "postgres"
    far = postgres.fallback_folder(folder)
    far.mkdir()
    os.chown(far, 65534, 65534)
    try:
        with pytest.raises(StackError, match="belongs to somebody else"):
            postgres.PostgresServer(folder, 1, "secret").part()
    finally:
        far.rmdir()


def test_the_block_for_tests_leaves_nothing_running(open_folder):
    port = ports.choose(open_folder / "ports.json", ["postgres"], set())["postgres"]
    with postgres.running(open_folder / "block", port, "fsync=off") as server:
        pid = Processes(open_folder / "block", open_folder / "block").pid("postgres")
        assert server.answers()
    assert not Path(f"/proc/{pid}").exists()
    eventually(lambda: ports.is_free(port))
