"""Maps the task service's errors to problems, with the stable codes of the API."""

from collections.abc import Callable
from math import ceil

from service_kit.http.problems import Problem, ProblemTable
from task_service.application import errors


def _plain(status: int, code: str) -> Callable[[Exception], Problem]:
    return lambda error: Problem(status, code, str(error))


def _vault_unavailable(error: Exception) -> Problem:
    seconds = error.retry_after if isinstance(error, errors.VaultUnavailableError) else 2.0
    return Problem(503, "vault_unavailable", str(error), {"Retry-After": str(max(ceil(seconds), 1))})


def _storage_unavailable(error: Exception) -> Problem:
    return Problem(503, "storage_unavailable", str(error), {"Retry-After": "2"})


TABLE: ProblemTable = {
    errors.TaskNotFoundError: _plain(404, "task_not_found"),
    errors.TaskNotExecutableError: _plain(409, "task_not_executable"),
    errors.TaskNotLinkableError: _plain(409, "task_not_linkable"),
    errors.TokenNotFoundError: _plain(404, "token_not_found"),
    errors.VaultUnavailableError: _vault_unavailable,
    errors.TaskStorageUnavailableError: _storage_unavailable,
}
