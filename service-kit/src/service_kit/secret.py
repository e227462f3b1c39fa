"""A string that must not be printed: its `repr`, `str` and format are `***`; only `reveal()` gives the value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Secret:
    """A password, key or token that came from configuration or from a credential answer."""

    _value: str

    def reveal(self) -> str:
        """Return the value itself. Call it where the value is sent or used, nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__
