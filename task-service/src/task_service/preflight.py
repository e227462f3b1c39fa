"""Checks before the service serves. gunicorn's master calls `check` once, before it starts any process."""

from service_kit.postgres.migrations import SchemaMismatchError
from service_kit.process import logs, start
from service_kit.tokens.issuer import IssuerMismatchError
from task_service import bootstrap, config


def check() -> None:
    """Exit with one line and status 78 when settings, schema or issuer are unusable.

    An unreachable database or authorization server does not prevent the start.
    """
    start.or_exit("task-service", _check, SchemaMismatchError, IssuerMismatchError)


def _check() -> None:
    settings = config.read()
    logs.configure("tasks", settings.log_level)
    bootstrap.check(settings)
