"""A string that must not be printed: its `repr`, `str` and format are `***`; only `reveal()` gives the value."""

import hmac
import stat
from pathlib import Path


class Secret:
    """A password, key or token that came from configuration or from a credential answer.

    It is not a dataclass, because encoders (`msgspec`, `dataclasses.asdict`) would read its value.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself. Call it only where the value is sent or used."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


def demand_private(path: Path) -> None:
    """Raise ValueError if others than a file's owner and group can read it, or others than its owner can write it."""
    if path.stat().st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise ValueError(f"{path} is readable by everybody or writable by its group; chmod 400 it")
