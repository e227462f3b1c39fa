"""Failures during a refresh, by the step at which they occur."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from replica import Replica

from vault_service.application.errors import StorageUnavailableError
from vault_service.application.ports.refresh import Finished
from vault_service.application.provider_errors import NotSentError, UncertainError

INTENT, ROTATION, STORE, RECORD = "begin", "refresh", "_store", "record"
METHODS = {INTENT: ("begin", "_begun_alone")}
"""The methods that do a step, where there are several."""


class Killed(BaseException):
    """Stands for kill -9: no handler of the vault catches it."""


@dataclass(frozen=True)
class Trouble:
    """A failure before or after one step of a refresh."""

    step: str
    after: bool
    error: BaseException

    @property
    def leaves_unknown(self) -> bool:
        """True when the token is used and the outcome is not stored."""
        return (self.step, self.after) in {(ROTATION, True), (STORE, False)}

    @contextmanager
    def befalls(self, vault: Replica) -> Iterator[list[object]]:
        """The failure occurs in that process during the block. Gives what the step had returned, each time."""
        done: list[object] = []
        holders = {ROTATION: vault.provider, RECORD: vault.uses}
        holder: object = holders.get(self.step, vault.refreshes)

        def breaking(really: Callable[..., object]) -> Callable[..., object]:
            def break_down(*arguments: object) -> object:
                if self.after:
                    done.append(really(*arguments))
                raise self.error

            return break_down

        with ExitStack() as patches:
            for name in METHODS.get(self.step, (self.step,)):
                patches.enter_context(patch.object(holder, name, breaking(getattr(holder, name))))
            yield done


def unheard(done: Iterable[object]) -> int:
    """The number of uses whose process failed after recording them, so that no caller got the token."""
    return sum(result.is_used if isinstance(result, Finished) else result is True for result in done)


TROUBLES = [
    *(Trouble(step, after, Killed()) for step in (INTENT, ROTATION, STORE, RECORD) for after in (False, True)),
    Trouble(ROTATION, after=False, error=NotSentError("busy")),
    Trouble(ROTATION, after=True, error=UncertainError("the answer is lost")),
    Trouble(STORE, after=False, error=StorageUnavailableError()),
    Trouble(STORE, after=True, error=StorageUnavailableError()),
]
