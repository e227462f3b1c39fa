"""Entry point of gunicorn: `vault_service.wsgi:app`. `preflight.check` has run before."""

from service_kit.process import logs, start
from service_kit.process.settings import masked
from vault_service import bootstrap, config
from vault_service.http.app import create_app
from vault_service.http.vault import Vault


def _start() -> Vault:
    settings = start.or_exit("vault-service", config.read)
    logs.configure("vault", settings.log_level)
    service = bootstrap.build(settings)
    service.start()
    logs.get(__name__).info("vault.started", settings=masked(settings))
    return service.vault


app = create_app(_start())
