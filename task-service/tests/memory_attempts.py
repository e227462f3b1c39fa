"""One attempt in memory, with the stores that it is written to."""

from collections.abc import Sequence
from uuid import uuid4

from task_service.application.errors import TaskStorageUnavailableError
from task_service.domain.attempt import Attempt, AttemptKey
from task_service.domain.owner import Owner
from task_service.domain.result import Document, ResultFile

ALICE = Owner("https://issuer.example/realms/demo", "alice-sub")


def an_attempt(kind: str = "demo", fence: int = 1) -> Attempt:
    """An attempt of some task."""
    return Attempt(
        key=AttemptKey(uuid4(), fence),
        run=1,
        owner=ALICE,
        task_name="a",
        kind=kind,
        parameters={"of": kind},
        persistent_token_id=uuid4(),
    )


class Memory:
    """`AttemptStore` and `ProgressStore` of one attempt. taken_over: writes find an old fence."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.taken_over = False
        self.unavailable = False
        self.written: list[tuple[AttemptKey, int]] = []
        self.ended: list[tuple[str, str]] = []
        self.documents: list[Document] = []

    def begin(self, key: AttemptKey) -> Attempt | None:
        """This attempt and no other."""
        return self.attempt if key == self.attempt.key else None

    def complete(self, attempt: Attempt, result: str, file: ResultFile | None = None) -> bool:
        """Note it."""
        self.ended.append(("completed", result))
        return not self.taken_over

    def fail(self, attempt: Attempt, error: str, *, token_failed: bool = False) -> bool:
        """Note it."""
        self.ended.append(("token_failed" if token_failed else "failed", error))
        return not self.taken_over

    def retry(self, attempt: Attempt, error: str, seconds: float) -> bool:
        """Note it."""
        self.ended.append((f"retry in {seconds:g} s", error))
        return not self.taken_over

    def give_back(self, attempt: Attempt) -> bool:
        """Note it."""
        self.ended.append(("given back", ""))
        return not self.taken_over

    def replace_crashed(self, key: AttemptKey, job_id: int | None = None) -> bool:
        """Note it."""
        self.ended.append(("crashed", ""))
        return not self.taken_over

    def write_progress(self, reports: Sequence[tuple[Attempt, int]]) -> dict[AttemptKey, bool]:
        """Note it."""
        if self.unavailable:
            raise TaskStorageUnavailableError
        self.written += [(attempt.key, percent) for attempt, percent in reports]
        return {} if self.taken_over else {attempt.key: True for attempt, _ in reports}
