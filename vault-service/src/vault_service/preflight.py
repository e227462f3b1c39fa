"""What must hold before the vault serves. gunicorn's master runs this once, before it starts any process."""

import sys

from service_kit import logs
from service_kit.issuer import IssuerMismatchError
from service_kit.settings import SettingsError
from vault_service import bootstrap, config
from vault_service.adapters.migrate import SchemaMismatchError
from vault_service.adapters.root_key import WrongRootKeyError

EX_CONFIG = 78  # sysexits.h: the configuration is unusable


def check() -> None:
    """Exit with one line and status 78 when settings, root key, schema or issuer are unusable.

    What is merely away now, a database or an authorization server, is no reason not to start.
    """
    try:
        settings = config.read()
        logs.configure("vault", settings.log_level)
        bootstrap.check(settings)
    except (SettingsError, WrongRootKeyError, SchemaMismatchError, IssuerMismatchError) as error:
        sys.stderr.write(f"vault-service cannot start: {error}\n")
        sys.exit(EX_CONFIG)
