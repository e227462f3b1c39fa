"""Task ids and run numbers in a path."""

import re
from typing import Annotated
from uuid import UUID

import msgspec

from task_service.application.errors import RunNotFoundError, TaskNotFoundError
from task_service.domain.dependencies import MAX_DEPENDENCIES
from task_service.domain.task import parse_id

TaskIds = Annotated[list[Annotated[str, msgspec.Meta(max_length=100)]], msgspec.Meta(max_length=MAX_DEPENDENCIES)]
"""Ids of tasks in a body."""


def task_id_in(text: str) -> UUID:
    """The UUID in a public id. Raises TaskNotFoundError for text of any other form."""
    task_id = parse_id(text)
    if task_id is None:
        raise TaskNotFoundError
    return task_id


def run_number_in(text: str) -> int:
    """The number of a run, in its one spelling. Raises RunNotFoundError for text of any other form."""
    if re.fullmatch("[1-9][0-9]{0,8}", text) is None:
        raise RunNotFoundError
    return int(text)
