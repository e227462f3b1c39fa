"""The wired task service as the routes need it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from service_kit.tokens.bearer import Verifier
from task_service.application.batch import BatchTasks
from task_service.application.dependencies import ManageDependencies
from task_service.application.execute import ExecuteTasks
from task_service.application.history import ReadHistory
from task_service.application.listing import ListTasks
from task_service.application.manage import ManageTasks
from task_service.application.ports.tasks import ReceiptStore
from task_service.application.results import ReadResults
from task_service.application.schedules import ManageSchedules


@dataclass(frozen=True)
class TaskService:
    """The use cases and who may call them.

    pings: by name, the checks of `/readyz` without which the service is not ready; useful: those without which it is
    only degraded; close: closes the connections.
    """

    verifier: Verifier
    tasks: ManageTasks
    listing: ListTasks
    execution: ExecuteTasks
    schedules: ManageSchedules
    dependencies: ManageDependencies
    history: ReadHistory
    batch: BatchTasks
    receipts: ReceiptStore
    results: ReadResults
    pings: Mapping[str, Callable[[], None]]
    close: Callable[[], None]
    useful: Mapping[str, Callable[[], None]] = field(default_factory=dict)
