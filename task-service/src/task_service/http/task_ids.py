"""Task ids in a path."""

from uuid import UUID

from task_service.application.errors import TaskNotFoundError
from task_service.domain.task import parse_id


def task_id_in(text: str) -> UUID:
    """The UUID in a public id. Raises TaskNotFoundError for text of any other form."""
    task_id = parse_id(text)
    if task_id is None:
        raise TaskNotFoundError
    return task_id
