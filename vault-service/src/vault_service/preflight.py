"""Checks before the service serves. The master of gunicorn runs `check` once, before it starts a worker."""

from service_kit.postgres.migrations import SchemaMismatchError
from service_kit.process import logs, start
from service_kit.tokens.issuer import IssuerMismatchError
from vault_service import bootstrap, config
from vault_service.adapters.encryption.root_key import WrongRootKeyError


def check() -> None:
    """Exit with one line and status 78 when settings, root key, schema or issuer are unusable.

    An unreachable database or authorization server does not prevent the start.
    """
    start.or_exit("vault-service", _check, WrongRootKeyError, SchemaMismatchError, IssuerMismatchError)


def _check() -> None:
    settings = config.read()
    logs.configure("vault", settings.log_level)
    bootstrap.check(settings)
