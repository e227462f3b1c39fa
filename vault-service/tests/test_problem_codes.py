"""The vault's problem codes: written once, declared where they can come."""

from typing import cast

from code_words import KIT_TYPES, declared_codes, documented_codes, table_types, written

import service_kit
import vault_service
from service_kit.http import problems
from vault_service.application import errors
from vault_service.domain.grant import Failure
from vault_service.http.problems import TABLE, UNUSABLE
from vault_service.http.routes import create_api
from vault_service.http.vault import Vault

AGAIN = {
    "provider_unavailable": "vault_service/application/errors.py",  # may not import the kit, which has it too
    "consent_expired": "vault_service/adapters/grants/owned_grants.sql",  # SQL can import nothing
}
"""A code's second place, and why there is one."""
THEIR_WORDS = "vault_service/adapters/provider/refusals.py"
"""Error words of authorization servers, some of which are spelled like our codes."""


def test_a_code_is_written_in_one_place() -> None:
    """In the kit, the domain, the application or the problem table; all others import it."""
    codes = {kind.code for kind in KIT_TYPES | table_types(TABLE)} | {errors.CONSENT_INVALID}
    places = written(codes, service_kit, vault_service)
    twice = {
        code: files
        for code, files in places.items()
        if len([f for f in files if f not in (AGAIN.get(code), THEIR_WORDS)]) != 1
    }
    assert twice == {}


def test_the_application_says_provider_unavailable_as_the_kit_does() -> None:
    """One word for one thing, although neither can import the other's."""
    assert problems.PROVIDER_UNAVAILABLE.code == errors.PROVIDER_UNAVAILABLE


def test_every_failure_of_a_grant_has_a_problem_type() -> None:
    """The failure's word is the code."""
    assert {reason: kind.code for reason, kind in UNUSABLE.items()} == {reason: reason.value for reason in Failure}


def test_operations_declare_codes_of_the_table_and_the_kit_and_the_table_has_no_others() -> None:
    """Declaring routes needs no wired vault."""
    declared = declared_codes(create_api(cast(Vault, object())))
    of_table = {kind.code for kind in table_types(TABLE)}
    assert declared <= of_table | {kind.code for kind in KIT_TYPES}
    assert of_table <= declared


def test_the_api_s_page_explains_every_code() -> None:
    """In its section "Codes"."""
    assert declared_codes(create_api(cast(Vault, object()))) <= documented_codes()
