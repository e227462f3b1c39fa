"""Attacks on the audit by the schema's owner and by the role that can only add lines, and the copy outside."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from chained_audit import Chain
from replica import Replica

from vault_service.adapters.audit import checkpoints, log
from vault_service.adapters.audit.kept import CheckpointKeeper, KeptFile, read_lines
from vault_service.adapters.audit.own_lines import OwnLines
from vault_service.adapters.audit.pruning import prune
from vault_service.application.verify_audit import Kept
from vault_service.domain.audit import mac
from vault_service.domain.checkpoints import Checkpoint
from vault_service.domain.writer import Writer

COLUMNS = (
    "at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac, via_id, via_name, reason"
    ", writer_id, writer_seq, writer_mark"
)
AGAIN = f"insert into audit ({COLUMNS}) select {COLUMNS} from audit where id = 7"
FAR_AHEAD = (
    f"insert into audit (id, {COLUMNS}) overriding system value select {{number}}, {COLUMNS} from audit where id = 7"
)
DELETING = (
    "create function vanish() returns trigger language plpgsql security definer as $$ begin"
    " delete from audit where id = new.id; return null; end $$;"
    "create trigger vanish after insert on audit for each row {when} execute function vanish()"
)


class Clock:
    """Seconds, which the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_role_that_adds_lines_chooses_no_id(chain: Chain, database_url: str) -> None:
    """Neither in a statement nor by the sequence."""
    for statement in (
        FAR_AHEAD.format(number=2**62).encode(),
        b"select setval('audit_id_seq', 4611686018427387904)",
        b"alter table audit disable trigger all",
    ):
        with (
            psycopg.connect(database_url, autocommit=True) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


def test_a_line_that_is_added_again_is_found(chain: Chain, database_url: str) -> None:
    """40 times, by the role that may add; covered and not covered."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for _ in range(40):
            connection.execute(AGAIN.encode())
    assert chain.found()[-1] == "lines added twice: 100"
    chain.cover()
    assert chain.found() == ["lines added twice: 61 to 100"]


def test_a_line_of_an_older_version_that_is_added_again_is_found(chain: Chain) -> None:
    """The line has no place among its process's lines, but its time is long past."""
    old = replace(chain.entry("request-old"), at=datetime.now(UTC) - timedelta(hours=2))
    row = chain.audit.row(old, chain.audit.writer.take())
    key = chain.keyring.audit_key(row["key_id"])
    assert key is not None
    row |= {"mac": mac(key, old), "writer_id": None, "writer_seq": None, "writer_mark": None}
    with chain.database.connection() as connection:
        connection.execute(log._QUERIES["append"], row)
    chain.cover()
    assert chain.found() == ["lines added long after their time: 61"]


def test_a_place_that_is_taken_away_is_found(chain: Chain) -> None:
    """The place, and each half of it, is a part of the MAC."""
    chain.tamper("update audit set writer_id = null, writer_seq = null, writer_mark = null where id = 60")
    chain.tamper("update audit set writer_mark = null where id = 59")
    chain.tamper("update audit set writer_mark = 0 where id = 58")
    assert chain.found()[0] == "lines changed: 58 to 60"


def test_a_trigger_that_deletes_some_new_lines_is_found(chain: Chain) -> None:
    """The next line of the same process says that they were recorded."""
    chain.tamper(DELETING.format(when="when (new.request_id = 'request-1')"))
    chain.write(3)
    chain.cover()
    chain.write(1)
    assert chain.found() == [f"lines missing: 62 of the process {chain.audit.writer.id.hex}"]


def test_a_trigger_that_deletes_every_new_line_sounds_the_alert(chain: Chain) -> None:
    """No line tells of it. The process knows what it has recorded, and so does what was kept elsewhere."""
    clock = Clock()
    own = OwnLines(chain.database, chain.keyring, chain.audit.writer, clock)
    assert own.lag() == 0.0
    chain.write(2)
    chain.cover()
    assert own.lag() == 0.0
    chain.tamper(DELETING.format(when=""))
    chain.write(3)
    chain.cover()
    own.lag()
    clock.now = 61.0
    assert own.lag() > 60.0
    writer, mark = chain.audit.writer.progress
    assert mark == 5
    assert chain.verify()[0] == []
    assert [str(finding) for finding in chain.verify(marks={writer.hex: mark})[0]] == [
        f"lines missing: 3 to 5 of the process {writer.hex}"
    ]


@pytest.mark.parametrize("number", [70, 300, 10**6, 2**62, 2**63 - 1])
def test_an_id_far_ahead_stops_no_checkpoint(chain: Chain, number: int) -> None:
    """Nor its alert: lines after it are covered, and the one far ahead is a finding."""
    chain.tamper(FAR_AHEAD.format(number=number))
    for first in (61, 64):
        chain.write(3)
        (checkpoint,) = chain.cover()
        assert checkpoint.ids == ((first, first + 2),)
    assert f"line numbers ahead of the sequence: {number}" in chain.found()
    assert chain.writer.lag() > 0.0


def test_a_sequence_that_was_moved_ahead_stops_no_checkpoint(chain: Chain) -> None:
    """New lines are there; the jump is a finding."""
    chain.tamper("select setval('audit_id_seq', 1000000000000)")
    chain.write(5)
    (checkpoint,) = chain.cover()
    assert checkpoint.ids == ((1000000000001, 1000000000005),)
    assert len(checkpoint.missing) <= checkpoints.BATCH_LINES
    assert chain.found() == ["line numbers jump: from 60 to 1000000000001"]


def test_a_sequence_that_was_moved_back_sounds_the_alert(chain: Chain) -> None:
    """Lines below the chain's end are never covered."""
    clock = Clock()
    own = OwnLines(chain.database, chain.keyring, chain.audit.writer, clock)
    own.lag()
    chain.tamper("delete from audit where id < 10")
    chain.tamper("select setval('audit_id_seq', 1)")
    chain.write(3)
    chain.cover()
    own.lag()
    clock.now = 61.0
    assert own.lag() > 60.0
    assert chain.found()[0] == "lines removed: 1, 5 to 9"


@pytest.mark.parametrize("number", [4, 5, 2**63 - 1])
def test_a_forged_checkpoint_stops_nothing(chain: Chain, database_url: str, number: int) -> None:
    """The role that adds lines adds checkpoints, too, but it cannot sign them."""
    clock = Clock()
    own = OwnLines(chain.database, chain.keyring, chain.audit.writer, clock)
    own.lag()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            b"insert into audit_seals select %s, 4611686018427387904, '{[1,4611686018427387904)}', '{}', 1, chain,"
            b" sealed_at, key_id, mac, writers from audit_seals where number = 3",
            [number],
        )
    chain.write(5)
    (checkpoint,) = chain.cover()
    assert checkpoint.ids == ((61, 65),)
    clock.now = 61.0
    assert own.lag() == 0.0
    assert f"checkpoint changed: {number}" in chain.found()
    assert not any(finding.startswith("lines") for finding in chain.found())


def test_uses_that_were_refused_leave_no_gap(vault: Replica, chain: Chain) -> None:
    """A number of which no line came is taken by the next line."""
    grant_id, other = vault.grant(max_uses=2), vault.grant()
    vault.issue(other)
    for _ in range(2):
        vault.issue(grant_id)
        vault.issue(other)
    for _ in range(3):
        with pytest.raises(Exception, match="no access"):
            vault.issue(grant_id)
    vault.issue(other)
    chain.cover()
    assert chain.found() == []


def test_a_connection_that_breaks_makes_no_false_finding(vault: Replica, chain: Chain) -> None:
    """When a line's fate is unknown, the process continues as another writer."""
    grant_id = vault.grant()
    for _ in range(3):
        vault.issue(grant_id)
        chain.tamper("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'vault-uses'")
    vault.issue(grant_id)
    chain.cover()
    assert chain.found() == []


def test_numbers_of_lines_stay_verified_after_they_were_pruned(chain: Chain) -> None:
    """Their checkpoints tell them."""
    now = datetime.now(UTC)
    prune(chain.superuser, chain.keyring, now + timedelta(seconds=5), now)
    writer, mark = chain.audit.writer.progress
    assert chain.verify(marks={writer.hex: mark})[0] == []
    chain.tamper("delete from audit_seals where number = 1")
    assert "lines missing" in {finding.what for finding in chain.verify(marks={writer.hex: mark})[0]}


def test_a_cut_end_is_found_by_what_was_kept(chain: Chain, tmp_path: Path) -> None:
    """Without anybody having noted a checkpoint: the file is kept by default."""
    file = KeptFile(tmp_path / "spool" / "checkpoints")
    keeper = CheckpointKeeper(file, chain.audit.writer, None)
    keeper.reference = chain.end()
    keeper.keep()
    kept = file.kept()
    (reference,), marks = kept.references, dict(kept.marks)
    assert chain.verify(reference, marks)[0] == []
    chain.tamper("delete from audit where id > 40")
    chain.tamper("delete from audit_seals where number = 3")
    assert chain.verify()[0] == []
    assert [finding.what for finding in chain.verify(reference, marks)[0]] == [
        "chain cut off or replaced",
        "lines missing",
    ]


def test_an_earlier_checkpoint_does_not_replace_a_later_one(tmp_path: Path) -> None:
    """A database that was put back is told, until an operator accepts it."""
    file, writer = KeptFile(tmp_path / "checkpoints"), uuid4()
    assert file.keep("12:aa", writer, 5)
    assert not file.keep("11:bb", writer, 6)
    assert file.kept() == Kept(frozenset({"12:aa"}), {writer.hex: 6})
    file.accept("3:cc")
    assert file.kept() == Kept(frozenset({"3:cc"}), {})


def test_a_process_sends_what_is_new(tmp_path: Path) -> None:
    """To the webhook, if there is one, and nothing twice."""
    sent: list[object] = []
    writer = Writer()
    keeper = CheckpointKeeper(KeptFile(tmp_path / "checkpoints"), writer, sent.append)
    keeper.keep()
    assert sent == []
    writer.settle(writer.take(), is_recorded=True)
    keeper.reference = "1:aa"
    keeper.keep()
    keeper.keep()
    assert sent == [{"checkpoint": "1:aa", "writer": writer.id.hex, "mark": 1}]


def test_a_log_tells_what_was_kept() -> None:
    """Other lines, and half lines, are passed over."""
    lines = [
        b'{"event": "audit.checkpoint_written", "checkpoint": "1:aa", "lines": 3}\n',
        b'{"event": "audit.kept", "checkpoint": null, "writer": "ab", "mark": 7}\n',
        b'{"event": "audit.kept", "checkpoint": "2:bb", "writer": "ab", "mark": 5}\n',
        b"vault cannot start\n",
        b'{"event": "audit.kept", "check',
    ]
    assert read_lines(lines) == Kept(frozenset({"1:aa", "2:bb"}), {"ab": 7})


def test_a_jump_of_numbers_takes_no_memory(chain: Chain) -> None:
    """A checkpoint names the last missing numbers only, however many there are."""
    with chain.database.connection() as connection:
        last: Checkpoint = checkpoints.last_checkpoint(connection, chain.keyring)[0]
    far = checkpoints.ChainedLine(2**62, b"mac")
    following = last.next([far], last.written_at, 2, b"key")
    assert following.missing[-1] == 2**62 - 1
    assert len(following.missing) == 256


def test_numbers_are_given_again_until_they_are_recorded() -> None:
    """The mark stops before the first number that is not recorded; an unknown fate begins another writer."""
    writer = Writer()
    first, second, third = writer.take(), writer.take(), writer.take()
    writer.settle(third, is_recorded=True)
    writer.settle(first, is_recorded=True)
    assert writer.progress[1] == 1
    writer.settle(second, is_recorded=False)
    again = writer.take()
    assert (again.number, again.mark) == (2, 1)
    writer.settle(again, is_recorded=True)
    assert writer.progress[1] == 3
    before = writer.id
    writer.settle(writer.take(), is_recorded=None)
    assert writer.id != before
    assert writer.take().number == 1
