"""A secret shows its value only when it is asked for by name."""

import dataclasses
import json
from dataclasses import dataclass

import msgspec
import pytest

from service_kit.process.secret import Secret

SECRET = Secret("hunter2")


@dataclass
class Holder:
    """Something with a secret inside."""

    secret: Secret


def test_it_is_revealed_on_demand() -> None:
    """And only so."""
    assert SECRET.reveal() == "hunter2"


def test_it_prints_as_stars() -> None:
    """In every way of printing, inside other things too."""
    shown = [str(SECRET), repr(SECRET), f"{SECRET}", f"{SECRET!r}", "%s" % SECRET, "{}".format(SECRET)]  # noqa: UP031, UP032
    shown += [repr([SECRET]), repr({"a": SECRET}), repr(Holder(SECRET)), str(ValueError(SECRET)), ascii(SECRET)]
    assert "hunter2" not in "".join(shown)
    assert all("***" in text for text in shown)


def test_encoders_do_not_look_inside() -> None:
    """A dataclass would be taken apart."""
    assert msgspec.json.encode({"a": SECRET}, enc_hook=str) == b'{"a":"***"}'
    assert json.dumps({"a": SECRET}, default=str) == '{"a": "***"}'
    assert "hunter2" not in repr(dataclasses.asdict(Holder(SECRET)))
    with pytest.raises(TypeError):
        msgspec.json.encode(SECRET)
    with pytest.raises(TypeError):
        vars(SECRET)


def test_equal_secrets_are_equal() -> None:
    """To secrets; never to their text."""
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("é") == Secret("é")
    assert Secret("a") != "a"
