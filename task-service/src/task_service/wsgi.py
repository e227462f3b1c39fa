"""Entry point of gunicorn: `task_service.wsgi:app`. Refuses to start with unusable settings."""

import sys

from service_kit import logs
from service_kit.settings import SettingsError, masked
from task_service import bootstrap, config
from task_service.http.app import create_app
from task_service.http.service import Service

EXIT_UNUSABLE_CONFIGURATION = 78  # EX_CONFIG of sysexits.h


def _start() -> Service:
    try:
        settings = config.read()
    except SettingsError as error:
        sys.stderr.write(f"task-service cannot start: {error}\n")
        sys.exit(EXIT_UNUSABLE_CONFIGURATION)
    logs.configure("tasks", settings.log_level)
    logs.get(__name__).info("tasks.started", settings=masked(settings))
    return bootstrap.build_service(settings)


app = create_app(_start())
