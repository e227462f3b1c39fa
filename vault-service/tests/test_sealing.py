"""Sealing at rest: what was moved, swapped or changed does not open, and the wrong root key opens nothing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replica import ROOT_KEY

from vault_service.adapters.database import Database
from vault_service.adapters.framing import joined
from vault_service.adapters.keyring import Keyring
from vault_service.adapters.root_key import LocalRootKey, WrongRootKeyError
from vault_service.adapters.sealing import Place, Sealer
from vault_service.application.errors import SealBrokenError
from vault_service.domain.grant import AccessToken, RefreshToken, Subject

PLACE = Place("grants", "refresh_token", "row-1", Subject("https://issuer", "alice"), 7)


class OneKey(Keyring):
    """A key ring without a database."""

    def __init__(self) -> None:
        self._keys = {1: bytes(32)}
        self._active = {"data": 1, "audit": 1}

    def load(self) -> None:
        """There is nothing to load."""


@given(st.binary(max_size=2000))
def test_what_is_sealed_opens_in_its_place(plaintext: bytes) -> None:
    """And does not show."""
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
def test_elsewhere_it_does_not_open(elsewhere: Place) -> None:
    """A swapped row, another owner, an older generation."""
    sealer = Sealer(OneKey())
    with pytest.raises(SealBrokenError):
        sealer.open(sealer.seal(b"secret", PLACE), elsewhere)


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
    """Too short, or of another version."""
    with pytest.raises(SealBrokenError):
        Sealer(OneKey()).open(sealed, PLACE)


def test_the_wrong_root_key_opens_nothing(database_url: str) -> None:
    """The canary: a service with it refuses to start."""
    database = Database(database_url, name="test", size=2)
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
    """Neither by repr nor by str nor in a format."""
    for token in (RefreshToken("secret"), AccessToken("secret", 0.0, 1.0, frozenset())):
        assert "secret" not in f"{token} {token!r} {token!s}"
