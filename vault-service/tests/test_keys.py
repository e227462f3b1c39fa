"""Keys are rotated, rewrapped and retired while the vault serves, and no token is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import monotonic
from uuid import UUID, uuid4

import psycopg
import pytest
from replica import ALICE, ROOT_KEY, Replica, answer, wish

from service_kit.postgres.database import Database
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.rewrap import KeyInUseError, Rewrapper
from vault_service.adapters.encryption.root_key import LocalRootKey, WrongRootKeyError
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.application.errors import SealBrokenError, VaultServiceError
from vault_service.domain import seal_context
from vault_service.domain.grant import Subject
from vault_service.domain.grant_terms import terms_of

Rows = Callable[..., list[tuple[object, ...]]]
ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
NEW_ROOT_KEY = bytes(range(32, 64))


@pytest.fixture
def operator(vault: Replica, owner_database: Database) -> Keyring:
    """The keys in an operator's process."""
    vault.keyring.load()
    return Keyring(owner_database, LocalRootKey(ROOT_KEY))


def rewrap(vault: Replica, operator: Keyring) -> dict[str, tuple[int, int, int]]:
    """By table: rows sealed again, overtaken, unreadable."""
    seen = {each.table: each for each in Rewrapper(vault.databases[0], operator).run(batch=3)}
    return {table: (each.done, each.overtaken, each.unreadable) for table, each in seen.items()}


def test_rotate_rewrap_and_retire(
    vault: Replica, new_replica: Callable[[], Replica], operator: Keyring, rows: Rows
) -> None:
    """After rotate, rewrap and retire, every value that was sealed before opens."""
    grants = [vault.grant() for _ in range(7)]
    waiting = vault.consent.request(wish())
    revoked = vault.grant()
    vault.manage.revoke(revoked, ALICE, "task-ui", "request-7")
    assert operator.rotate("data") == 3
    assert {version.id: version.state for version in operator.versions()} == {1: "retiring", 2: "active", 3: "active"}
    retire = Rewrapper(vault.databases[0], operator).retire
    with pytest.raises(KeyInUseError, match="key 1 still seals 9 values"):
        retire(1)
    assert rewrap(vault, operator) == {"grants": (7, 0, 0), "consent_requests": (1, 0, 0), "revocations": (1, 0, 0)}
    assert rewrap(vault, operator) == {}
    with pytest.raises(KeyInUseError, match="active until just now"):
        retire(1)
    rows("update sealing_keys set inactive_since = inactive_since - interval '1 hour' where id = 1 returning 1")
    retire(1)
    assert rows("select state, wrapped from sealing_keys where id = 1") == [("retired", None)]
    fresh = new_replica()
    for grant_id in grants:
        assert fresh.issue(grant_id).value
    assert fresh.consent.complete(answer(waiting.state, fresh.provider)).grant_id == waiting.grant_id
    while fresh.deliver.deliver_one() is not None:
        pass
    assert rows("select outcome from revocations") == [("revoked",)]


def test_a_running_process_takes_up_a_new_version(vault: Replica, operator: Keyring, rows: Rows) -> None:
    """The process opens values sealed by the new version at once, and seals by it after its next `load`."""
    operator.rotate("data")
    other = Sealer(operator)
    place = seal_context.grant_token(uuid4(), ALICE, 1, b"terms")
    assert Sealer(vault.keyring).open(other.seal(b"secret", place), place) == b"secret"
    vault.grant()
    assert rows("select distinct sealed_by(refresh_token) from grants") == [(3,)]


def test_values_sealed_by_the_old_version_meanwhile_are_found(vault: Replica, operator: Keyring, rows: Rows) -> None:
    """The key cannot be retired then; the next rewrap seals the rest."""
    vault.grant()
    operator.rotate("data")
    rewrap(vault, operator)
    vault.grant()
    assert rows("select sealed_by(refresh_token), count(*) from grants group by 1 order by 1") == [(1, 1), (3, 1)]
    rows("update sealing_keys set inactive_since = inactive_since - interval '1 hour' where id = 1 returning 1")
    with pytest.raises(KeyInUseError, match="still seals 1 value"):
        Rewrapper(vault.databases[0], operator).retire(1)
    assert rewrap(vault, operator) == {"grants": (1, 0, 0)}


def test_a_refresh_between_reading_and_writing_wins(
    vault: Replica, new_replica: Callable[[], Replica], operator: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rewrap does not replace its token, and counts it as overtaken."""
    grant_id = vault.grant()
    operator.rotate("data")
    vault.keyring.load()
    read = Rewrapper._rows
    overtaking = iter([lambda: vault.issue(grant_id)])

    def slow(*arguments: object) -> object:
        found = read(*arguments)  # type: ignore[arg-type]
        next(overtaking, lambda: None)()
        return found

    monkeypatch.setattr(Rewrapper, "_rows", slow)
    assert rewrap(vault, operator) == {"grants": (0, 1, 0)}
    assert vault.provider.refreshes == 1
    assert new_replica().issue(grant_id).value
    assert rewrap(vault, operator) == {}


@pytest.mark.parametrize(("key_id", "why"), [(1, "is active"), (2, "is for the audit"), (9, "there is no key 9")])
def test_versions_that_cannot_be_retired(vault: Replica, operator: Keyring, key_id: int, why: str) -> None:
    """The error has the reason."""
    operator.load()
    with pytest.raises(KeyInUseError, match=why):
        Rewrapper(vault.databases[0], operator).retire(key_id)


def test_audit_keys_rotate_and_old_lines_verify(vault: Replica, operator: Keyring, rows: Rows) -> None:
    """Each line names its key version."""
    vault.grant()
    assert operator.rotate("audit") == 3
    vault.keyring.load()
    vault.grant()
    assert rows("select key_id, count(*) from audit group by 1 order by 1") == [(2, 2), (3, 2)]
    assert operator.key("audit", 2) == vault.keyring.key("audit", 2)


def test_rotations_at_once_each_add_a_version(vault: Replica, owner_database: Database, rows: Rows) -> None:
    """Each purpose has one active version afterwards."""
    vault.keyring.load()
    keyrings = [Keyring(owner_database, LocalRootKey(ROOT_KEY)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(Keyring.rotate, keyrings, ["data", "audit", "data", "audit"]))
    assert sorted(ids) == [3, 4, 5, 6]
    assert sorted(rows("select purpose from sealing_keys where state = 'active'")) == [("audit",), ("data",)]


def test_a_new_root_key_and_a_rotation_at_once(vault: Replica, owner_database: Database, operator: Keyring) -> None:
    """Whichever is first, no key stays under the old root key."""
    new = LocalRootKey(NEW_ROOT_KEY)
    other = Keyring(owner_database, LocalRootKey(ROOT_KEY))
    other.load()
    with ThreadPoolExecutor(2) as pool:
        rotated, rewrapped = pool.submit(other.rotate, "data"), pool.submit(operator.rewrap, new)
    assert isinstance(rotated.exception(), WrongRootKeyError | None)
    assert rewrapped.exception() is None
    Keyring(vault.databases[0], new).load()


def test_a_new_root_key(vault: Replica, operator: Keyring, database_url: str) -> None:
    """Running processes continue; new ones need the new key, and the old one opens nothing."""
    grant_id = vault.grant()
    new = LocalRootKey(NEW_ROOT_KEY)
    assert operator.rewrap(new) == 2
    vault.keyring.load()
    assert vault.issue(grant_id).value
    Keyring(vault.databases[0], new).load()
    with pytest.raises(WrongRootKeyError):
        Keyring(vault.databases[0], LocalRootKey(ROOT_KEY)).load()
    with pytest.raises(WrongRootKeyError):
        operator.rewrap(new)
    Keyring(vault.databases[0], new).load()


@pytest.mark.parametrize(
    "change",
    [
        "update grants a set refresh_token = b.refresh_token from grants b where a.id <> b.id",
        "update grants set refresh_token = set_byte(refresh_token, 20, get_byte(refresh_token, 20) # 1)",
        "update grants set refresh_token = set_byte(refresh_token, 2, 9)",
        "update grants set refresh_token = set_byte(refresh_token, 2, 2)",
        "update grants set generation = generation + 1",
        "update grants set subject = 'alice-sub', issuer = issuer || '/'",
    ],
    ids=["swapped", "bit", "unknown key", "other key", "generation", "owner"],
)
def test_a_tampered_row_gives_no_token(vault: Replica, rows: Rows, change: str) -> None:
    """P10: every tampered row is refused, and the authorization server is not asked."""
    grants = [vault.grant(), vault.grant()]
    rows(f"{change} returning 1")
    for grant_id in grants:
        with pytest.raises(VaultServiceError):
            vault.issue(grant_id)
    assert vault.provider.refreshes == 0


def test_a_value_that_does_not_open_says_what_to_do(vault: Replica, rows: Rows) -> None:
    """For the operator who reads the log."""
    grant_id = vault.grant()
    rows("update grants set refresh_token = set_byte(refresh_token, 20, get_byte(refresh_token, 20) # 1) returning 1")
    with pytest.raises(SealBrokenError) as broken:
        vault.issue(grant_id)
    told = str(broken.value)
    assert "grants" in told
    assert "Restore the row from a backup, or revoke the grant" in told
    assert "docs/keys.md" in told


def test_rewrap_under_load(
    vault: Replica,
    operator: Keyring,
    rows: Rows,
    database_url: str,
    owner_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """P10: no error, no lost token, no value left under the old key. The figures are kept, not asserted."""
    count = 100_000 if os.environ.get("FAULTS") == "long" else 500
    live = [vault.grant() for _ in range(8)]
    _insert(owner_url, Sealer(vault.keyring), count)
    with _load(vault, live):
        _pause(1.0)  # until all is warm
    operator.rotate("data")
    vault.keyring.load()
    quiet, busy = [], []
    with _command(tmp_path, database_url) as rewrapping:
        try:
            while rewrapping.poll() is None:
                for turn, rounds in ((signal.SIGSTOP, quiet), (signal.SIGCONT, busy)):
                    rewrapping.send_signal(turn)
                    with _load(vault, live) as load:
                        _pause(ROUND_SECONDS)
                    rounds.append(load)
            said, trouble = rewrapping.communicate()
        finally:
            rewrapping.kill()
    assert rewrapping.returncode == 0, trouble
    assert [load.errors for load in quiet + busy if load.errors] == []
    assert rows("select count(*) from grants where sealed_by(refresh_token) <> 3") == [(0,)]
    for grant_id in live:
        assert vault.issue(grant_id).value
    rates = [median(load.rate for load in loads) for loads in (quiet, busy[:-1] or busy)]
    with capsys.disabled():
        _keep(rows=count, rounds=len(busy), issued_per_second=rates, kept=round(rates[1] / rates[0], 3), said=said)


ROUND_SECONDS = 2.0 if os.environ.get("FAULTS") == "long" else 0.5
"""The short form keeps figures of rounds that are too short to compare; what it asserts holds in them as well."""


def _pause(seconds: float) -> None:
    """Wait while the load is measured."""
    threading.Event().wait(seconds)


def _command(folder: Path, database_url: str) -> "subprocess.Popen[str]":
    """`vault-service keys rewrap`, as an operator runs it."""
    key = folder / "root.key"
    key.write_text(urlsafe_b64encode(ROOT_KEY).decode())
    key.chmod(0o400)
    environ = {
        "PATH": os.environ["PATH"],
        "VAULT_DATABASE_URL": database_url,
        "VAULT_ROOT_KEY_FILE": str(key),
        "VAULT_CLIENT_SECRET": "unused",
        "PUBLIC_URL": "http://localhost:3000",
        "ISSUER": ALICE.issuer,
    }
    command = [sys.executable, "-m", "vault_service.cli", "keys", "rewrap"]
    return subprocess.Popen(command, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class _load:  # noqa: N801 - a context manager
    """A caller for each grant who issues as fast as it can, and refreshes twice a second. rate: tokens a second."""

    def __init__(self, vault: Replica, grants: list[UUID]) -> None:
        self.errors: list[BaseException] = []
        self.rate = 0.0
        self._issued = 0
        self._vault, self._grants = vault, grants
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(len(grants))

    def __enter__(self) -> "_load":
        self._began = monotonic()
        for grant_id in self._grants:
            self._pool.submit(self._run, grant_id)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        self.rate = round(self._issued / (monotonic() - self._began), 1)

    def _run(self, grant_id: UUID) -> None:
        try:
            while not self._stop.is_set():
                self._vault.issue(grant_id)
                self._vault.issue(grant_id, min_valid=self._vault.provider.lifetime - 0.5)
                self._issued += 2
        except Exception as error:  # noqa: BLE001 - none is expected, and whatever comes is shown
            self.errors.append(error)


def _insert(owner_url: str, sealer: Sealer, count: int) -> None:
    """Insert active grants as the vault would write them."""
    columns = "id, issuer, subject, provider, token_type, status, scopes, services, generation, refresh_token"
    with (
        psycopg.connect(owner_url) as connection,
        connection.cursor().copy(f"copy grants ({columns}, consent_expires_at) from stdin") as rows,
    ):
        for number in range(count):
            grant_id, owner = uuid4(), Subject(ALICE.issuer, f"person-{number}")
            granted = ("default", "offline", ["task-service"], None, None, None, None, ["openid"], None, None, None)
            terms = terms_of(owner, granted).digest()
            sealed = sealer.seal(b"refresh", seal_context.grant_token(grant_id, owner, 1, terms))
            words = (owner.issuer, owner.sub, "default", "offline", "active")
            rows.write_row((grant_id, *words, ["openid"], ["task-service"], 1, sealed, "infinity"))


def _keep(**figures: object) -> None:
    sys.stdout.write(f"\nP10, rewrap under load: {figures}\n")
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / f"rewrap-{figures['rows']}.json").write_text(json.dumps(figures, indent=1))
