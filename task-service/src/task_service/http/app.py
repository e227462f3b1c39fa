"""The task service's Flask application."""

from http import HTTPStatus

import msgspec
from flask import Flask, Response

from service_kit.http import app as kit
from service_kit.http import health
from task_service.http.problems import TABLE
from task_service.http.routes import create_api
from task_service.http.schemas import NewTask
from task_service.http.service import TaskService


def create_app(service: TaskService) -> Flask:
    """An application with the routes, health, and the OpenAPI document at `/api/tasks/openapi.json`."""
    app = kit.create_app("tasks", TABLE)
    api = create_api(service)
    kinds = [each.name for each in service.tasks.kinds.describe()]
    document = msgspec.json.encode(api.document({(NewTask, "kind"): kinds}))

    @api.blueprint.get("/openapi.json")
    def openapi() -> Response:
        return Response(document, HTTPStatus.OK, content_type="application/json")

    app.register_blueprint(api.blueprint)
    app.register_blueprint(health.blueprint(service.pings, service.useful))
    return app
