"""The list of an owner's tasks in PostgreSQL: `application.ports.TaskListStore`."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from task_service.adapters.postgres.locks import owned
from task_service.adapters.postgres.tasks import tasks_by_id
from task_service.domain.listing import LAST_RUNS, MOST_COUNTED, Position, Sort, Standing, TaskQuery
from task_service.domain.owner import Owner
from task_service.domain.status import TaskStatus
from task_service.domain.task import Task

_SQL = queries.load(__package__, "listing.sql")
_DESCENDING = frozenset({Sort.NEWEST, Sort.NAME_DESCENDING})


def _ordered(name: str, sort: Sort) -> bytes:
    """A query of the file in one order."""
    descending = sort in _DESCENDING
    words = {
        "{key}": "lower(t.name)" if sort.by_name else "t.created_at",
        "{type}": "text" if sort.by_name else "timestamptz",
        "{beyond}": "<" if descending else ">",
        "{direction}": "desc" if descending else "asc",
    }
    text = _SQL[name].decode()
    for marker, word in words.items():
        text = text.replace(marker, word)
    return text.encode()


_PAGE = {sort: _ordered("page", sort) for sort in Sort}
_COUNT_AFTER = {sort: _ordered("count_after", sort) for sort in Sort}
_PAGE_OF_STATES = {sort: _ordered("page_of_states", sort) for sort in Sort if not sort.by_name}


class PostgresTaskList:
    """Pages by keyset: each begins after the last task of the page before it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, owner: Owner, query: TaskQuery, limit: int, after: Position | None
    ) -> tuple[Sequence[Task], Position | None]:
        """The tasks of one page in order, and the position at its end unless it is the last one."""
        values = {
            **owned(owner),
            "kind": query.kind,
            "persistent_token_id": query.persistent_token_id,
            "search": query.search,
            "schedule": query.schedule,
            "needs_consent": query.needs_consent,
            "statuses": sorted(query.states) or None,
            "after": after.key if after else None,
            "after_id": after.task_id if after else None,
            "limit": limit + 1,
        }
        statement = (_PAGE_OF_STATES if query.of_states_only else _PAGE)[query.sort]
        with self._database.connection() as connection:
            rows = connection.execute(statement, values, prepare=False).fetchall()
            shown = rows[:limit]
            tasks = tasks_by_id(connection, owner, [task_id for task_id, _ in shown])
        following = Position(str(shown[-1][1]), shown[-1][0]) if len(rows) > limit else None
        return [tasks[task_id] for task_id, _ in shown if task_id in tasks], following

    def last_runs(self, tasks: Sequence[Task]) -> Mapping[UUID, Sequence[TaskStatus]]:
        """The states of each task's last runs; the table of runs is read for tasks with more than one only."""
        known = {task.id: [task.status] for task in tasks if task.latest_run.number == 1}
        ids = [task.id for task in tasks if task.latest_run.number > 1]
        rows = self._database.all(_SQL["last_runs"], {"ids": ids, "most": LAST_RUNS}) if ids else []
        return known | {task_id: [TaskStatus(state) for state in states] for task_id, states in rows}

    def count_after(self, owner: Owner, sort: Sort, after: Position) -> int:
        """The number of the owner's tasks after a position."""
        row = self._database.one(_COUNT_AFTER[sort], {**owned(owner), "after": after.key, "after_id": after.task_id})
        return int(row[0]) if row else 0

    def counts(self, owner: Owner) -> Mapping[TaskStatus, int]:
        """The number of the owner's tasks in each state."""
        row = self._database.one(_SQL["counts"], owned(owner))
        total, waiting, at_work, running, completed, failed, cancelled = map(int, row or (0,) * 7)
        return {
            TaskStatus.PENDING: total - waiting - at_work - completed - failed - cancelled,
            TaskStatus.WAITING: waiting,
            TaskStatus.QUEUED: at_work - running,
            TaskStatus.RUNNING: running,
            TaskStatus.COMPLETED: completed,
            TaskStatus.FAILED: failed,
            TaskStatus.CANCELLED: cancelled,
        }

    def standing(self, owner: Owner) -> Standing:
        """The number of the owner's tasks that need consent, and of those whose schedule has not ended."""
        row = self._database.one(_SQL["standing"], {**owned(owner), "most": MOST_COUNTED})
        return Standing(*map(int, row or (0, 0)))

    def list_version(self, owner: Owner) -> str:
        """The owner's version, and a digest of the progress of what runs."""
        version, running = self._database.one(_SQL["list_version"], owned(owner)) or (0, "")
        return f"{version}-{running}"
