"""The spool's files and every commit must outlive a power cut. Planted faults were not noticed before."""

import os
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from service_kit.postgres.database import BY_INDEX, session
from vault_service.adapters.grants.spool import Spool, Spooled


def test_a_spooled_outcome_is_synced_before_it_has_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power cut leaves an empty file, or none, and the only copy of a token is lost."""
    folder = tmp_path / "spool"
    outcome = Spooled(uuid4(), 1, b"sealed", 300.0, None, "iss", "sub", "task-service", "r", datetime.now(UTC))
    name = f"{outcome.grant_id}.1"
    synced: list[tuple[Path, bool, int]] = []
    sync = os.fsync

    def recorded(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((path, (folder / name).exists(), path.stat().st_size))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    Spool(folder).keep(outcome)
    (file, has_name, size), (last, is_named, _) = synced
    assert (file.parent, has_name, size) == (folder, False, (folder / name).stat().st_size)
    assert (last, is_named) == (folder, True)


def test_no_connection_of_ours_commits_asynchronously(database_url: str) -> None:
    """The server's own choice holds: a session of the kit sets nothing about commits."""
    with psycopg.connect(database_url, **session("test", BY_INDEX)) as connection:
        sources = connection.execute(
            "select name, source from pg_settings where name in ('synchronous_commit', 'commit_delay')"
            " and source in ('client', 'session', 'user', 'database', 'database user')"
        ).fetchall()
    assert sources == []


@pytest.mark.parametrize("package", ["vault_service", "service_kit"])
def test_no_source_mentions_asynchronous_commits_but_the_doctor(package: str) -> None:
    """A `set` in a query or an option in a pool would lose acknowledged tokens and audit lines."""
    root = Path(str(files(package)))
    told = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.suffix in {".py", ".sql"} and "synchronous_commit" in path.read_text(encoding="utf-8").lower()
    }
    assert told == ({"cli/doctor.py", "cli/doctor.sql"} if package == "vault_service" else set())
