"""The base of kinds of work: a class of parameters, and a function that runs an attempt with them.

A kind is a subclass of `Kind`, an entry point of the group `task_service.kinds`. This module has all that it imports;
`docs/kinds.md` has an example.
"""

from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from task_service.application.errors import HandlerError, ParametersError
from task_service.application.handler import HandlerContext
from task_service.application.ports.vault import UserinfoSource
from task_service.domain.journal import Level
from task_service.domain.result import Document

__all__ = [
    "Document",
    "HandlerContext",
    "HandlerError",
    "Kind",
    "KindSettings",
    "Level",
    "NoParameters",
    "Parameters",
    "ParametersError",
    "Tools",
]


class Parameters(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of the parameters of a kind. Its docstring and the types of its members make the JSON Schema."""


class NoParameters(Parameters, frozen=True, kw_only=True):
    """This kind has no parameters."""


class KindSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of kinds in an installation. They contain no secrets, because they travel to the place where a task
    runs.

    demo_step_seconds: how long each tenth of the demonstration takes; http_origins: what `http` may call;
    http_networks: private networks in which that may be; http_seconds: for one call in all; functions: the entry points
    that `function` may call; notebooks: folders of those that `notebook` may run.
    """

    demo_step_seconds: float = 1.0
    http_origins: tuple[str, ...] = ()
    http_networks: tuple[str, ...] = ()
    http_seconds: float = 60.0
    functions: tuple[str, ...] = ()
    notebooks: tuple[str, ...] = ()


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """The tools with which kinds are made. vault_url: where tickets are used."""

    userinfo: UserinfoSource
    settings: KindSettings = KindSettings()
    vault_url: str = ""


P = TypeVar("P", bound=Parameters)


class Kind(Generic[P]):
    """A kind of work. One object serves all tasks of the kind, from several threads."""

    Parameters: type[P]
    trusted: ClassVar[bool] = False
    """True: its code may run inside the worker, beside the service's secrets. Only for kinds of the service itself."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools

    @property
    def enabled(self) -> bool:
        """False: this installation does not offer the kind, because its settings leave it nothing to do."""
        return True

    def check(self, parameters: P) -> None:
        """Refuse parameters that fit the schema and cannot be used here. Raises ParametersError.

        Called when a task is created, and again before it runs.
        """

    def choices(self) -> dict[str, list[str]]:
        """By a parameter's name on the wire: the values that this installation accepts; shown in the schema."""
        return {}

    def run(self, parameters: P, context: HandlerContext) -> str | Document:
        """Do the work; the result is shown to the owner.

        Raises HandlerError with a message for the owner. Any other error fails the task without details.
        """
        raise NotImplementedError

    def schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of the parameters, with the values that are accepted here."""
        reference, components = msgspec.json.schema_components([self.Parameters])
        name = self.Parameters.__name__
        schema = {**components.pop(name), **({"$defs": components} if components else {})}
        for member, values in self.choices().items():
            schema["properties"][member]["enum"] = values
        del reference
        return schema
