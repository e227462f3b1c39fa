"""Startup checks of a process: they run once, and a failure is one line."""

import sys
from collections.abc import Callable
from typing import TypeVar

from service_kit.process.settings import SettingsError

EX_CONFIG = 78
"""sysexits.h: the configuration is unusable; a restart does not help."""

T = TypeVar("T")


def or_exit(program: str, work: Callable[[], T], *refusals: type[Exception]) -> T:
    """The result of `work`. A SettingsError, or one of `refusals`, becomes one line on stderr and exit status 78."""
    unusable: tuple[type[Exception], ...] = (SettingsError, *refusals)
    try:
        return work()
    except unusable as error:
        sys.stderr.write(f"{program} cannot start: {error}\n")
        sys.exit(EX_CONFIG)
