"""The kinds that are installed: what they are, whether parameters fit, and how one is run in this process."""

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

import msgspec

from task_service.application.errors import (
    KindNotFoundError,
    ParametersError,
    ParametersTooLargeError,
    UnknownKindError,
)
from task_service.application.handler import HandlerContext
from task_service.application.ports.tasks import KindDescription
from task_service.domain.result import Document
from task_service.domain.work import Work
from task_service.kinds.base import HandlerError, Kind, Tools

GROUP = "task_service.kinds"
MAX_PARAMETERS_BYTES = 16 * 1024
"""Bytes of a task's parameters as JSON without white space, and with numbers written out."""
MAX_LEVELS = 32
"""How deep a task's parameters may be nested."""

_PLACE = re.compile(r"^(?P<detail>.*?)(?: - at (?:`key` in )?`(?P<path>[^`]*)`)?$", re.DOTALL)


class Kinds:
    """`application.ports.KindCatalogue`."""

    def __init__(self, kinds: Mapping[str, Kind[Any]], executors: Mapping[str, str]) -> None:
        """kinds: by name; executors: by a kind's name, the executor that runs it."""
        self._kinds = kinds
        self._executors = executors

    def describe(self) -> Sequence[KindDescription]:
        """All of them, by name."""
        return [
            KindDescription(name, _first_line(kind), self._executors[name], kind.schema())
            for name, kind in sorted(self._kinds.items())
        ]

    def check(self, work: Work) -> None:
        """Check that a task of this kind can have these parameters."""
        if work.kind not in self._kinds:
            raise KindNotFoundError(work.kind)
        size = stored_bytes(work.parameters)
        if size > MAX_PARAMETERS_BYTES:
            raise ParametersTooLargeError(size, MAX_PARAMETERS_BYTES)
        parsed(self._kinds[work.kind], work.parameters)


class HereHandler:
    """`application.handler.Handler`: runs a kind in this process."""

    def __init__(self, kind: Kind[Any]) -> None:
        self._kind = kind

    def run(self, context: HandlerContext) -> str | Document:
        """Check the parameters again, since settings or the kind may have changed, then do the work."""
        try:
            parameters = parsed(self._kind, context.attempt.parameters)
        except ParametersError as error:
            raise HandlerError(f"The parameters cannot be used any more. {error}") from None
        return self._kind.run(parameters, context)


def installed(tools: Tools) -> dict[str, Kind[Any]]:
    """The kinds of all entry points of the group that this installation offers, by name."""
    made = {entry.name: entry.load()(tools) for entry in entry_points(group=GROUP)}
    return {name: kind for name, kind in made.items() if kind.enabled}


def one(name: str, tools: Tools) -> Kind[Any]:
    """An installed kind, whether this installation offers it or not. Raises UnknownKindError."""
    for entry in entry_points(group=GROUP, name=name):
        return entry.load()(tools)  # type: ignore[no-any-return]
    raise UnknownKindError(name)


def parsed(kind: Kind[Any], parameters: Mapping[str, Any]) -> Any:
    """The parameters as the kind's class. Raises ParametersError."""
    try:
        typed = msgspec.convert(parameters, kind.Parameters)
    except msgspec.ValidationError as error:
        match = _PLACE.match(str(error))
        detail, path = (match["detail"], match["path"] or "$") if match else (str(error), "$")
        if "matching regex" in detail:
            detail = "has characters that are not allowed"
        place = path.removeprefix("$").partition("[...]")[0]  # of some member
        raise ParametersError(re.sub(r"[.\[]", "/", place).replace("]", ""), detail) from None
    kind.check(typed)
    return typed


def stored_bytes(value: Any, levels: int = MAX_LEVELS) -> int:
    """The length in bytes of a value as JSON in PostgreSQL, which writes numbers out. levels: how deep it may be
    nested.

    Raises ParametersError; also for U+0000, which PostgreSQL cannot store.
    """
    if levels < 0:
        raise ParametersError("", f"is nested more than {MAX_LEVELS} levels deep")
    if isinstance(value, Mapping):
        return 2 + sum(stored_bytes(name) + stored_bytes(member, levels - 1) + 2 for name, member in value.items())
    if isinstance(value, list):
        return 2 + sum(stored_bytes(member, levels - 1) + 1 for member in value)
    if isinstance(value, str) and "\x00" in value:
        raise ParametersError("", "has the character U+0000, which cannot be stored")
    if isinstance(value, float):
        return len(f"{value:f}") if abs(value) >= 1 else len(repr(value)) + 330 * ("e" in repr(value))
    return len(msgspec.json.encode(value))


def _first_line(kind: Kind[Any]) -> str:
    return (type(kind).__doc__ or "").strip().partition("\n")[0]
