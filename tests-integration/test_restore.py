"""A disk is lost: the database comes back from a base backup and its archived WAL, to the last moment."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from api import Api, command_line_token
from person import Person
from stack import ROOT, Stack, eventually


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
            superuser.execute("alter system set archive_mode = on")
            superuser.execute(f"alter system set archive_command = 'cp %p {archive}/%f'")
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
    _archive_all(stack)

    stack.kill("postgres")
    _restore(folder, data)
    stack.start()

    assert alice.task(task_id)["name"] == "after the backup"
    for token_id in (before, after):
        assert alice.access_token(token_id, scope="openid profile").status_code == 200
    assert "all as written" in _vault(stack, "audit", "verify", "--checkpoint", checkpoint)


def _backup(stack: Stack, folder: Path) -> Path:
    """Copy the running server's folder as its manual says; the original's place."""
    with psycopg.connect(stack["POSTGRES_SUPERUSER_URL"], autocommit=True) as superuser:
        data = Path(_value(superuser, "show data_directory"))
        superuser.execute("select pg_backup_start('test', fast => true)")
        copied = subprocess.run(["cp", "-a", str(data), str(folder / "backup")], capture_output=True, check=False)
        assert copied.returncode == 0 or b"No such file" in copied.stderr, copied.stderr  # files come and go
        label = _value(superuser, "select labelfile from pg_backup_stop()")
    (folder / "backup" / "backup_label").write_text(label)
    for leftover in ("postmaster.pid", "postmaster.opts"):
        (folder / "backup" / leftover).unlink(missing_ok=True)
    return data


def _archive_all(stack: Stack) -> None:
    with psycopg.connect(stack["POSTGRES_SUPERUSER_URL"], autocommit=True) as superuser:
        last = _value(superuser, "select pg_walfile_name(pg_switch_wal())")
        query = f"select last_archived_wal >= '{last}' from pg_stat_archiver"
        eventually(lambda: _value(superuser, query), "the last WAL file is archived")


def _restore(folder: Path, data: Path) -> None:
    owner = data.stat()
    shutil.rmtree(data)
    subprocess.run(["cp", "-a", str(folder / "backup"), str(data)], check=True)
    for segment in (data / "pg_wal").iterdir():
        if segment.is_file():
            segment.unlink()
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"restore_command = 'cp {folder}/archive/%f %p'\nrecovery_target_timeline = 'latest'\n")
    (data / "recovery.signal").touch()
    for name in ("recovery.signal", "backup_label"):
        shutil.chown(data / name, owner.st_uid, owner.st_gid)


def _vault(stack: Stack, *words: str) -> str:
    """What a command of the vault's prints."""
    command = [str(ROOT / ".venv" / "bin" / "vault-service"), *words]
    done = subprocess.run(command, env=stack.values, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _value(connection: "psycopg.Connection", query: str) -> str:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return str(row[0]) if not isinstance(row[0], bool) else ("true" if row[0] else "")
