"""Sealing: a value that was moved, swapped or changed does not open, and the wrong root key opens nothing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replica import ROOT_KEY

from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.root_key import LocalRootKey, WrongRootKeyError
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.postgres.database import vault_database
from vault_service.application.errors import SealBrokenError
from vault_service.domain.framing import joined
from vault_service.domain.grant import AccessToken, RefreshToken, Subject
from vault_service.domain.seal_context import SealContext

PLACE = SealContext("grants", "refresh_token", "row-1", Subject("https://issuer", "alice"), 7)


class OneKey(Keyring):
    """A keyring without a database."""

    def __init__(self, keys: dict[int, bytes] | None = None) -> None:
        self._keys = {("data", key_id): key for key_id, key in (keys or {1: bytes(32)}).items()}
        self._active = {"data": 1, "audit": 1}

    def load(self) -> None:
        """Nothing to load."""


@given(st.binary(max_size=2000))
def test_a_sealed_value_opens_in_its_context(plaintext: bytes) -> None:
    """The plaintext is not in the sealed value."""
    sealer = Sealer(OneKey())
    sealed = sealer.seal(plaintext, PLACE)
    assert sealer.open(sealed, PLACE) == plaintext
    assert len(plaintext) < 4 or plaintext not in sealed


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, row="row-2"),
        replace(PLACE, table="revocations"),
        replace(PLACE, column="secrets"),
        replace(PLACE, generation=8),
        replace(PLACE, owner=Subject("https://issuer", "bob")),
        replace(PLACE, owner=Subject("https://other", "alice")),
        replace(PLACE, table="grant", column="srefresh_token"),
    ],
)
def test_a_sealed_value_opens_in_no_similar_context(elsewhere: SealContext) -> None:
    """Another row, owner or generation has another context."""
    sealer = Sealer(OneKey())
    with pytest.raises(SealBrokenError):
        sealer.open(sealer.seal(b"secret", PLACE), elsewhere)


def test_a_value_that_does_not_open_is_an_error_that_says_where_and_what_to_do() -> None:
    """The log of the 500 that it becomes shows this text; its caller sees nothing of it."""
    sealer = Sealer(OneKey())
    with pytest.raises(SealBrokenError) as broken:
        sealer.open(sealer.seal(b"secret", PLACE), replace(PLACE, row="another"))
    for words in ("grants.refresh_token of another", "Restore the row from a backup", "grants revoke --id"):
        assert words in str(broken.value)


places = st.builds(
    SealContext,
    table=st.sampled_from(["grants", "revocations", "consent_requests", "memory"]),
    column=st.sampled_from(["refresh_token", "secrets", "access_token"]),
    row=st.uuids().map(str),
    owner=st.builds(
        Subject, st.sampled_from(["https://issuer", "https://other"]), st.text(st.characters(codec="utf-8"))
    ),
    generation=st.integers(0, 2**62),
)


@given(places, places, st.binary(max_size=300))
def test_a_sealed_value_opens_in_no_other_context(here: SealContext, there: SealContext, plaintext: bytes) -> None:
    """Any two different contexts."""
    sealer = Sealer(OneKey())
    sealed = sealer.seal(plaintext, here)
    assert sealer.open(sealed, here) == plaintext
    if here != there:
        with pytest.raises(SealBrokenError):
            sealer.open(sealed, there)


@given(st.binary(max_size=300), st.integers(min_value=0), st.integers(1, 255), st.binary(min_size=1, max_size=40))
def test_a_changed_value_does_not_open(plaintext: bytes, position: int, mask: int, more: bytes) -> None:
    """Any byte changed, cut off anywhere, or anything appended."""
    sealer = Sealer(OneKey())
    sealed = sealer.seal(plaintext, PLACE)
    at = position % len(sealed)
    for changed in (sealed[:at] + bytes([sealed[at] ^ mask]) + sealed[at + 1 :], sealed[:at], sealed + more):
        with pytest.raises(SealBrokenError):
            sealer.open(changed, PLACE)


@given(st.integers(0, 65535).filter(lambda key_id: key_id != 1))
def test_a_sealed_value_does_not_open_under_another_key_id(key_id: int) -> None:
    """The rule holds if the key exists or not, and even if its bytes are equal."""
    keyring = OneKey()
    sealed = Sealer(keyring).seal(b"secret", PLACE)
    renamed = sealed[:1] + key_id.to_bytes(2, "big") + sealed[3:]
    with pytest.raises(SealBrokenError):
        Sealer(keyring).open(renamed, PLACE)
    with pytest.raises(SealBrokenError):
        Sealer(OneKey({1: bytes(32), key_id: bytes(32)})).open(renamed, PLACE)


def test_no_single_bit_may_change() -> None:
    """Header, nonce, ciphertext and tag: 100 % refused."""
    sealer = Sealer(OneKey())
    sealed = sealer.seal(b"secret", PLACE)
    for position in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(SealBrokenError):
            sealer.open(bytes(flipped), PLACE)


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + bytes(40), b"\x01" + bytes(13)])
def test_garbage_does_not_open(sealed: bytes) -> None:
    """Values that are too short or of another version."""
    with pytest.raises(SealBrokenError):
        Sealer(OneKey()).open(sealed, PLACE)


def test_the_wrong_root_key_opens_nothing(database_url: str) -> None:
    """A service with it refuses to start."""
    database = vault_database(database_url, name="test", size=2)
    try:
        first = Keyring(database, LocalRootKey(ROOT_KEY))
        first.load()
        again = Keyring(database, LocalRootKey(ROOT_KEY))
        assert again.active("data") == first.active("data")
        with pytest.raises(WrongRootKeyError):
            Keyring(database, LocalRootKey(bytes(32))).load()
    finally:
        database.close()


@given(st.lists(st.text()), st.lists(st.text()))
def test_joined_parts_cannot_be_confused(first: list[str], second: list[str]) -> None:
    """Different lists give different bytes."""
    surrogates = any("\ud800" <= c <= "\udfff" for part in first + second for c in part)
    if not surrogates:
        assert (joined(*first) == joined(*second)) == (first == second)


def test_tokens_do_not_print() -> None:
    """By repr, str and format."""
    for token in (RefreshToken("secret"), AccessToken("secret", 0.0, 1.0, frozenset())):
        assert "secret" not in f"{token} {token!r} {token!s}"
