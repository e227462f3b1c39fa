"""Entry point of gunicorn: `vault_service.wsgi:app`; `preflight` has looked at everything before."""

import sys

from service_kit import logs
from service_kit.settings import SettingsError, masked
from vault_service import bootstrap, config
from vault_service.http.app import create_app
from vault_service.http.vault import Vault

EX_CONFIG = 78  # sysexits.h: the configuration is unusable


def _start() -> Vault:
    try:
        settings = config.read()
    except SettingsError as error:
        sys.stderr.write(f"vault-service cannot start: {error}\n")
        sys.exit(EX_CONFIG)
    logs.configure("vault", settings.log_level)
    service = bootstrap.build(settings)
    service.start()
    logs.get(__name__).info("vault.started", settings=masked(settings))
    return service.vault


app = create_app(_start())
