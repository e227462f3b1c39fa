"""Removes old lines of the audit lawfully: the lines of whole checkpoints, with a signed note of it.

Partitions that hold no other lines are dropped. Lines of other partitions are deleted.
"""

from datetime import datetime
from typing import NamedTuple

import psycopg

from service_kit.postgres import queries
from vault_service.adapters.audit.checkpoints import last_checkpoint
from vault_service.adapters.audit.partitions import drop_before
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.domain.checkpoints import Pruning

_QUERIES = queries.load(__package__, "pruning.sql")


class Pruned(NamedTuple):
    """The result of a pruning: removed lines, the checkpoints that covered them, and dropped partitions."""

    checkpoints: int
    lines: int
    partitions: int = 0


def prune(connection: psycopg.Connection, keyring: Keyring, before: datetime, now: datetime) -> Pruned:
    """Remove the lines of all checkpoints that are older than `before`.

    The checkpoints stay, and so do the lines of the last one: the chain continues from them. connection: as the owner
    of the schema; the vault's own role may not delete lines.
    """
    with connection.transaction():
        done = connection.execute(_QUERIES["last_pruning"]).fetchone()
        last, _ = last_checkpoint(connection, keyring)
        where = {"before": before, "after": done[0] if done else 0, "last": last.number}
        prunable = connection.execute(_QUERIES["prunable"], where).fetchall()
        if not prunable:
            return Pruned(0, 0)
        dropped = drop_before(connection, prunable[-1][0])
        for _, ids, _ in prunable:
            connection.execute(_QUERIES["remove_lines"], {"ids": ids})
        key_id, key = keyring.active("audit")
        note = Pruning(prunable[-1][0], now, key_id).signed(key)
        row = {"through": note.through, "pruned_at": now, "key_id": key_id, "mac": note.mac}
        connection.execute(_QUERIES["add_pruning"], row)
        return Pruned(len(prunable), sum(lines for *_, lines in prunable), dropped)
