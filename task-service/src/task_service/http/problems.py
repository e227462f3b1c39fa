"""The task service's problem table: from domain errors to problem types, with the codes that only it answers with."""

from service_kit.http.problems import ProblemTable, ProblemType
from task_service.application import errors

PARAMETERS_INVALID = ProblemType(422, "parameters_invalid")

TABLE: ProblemTable = {
    errors.TaskNotFoundError: ProblemType(404, "task_not_found"),
    errors.RunNotFoundError: ProblemType(404, "run_not_found"),
    errors.ResultNotFoundError: ProblemType(404, "result_not_found"),
    errors.TaskNotExecutableError: ProblemType(409, "task_not_executable"),
    errors.TaskNotCancellableError: ProblemType(409, "task_not_cancellable"),
    errors.TaskNotRepeatableError: ProblemType(409, "task_not_repeatable"),
    errors.TaskNotLinkableError: ProblemType(409, "task_not_linkable"),
    errors.TooManyTasksError: ProblemType(409, "too_many_tasks"),
    errors.TooManyOpenTasksError: ProblemType(409, "too_many_open_tasks"),
    errors.ScheduleNotFoundError: ProblemType(404, "schedule_not_found"),
    errors.KindNotFoundError: ProblemType(422, "kind_unknown"),
    errors.ParametersError: PARAMETERS_INVALID,
    errors.ParametersTooLargeError: ProblemType(422, "parameters_too_large"),
    errors.CursorError: ProblemType(422, "cursor_invalid"),
    errors.KeyReusedError: ProblemType(422, "idempotency_key_reused"),
    errors.TokenNotFoundError: ProblemType(404, "token_not_found"),
    errors.VaultUnavailableError: ProblemType(503, "vault_unavailable", retry_after=2.0),
    errors.ResultStoreUnavailableError: ProblemType(503, "results_unavailable", retry_after=2.0),
    errors.TaskStorageUnavailableError: ProblemType(503, "storage_unavailable", retry_after=2.0),
}
