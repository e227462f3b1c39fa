"""The hot statement beside an audit that grows: `python -m bench.audit`, some minutes and 5 GB of disk.

The lines are synthetic: made by the database, under MACs that are random. The statement is the vault's own, run as the
vault runs it, for 8 uses at a time. PostgreSQL does not wait for the disk (`fsync=off`), so that the figures show what
the size of the tables costs.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg import sql
from stack import free_port

from local_stack import postgres
from service_kit.postgres import queries
from service_kit.postgres.database import BY_INDEX, session
from vault_service.adapters.audit.partitions import extend, partitions
from vault_service.adapters.postgres.database import MIGRATIONS

SIZES = (100_000, 1_000_000, 10_000_000)
GRANTS = 1_000
BATCH = 8
STEP = 500_000
WARM_UP = 200
"""Runs that are not measured."""
PASSWORDS = dict.fromkeys(("vault", "vault_owner", "tasks", "tasks_owner"), "bench")

_GRANTS = b"""
insert into grants (id, issuer, subject, provider, token_type, status, scopes, services, refresh_token,
                    consent_expires_at)
select gen_random_uuid(), 'https://issuer.example', 'person-' || number, 'default', 'offline', 'active', '{openid}',
       '{task-service}', '\\x00', now()
from generate_series(1, %s) number
returning id, subject
"""
_LINES = b"""
insert into audit (at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac)
select now(), 'token.issued', (%s::uuid[])[1 + floor(random() * %s)], 'https://issuer.example', 'person',
       'task-service', gen_random_uuid()::text, 'ok', 2, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
from generate_series(1, %s)
"""


def main() -> None:
    """Grow the audit and measure; the figures are printed as JSON."""
    parser = argparse.ArgumentParser(prog="bench.audit", description=__doc__)
    parser.add_argument("--runs", type=int, default=400, help="of the statement at each size (default: %(default)s)")
    parser.add_argument("--most", type=int, default=SIZES[-1], help="lines (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-audit-") as folder:
        Path(folder).chmod(0o755)
        with postgres.running(Path(folder) / "postgres", free_port(), "fsync=off", "max_wal_size=4GB") as server:
            postgres.create_databases(server.url, PASSWORDS)
            host = server.url.rpartition("@")[2].partition("/")[0]
            MIGRATIONS.apply(f"postgresql://vault_owner:bench@{host}/vault")
            with psycopg.connect(server.url, autocommit=True) as superuser:
                figures = _measure(superuser, host, [size for size in SIZES if size <= options.most], options.runs)
    print(json.dumps(figures, indent=1))


def _measure(superuser: psycopg.Connection, host: str, sizes: Sequence[int], runs: int) -> list[dict[str, float]]:
    owner = psycopg.connect(f"postgresql://vault_owner:bench@{host}/vault", autocommit=True)
    vault = psycopg.connect(f"postgresql://vault:bench@{host}/vault", **session("bench", BY_INDEX))
    with owner, vault:
        grants = owner.execute(_GRANTS, [GRANTS]).fetchall()
        statement = queries.load("vault_service.adapters.grants", "uses.sql")["issue_many"]
        vault.pgconn.prepare(b"hot", statement)
        figures, there = [], 0
        for size in sizes:
            _grow(owner, [grant for grant, _ in grants], size - there)
            there = size
            owner.execute("vacuum analyze audit")
            superuser.execute("checkpoint")  # else the uses write out the pages of the lines that were just added
            for run in range(WARM_UP):
                _use(vault, grants, run)
            before = _processor_seconds(vault)
            seconds = [_use(vault, grants, WARM_UP + run) for run in range(runs)]
            spent = _processor_seconds(vault) - before
            there += (WARM_UP + runs) * BATCH
            figures.append(
                {
                    "lines": size,
                    "partitions": len(partitions(owner)),
                    "processor_us_of_a_use": round(1e6 * spent / runs / BATCH, 1),
                    "p50_us_of_a_use": round(1e6 * statistics.median(seconds) / BATCH, 1),
                    **_explained(vault, grants),
                    "p90_us_of_a_use": round(1e6 * statistics.quantiles(seconds, n=10)[-1] / BATCH, 1),
                }
            )
    return figures


def _explained(vault: psycopg.Connection, grants: Sequence[tuple[UUID, str]]) -> dict[str, float]:
    """Of one run of the statement: the time of its planning, and the pages of 8 KiB that it touches and reads."""
    literal = sql.Literal(_batch(grants, 0).decode())
    explain = sql.SQL("explain (analyze, buffers, format json) execute hot({})").format(literal)
    row = vault.execute(explain).fetchone()
    document = row[0][0] if row else {}
    plan = document["Plan"]
    return {
        "planning_us": round(1e3 * document["Planning Time"], 1),
        "pages": plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        "pages_read": plan["Shared Read Blocks"],
    }


def _processor_seconds(vault: psycopg.Connection) -> float:
    """Processor time of the connection's backend; other load on the machine hardly affects it."""
    return int(Path(f"/proc/{vault.info.backend_pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


def _grow(owner: psycopg.Connection, grants: Sequence[UUID], lines: int) -> None:
    """Add synthetic lines, with partitions ahead of them, as the daily command makes them."""
    for start in range(0, lines, STEP):
        with owner.transaction():
            extend(owner)
        owner.execute(_LINES, [list(grants), len(grants), min(STEP, lines - start)])


def _use(vault: psycopg.Connection, grants: Sequence[tuple[UUID, str]], run: int) -> float:
    """Record uses of `BATCH` grants; the seconds that it took."""
    batch = _batch(grants, run)
    started = time.perf_counter()
    result = vault.pgconn.exec_prepared(b"hot", [batch], None, 1)
    took = time.perf_counter() - started
    if result.ntuples != BATCH:
        raise RuntimeError(f"{result.ntuples} of {BATCH} uses were recorded: {result.error_message!r}")
    return took


def _batch(grants: Sequence[tuple[UUID, str]], run: int) -> bytes:
    """The statement's parameter: uses of `BATCH` grants."""
    uses = [
        {
            "at": datetime.now(UTC).isoformat(),
            "grant_id": str(grant),
            "issuer": "https://issuer.example",
            "subject": subject,
            "actor": "task-service",
            "request_id": f"run-{run}",
            "key_id": 2,
            "mac": f"{run * BATCH + place:064x}",
            "is_owner": False,
        }
        for place, (grant, subject) in enumerate(grants[(run * BATCH) % GRANTS :][:BATCH])
    ]
    return json.dumps(uses).encode()


if __name__ == "__main__":
    main()
