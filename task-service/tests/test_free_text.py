"""Text that people write, in every operation of the task service: `service_kit.http.text` holds for it."""

from typing import cast

from free_text import marked, unmarked

from task_service.http.routes import create_api
from task_service.http.service import TaskService

WORDS_OF_PROGRAMS = {
    "cursor": "an answer's own text",
    "kind": "compared with the names of kinds",
    "cron": "parsed",
    "timezone": "compared with known names",
    "ids": "tasks' ids",
    "dependsOn": "tasks' ids",
}
"""Members that accept any words, and why they are not a person's text."""


def test_every_free_text_is_marked_or_is_a_programs_word() -> None:
    """A new member is in neither list, and this test fails until it is put into one."""
    assert unmarked(create_api(cast(TaskService, object()))) <= WORDS_OF_PROGRAMS.keys()


def test_what_people_write_is_marked() -> None:
    """Names, descriptions, reasons, and what they search for."""
    assert marked(create_api(cast(TaskService, object()))) >= {"name", "description", "reason", "search"}
