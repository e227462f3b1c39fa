"""Recording uses: the hot path's one statement, which checks the grants and writes the audit's lines.

Uses that come at the same time go into one statement and one commit. A grant whose uses are limited is counted by a
statement of its own, so that parallel callers cannot exceed the limit.
"""

from collections.abc import Sequence
from typing import Any

import psycopg

from vault_service.adapters import queries
from vault_service.adapters.audit import AuditLog
from vault_service.adapters.database import Database
from vault_service.adapters.group_commit import GroupCommit
from vault_service.application.ports import Requester
from vault_service.domain.audit import Entry

_QUERIES = queries.load("uses.sql")
_COLUMNS = ("at", "grant_id", "issuer", "subject", "actor", "request_id", "key_id", "mac", "is_owner")

Use = dict[str, Any]


class Uses:
    """Records uses of grants, durably, before a token leaves."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        """database: a connection of its own keeps its statements prepared."""
        self._database = database
        self._audit = audit
        self._group: GroupCommit[Use, bool] = GroupCommit(self._write)

    def record(self, requester: Requester, entry: Entry) -> bool:
        """Whether the grant may be used by that requester now; then the use is written down and counted.

        entry: its actor is the requester's client. Raises StorageUnavailableError: nothing may leave then.
        """
        use = {**self._audit.row(entry), "is_owner": requester.is_owner}
        return self._group.submit(use) or self._one(use)

    def _write(self, uses: Sequence[Use]) -> list[bool]:
        """Which of the uses were recorded; those of limited grants never are."""
        if len(uses) == 1:
            return [self._one(uses[0])]
        columns = {name: [use[name] for use in uses] for name in _COLUMNS}
        try:
            written = {bytes(mac) for (mac,) in self._database.all(_QUERIES["issue_many"], columns)}
        except psycopg.Error:  # what is wrong with one of them must not be held against the others
            return [False] * len(uses)
        return [use["mac"] in written for use in uses]

    def _one(self, use: Use) -> bool:
        return self._database.one(_QUERIES["issue"], use) is not None
