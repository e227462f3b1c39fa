"""Memory and time of `audit verify` beside an audit that grows: `python -m bench.verify`, minutes and 1 GB of disk.

The lines are made here, each with its MAC and its place, and covered by checkpoints as the vault makes them. The
command is the operator's own, in a process of its own, whose largest resident size the kernel tells.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from uuid import uuid4

import psycopg
from stack import free_port

from bench.audit import PASSWORDS
from local_stack import postgres
from service_kit.postgres.clock import DatabaseClock
from service_kit.postgres.database import Database
from vault_service.adapters.audit.checkpoints import CheckpointWriter
from vault_service.adapters.audit.partitions import extend
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.root_key import LocalRootKey
from vault_service.adapters.postgres.database import MIGRATIONS, vault_database
from vault_service.domain.audit import AuditPlace, Entry, Event, mac
from vault_service.domain.grant import Subject

SIZES = (100_000, 1_000_000)
STEP = 50_000
GRANTS = 1_000
ROOT_KEY = bytes(range(32))
COLUMNS = (
    *("at", "event", "grant_id", "issuer", "subject", "actor", "request_id", "outcome"),
    *("writer_id", "writer_seq", "writer_mark", "key_id", "mac"),
)


def main() -> None:
    """Grow the audit and verify it at each size; the figures are printed as JSON."""
    parser = argparse.ArgumentParser(prog="bench.verify", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="lines (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-verify-") as text:
        folder = Path(text)
        folder.chmod(0o755)
        with postgres.running(folder / "postgres", free_port(), "fsync=off", "max_wal_size=4GB") as server:
            postgres.create_databases(server.url, PASSWORDS)
            host = server.url.rpartition("@")[2].partition("/")[0]
            owner_url = f"postgresql://vault_owner:bench@{host}/vault"
            MIGRATIONS.apply(owner_url)
            database = vault_database(f"postgresql://vault:bench@{host}/vault", name="bench", size=2)
            figures, there = [], 0
            for size in sorted(options.sizes):
                _grow(owner_url, database, size - there)
                there = size
                figures.append(_verified(folder, f"postgresql://vault:bench@{host}/vault"))
            database.close()
    print(json.dumps(figures, indent=1))


def _grow(owner_url: str, database: Database, lines: int) -> None:
    """Add lines as the vault would write them, and cover them by checkpoints."""
    keyring = Keyring(database, LocalRootKey(ROOT_KEY))
    copied = f"copy audit ({', '.join(COLUMNS)}) from stdin".encode()
    made = _lines(*keyring.active("audit"))
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for start in range(0, lines, STEP):
            with connection.transaction():
                extend(connection)
            with connection.cursor() as cursor, cursor.copy(copied) as copy:
                copy.write("".join(islice(made, min(STEP, lines - start))))
            writer = CheckpointWriter(database, keyring, DatabaseClock(database))
            while writer.write_next(wait=True) is not None:
                pass


def _lines(key_id: int, key: bytes) -> Iterator[str]:
    """The rows of one process's lines for COPY, each in its place and with its MAC."""
    owner, writer, at = Subject("https://issuer.example", "person"), uuid4(), datetime.now(UTC)
    grants = [uuid4() for _ in range(GRANTS)]
    for number, grant in enumerate(cycle(grants), 1):
        place = AuditPlace(writer, number, number - 1)
        entry = Entry(Event.TOKEN_ISSUED, grant, owner, "task-service", f"request-{number}", at)
        shown = mac(key, entry, place).hex()
        yield (
            f"{at.isoformat()}\t{entry.event.value}\t{grant}\t{owner.issuer}\t{owner.sub}\t{entry.actor}"
            f"\t{entry.request_id}\t{entry.outcome}\t{writer}\t{number}\t{number - 1}\t{key_id}\t\\\\x{shown}\n"
        )


def _verified(folder: Path, url: str) -> dict[str, object]:
    """Run `vault-service audit verify`; what it says, its largest resident size, and its time."""
    key = folder / "root.key"
    if not key.exists():
        key.write_text(base64.b64encode(ROOT_KEY).decode())
        key.chmod(0o400)
    settings = {
        "PATH": os.environ["PATH"],
        "VAULT_DATABASE_URL": url,
        "VAULT_ROOT_KEY_FILE": str(key),
        "VAULT_CLIENT_SECRET": "bench",
        "PUBLIC_URL": "http://localhost:3000",
        "ISSUER": "https://issuer.example",
    }
    command = [str(Path(sys.executable).parent / "vault-service"), "audit", "verify"]
    began = time.monotonic()
    with subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(said)
    return {
        "said": said.splitlines()[0],
        "largest_resident_mb": round(used.ru_maxrss / 1024, 1),
        "seconds": round(time.monotonic() - began, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
    }


if __name__ == "__main__":
    main()
