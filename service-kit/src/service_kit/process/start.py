"""The start of a process: what it must not inherit or leave behind, and checks whose failure is one line."""

import os
import resource
import sys
from collections.abc import Callable
from typing import TypeVar

from service_kit.process.settings import SettingsError

EX_CONFIG = 78
"""sysexits.h: the configuration is unusable; a restart does not help."""

T = TypeVar("T")


def or_exit(program: str, work: Callable[[], T], *refusals: type[Exception]) -> T:
    """The result of `work`. A SettingsError, or one of `refusals`, becomes one line on stderr and exit status 78."""
    close_off()
    unusable: tuple[type[Exception], ...] = (SettingsError, *refusals)
    try:
        return work()
    except unusable as error:
        sys.stderr.write(f"{program} cannot start: {error}\n")
        sys.exit(EX_CONFIG)


def close_off() -> None:
    """Forbid core dumps, which would hold keys and tokens, and forget libpq's variables.

    A limit of one byte also keeps the kernel from piping a core to a program (core(5)); a limit of 0 does not.
    PGSSLMODE, PGOPTIONS and their like would change connections whose URL is complete.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    limit = 1 if hard == resource.RLIM_INFINITY else min(1, hard)
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
