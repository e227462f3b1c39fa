"""Entry point of gunicorn: `task_service.wsgi:app`. gunicorn's master has called `preflight.check` before."""

from service_kit.process import logs, start
from service_kit.process.settings import masked
from task_service import bootstrap, config
from task_service.http.app import create_app
from task_service.http.service import TaskService


def _start() -> TaskService:
    settings = start.or_exit("task-service", config.read)
    logs.configure("tasks", settings.log_level)
    logs.get(__name__).info("tasks.started", settings=masked(settings))
    return bootstrap.build_service(settings)


app = create_app(_start())
