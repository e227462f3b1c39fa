"""A function that the operator has installed: an entry point of the group `task_service.functions`.

Only functions on the operator's list can be called. One is called with the context and the task's arguments by name; it
runs wherever its executor is, with the attempt's ticket and nothing of the service's.
"""

import inspect
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Annotated, Any

import msgspec

from task_service.kinds.base import Document, HandlerContext, HandlerError, Kind, Parameters, ParametersError

GROUP = "task_service.functions"


class FunctionParameters(Parameters, frozen=True, kw_only=True):
    """A function to call. function: its name; arguments: by name."""

    function: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)


class Function(Kind[FunctionParameters]):
    """Calls a function that the operator has installed and allows."""

    Parameters = FunctionParameters

    @property
    def enabled(self) -> bool:
        """Some function is allowed."""
        return bool(self.tools.settings.functions)

    def choices(self) -> dict[str, list[str]]:
        """The allowed functions."""
        return {"function": sorted(self.tools.settings.functions)}

    def check(self, parameters: FunctionParameters) -> None:
        """The function must be allowed. Its arguments are checked where it is installed, when it runs."""
        if parameters.function not in self.tools.settings.functions:
            raise ParametersError("/function", "is not a function that may be called here")

    def run(self, parameters: FunctionParameters, context: HandlerContext) -> str | Document:
        """Call it; a result that is neither text nor a `Document` becomes JSON."""
        function = _installed(parameters.function)
        try:
            inspect.signature(function).bind(context, **parameters.arguments)
        except TypeError as error:
            raise HandlerError(f"The arguments do not fit the function '{parameters.function}': {error}.") from None
        result = function(context, **parameters.arguments)
        if isinstance(result, str | Document):
            return result
        try:
            return msgspec.json.encode(result).decode()
        except (TypeError, msgspec.EncodeError):
            words = f"returned a {type(result).__name__}, which is neither text, nor a Document, nor JSON"
            raise HandlerError(f"The function '{parameters.function}' {words}.") from None


def _installed(name: str) -> Callable[..., Any]:
    found = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if not found:
        raise HandlerError(f"The function '{name}' is not installed where this task runs.")
    function: Callable[..., Any] = found[0].load()
    return function
