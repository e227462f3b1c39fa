"""A full disk under the audit, and a process whose clock is five minutes off."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from stack import eventually

from faults.figures import Figures
from faults.load import under_load
from faults.vault_process import VaultProcess
from faults.world import World, outcome

ROOM = 256 * 1024
"""Bytes that the audit may grow by."""


@contextmanager
def small_disk(size: int) -> Iterator[Path]:
    """A file system of so many bytes that anybody can write to; skips the test where it cannot be had."""
    folder = Path("/var/tmp") / f"small-disk-{os.getpid()}"
    folder.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode != 0:
            pytest.skip(f"needs root and the right to mount: {mounted.stderr.strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
    finally:
        folder.rmdir()


def test_a_full_disk_lets_no_token_out(world: World, figures: Figures) -> None:
    """P9: the audit's table grows until the disk is full. From then on no token is issued. With free space the vault
    continues.
    """
    world.settings(refreshTokenMaxReuse=0)
    world.plan()
    granted = world.grant()
    vault = world.vault("full-disk").start()
    (part,) = world.one("select tableoid::regclass::text from audit order by id desc limit 1")  # where lines go now
    (size,) = world.one("select pg_table_size(%s::regclass)", part)
    with small_disk(size + ROOM) as folder:
        data = folder / "data"
        data.mkdir(mode=0o777)
        subprocess.run(["chown", "--reference", world.one("show data_directory")[0], str(data)], check=True)
        with world.connect() as connection:
            connection.execute(f"create tablespace small location '{data}'".encode())
            try:
                connection.execute(f"alter table {part} set tablespace small".encode())
                with under_load(world, [vault], [granted], callers=8) as tally:
                    eventually(lambda: tally.outcomes["audit_unavailable"] > 50, "the disk is full", 120)
                refused = tally.asked - tally.outcomes["ok"]
            finally:
                connection.execute(f"alter table {part} set tablespace pg_default".encode())
                connection.execute("drop tablespace small")
    unrecorded = tally.unrecorded(world)
    figures.keep("P9", f"unrecorded of {len(tally.given)} tokens until the disk was full", "0", unrecorded)
    assert set(tally.outcomes) == {"ok", "audit_unavailable"}
    assert refused > 50
    assert unrecorded == 0
    assert world.settled(vault, granted, "openid") == "ok"


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_clock_that_is_five_minutes_off(world: World, shifted_clock: str, seconds: int) -> None:
    """Expiry is told by the database's clock: neither is a dead token served, nor a living one thrown away."""
    world.settings(refreshTokenMaxReuse=0, accessTokenLifespan=60)
    world.plan()
    environ = {"LD_PRELOAD": shifted_clock, "CLOCK_SHIFT": str(seconds)}
    vault = world.vault(f"clock{seconds:+d}", environ=environ).start()
    granted = world.grant()
    for _ in range(5):
        answer = vault.ask(world.bearer, granted.id, scope="openid")
        assert outcome(answer) == "ok"
        left = datetime.fromisoformat(answer.json()["expiresAt"]) - datetime.now(UTC)
        assert 50 < left.total_seconds() <= 60
        assert 50 < answer.json()["expiresIn"] <= 60
    assert abs(lead_of(world, vault) - seconds) < 60, "its clock was not shifted"
    assert (world.requests(), world.books(granted).generation) == (1, 2)


def lead_of(world: World, vault: VaultProcess) -> float:
    """The seconds by which the clock of the part's log is ahead of ours."""
    *_, last = (world.stack.state_dir / "log" / f"{vault.name}.log").read_text().splitlines()
    return (datetime.fromisoformat(json.loads(last)["timestamp"]) - datetime.now(UTC)).total_seconds()
