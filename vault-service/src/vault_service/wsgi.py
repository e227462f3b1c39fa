"""Entry point of gunicorn: `vault_service.wsgi:app`. Refuses to start with unusable settings or the wrong root key."""

import sys

from service_kit import logs
from service_kit.settings import SettingsError, masked
from vault_service import bootstrap, config
from vault_service.adapters.sealing import WrongRootKeyError
from vault_service.http.app import create_app
from vault_service.http.vault import Vault

EXIT_UNUSABLE_CONFIGURATION = 78  # EX_CONFIG of sysexits.h


def _start() -> Vault:
    try:
        settings = config.read()
        logs.configure("vault", settings.log_level)
        service = bootstrap.build(settings)
        service.start()
    except (SettingsError, WrongRootKeyError) as error:
        sys.stderr.write(f"vault-service cannot start: {error}\n")
        sys.exit(EXIT_UNUSABLE_CONFIGURATION)
    logs.get(__name__).info("vault.started", settings=masked(settings))
    return service.vault


app = create_app(_start())
