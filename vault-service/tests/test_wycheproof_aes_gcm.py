"""Wycheproof's vectors for AES-GCM (`vectors/README.md`), in the vault's form of a sealed value."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from vault_service.adapters.encryption import sealing
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.application.errors import SealBrokenError
from vault_service.domain.seal_context import SealContext

Test = dict[str, Any]
GROUPS = json.loads((Path(__file__).parent / "vectors" / "aes_gcm_test.json").read_text())["testGroups"]
PLACE = SealContext("table", "column", "row")
HEADER = b"\x01\x00\x01"
"""Version 1, key id 1."""


class FixedKey(Keyring):
    """A keyring of one key, without a database."""

    def __init__(self, key: bytes) -> None:
        self._keys = {("data", 1): key}
        self._active = {"data": 1}

    def load(self) -> None:
        """Nothing to load."""


def ours(group: Test) -> bool:
    """True for a group with the vault's parameters: 256-bit key, 96-bit nonce."""
    return (group["keySize"], group["ivSize"], group["tagSize"]) == (256, 96, 128)


def cases(*, of_ours: bool) -> list[Any]:
    """The tests of our parameters, or those of all others; named by number and comment."""
    chosen = [test for group in GROUPS if ours(group) == of_ours for test in group["tests"]]
    return [pytest.param(test, id=f"{test['tcId']}-{test['comment']}") for test in chosen]


def part(test: Test, name: str) -> bytes:
    """One field of a vector."""
    return bytes.fromhex(test[name])


def sealed(test: Test) -> bytes:
    """A vector in the form in which the vault would keep it."""
    return HEADER + part(test, "iv") + part(test, "ct") + part(test, "tag")


@pytest.fixture
def sealer(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Sealer:
    """A sealer with the key, the associated data and the next nonce of a vector."""
    test = request.node.callspec.params["test"]
    monkeypatch.setattr(sealing, "_associated_data", lambda *_: part(test, "aad"))
    monkeypatch.setattr(secrets, "token_bytes", lambda size: part(test, "iv")[:size])
    return Sealer(FixedKey(part(test, "key")))


@pytest.mark.parametrize("test", cases(of_ours=True))
def test_our_parameters(sealer: Sealer, test: Test) -> None:
    """Valid: what it seals is what the vector says, and opens. Invalid: does not open."""
    if test["result"] == "valid":
        assert sealer.seal(part(test, "msg"), PLACE) == sealed(test)
        assert sealer.open(sealed(test), PLACE) == part(test, "msg")
    else:
        with pytest.raises(SealBrokenError):
            sealer.open(sealed(test), PLACE)


@pytest.mark.parametrize("test", cases(of_ours=False))
def test_other_parameters(sealer: Sealer, test: Test) -> None:
    """Shorter keys are no keys, and the form has room for a nonce of 96 bits only: nothing opens, valid or not."""
    with pytest.raises(SealBrokenError):
        sealer.open(sealed(test), PLACE)
