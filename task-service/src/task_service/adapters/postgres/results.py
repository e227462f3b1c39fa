"""Which results are files: `application.ports.ResultFileStore`."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from task_service.adapters.postgres.locks import owned
from task_service.domain.owner import Owner
from task_service.domain.result import Document, ResultFile

_SQL = queries.load(__package__, "results.sql")


class PostgresResultFiles:
    """Rows of `result_files`. `PostgresAttempts.complete` attaches one to its run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def announce(self, document: Document) -> ResultFile:
        """Note a file that is about to be stored."""
        file = ResultFile(uuid4(), document.media_type, document.name, len(document.content))
        values = {"key": file.key, "media_type": file.media_type, "name": file.name, "size": file.size}
        self._database.one(_SQL["announce"], values)
        return file

    def find(self, task_id: UUID, owner: Owner, number: int) -> ResultFile | None:
        """The file of a run of that owner."""
        row = self._database.one(_SQL["find"], {"task_id": task_id, "number": number, **owned(owner)})
        return ResultFile(*row) if row else None

    def without_run(self, seconds: float, at_most: int) -> Sequence[UUID]:
        """Files that belong to no run, announced so many seconds ago."""
        return [row[0] for row in self._database.all(_SQL["without_run"], {"seconds": seconds, "at_most": at_most})]

    def forget(self, key: UUID) -> None:
        """Remove the row of a file that belongs to no run."""
        self._database.one(_SQL["forget"], {"key": key})
