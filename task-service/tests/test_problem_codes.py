"""The task service's problem codes: written once, declared where they can come."""

from typing import cast

from code_words import KIT_TYPES, declared_codes, documented_codes, table_types, written

import service_kit
from service_kit.http.problems import INTERNAL_ERROR
from task_service import adapters, http
from task_service.http.problems import TABLE
from task_service.http.routes import create_api
from task_service.http.service import TaskService

OF_THE_VAULT = {"provider_unavailable", "dpop_required"}
"""The vault's client has errors with the vault's codes; adapters make one and look for another."""


def test_a_code_is_written_in_one_place() -> None:
    """In the kit or in the problem table; all others import it."""
    places = written({kind.code for kind in KIT_TYPES | table_types(TABLE)}, service_kit, http, adapters)
    twice = {code: files for code, files in places.items() if code not in OF_THE_VAULT and len(files) != 1}
    assert twice == {}


def test_operations_declare_codes_of_the_table_and_the_kit_and_the_table_has_no_others() -> None:
    """Declaring routes needs no wired service; a fault of the service itself is not declared."""
    declared = declared_codes(create_api(cast(TaskService, object())))
    of_table = {kind.code for kind in table_types(TABLE)}
    assert declared <= (of_table | {kind.code for kind in KIT_TYPES}) - {INTERNAL_ERROR.code}
    assert of_table <= declared


def test_the_api_s_page_explains_every_code() -> None:
    """In its section "Codes"."""
    assert declared_codes(create_api(cast(TaskService, object()))) <= documented_codes()
