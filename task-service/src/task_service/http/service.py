"""What the routes need of a wired task service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service_kit.tokens.bearer import Verifier
from task_service.application.tasks import ManageTasks


@dataclass(frozen=True)
class Service:
    """Use cases, and the rules of the edge. pings: by name, what must answer before the service is ready."""

    verifier: Verifier
    tasks: ManageTasks
    pings: Mapping[str, Callable[[], None]]
