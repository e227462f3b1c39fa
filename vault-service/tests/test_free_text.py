"""Text that people write, in every operation of the vault: `service_kit.http.text` holds for it."""

from typing import cast

from free_text import marked, unmarked

from vault_service.http.routes import create_api
from vault_service.http.vault import Vault

WORDS_OF_PROGRAMS = {
    "subject": "a `sub`, compared with a token's",
    "taskId": "opaque, given back as it came",
    "taskIds": "the same",
    "provider": "compared with configured names",
    "services": "client ids",
    "returnTo": "a listed address",
    "secret": "compared with a hash",
    "token": "a ticket",
    "logout_token": "a JWT",
    "refresh_token": "a ticket",
    "grant_type": "a word of RFC 6749",
    "after": "an answer's own text",
    "id": "a persistent token id",
}
"""Members that accept any words, and why they are not a person's text."""


def test_every_free_text_is_marked_or_is_a_programs_word() -> None:
    """A new member is in neither list, and this test fails until it is put into one."""
    assert unmarked(create_api(cast(Vault, object()))) <= WORDS_OF_PROGRAMS.keys()


def test_names_of_people_are_marked() -> None:
    """Of tokens and of tickets."""
    assert marked(create_api(cast(Vault, object()))) >= {"name"}
