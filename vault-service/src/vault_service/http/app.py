"""The vault's Flask application."""

from http import HTTPStatus

import msgspec
from flask import Flask, Response

from service_kit.http import app as kit
from service_kit.http import health
from service_kit.server import fast_path
from vault_service.http import oauth, ticket_guard
from vault_service.http.fast_path import CachedTokens
from vault_service.http.problems import TABLE
from vault_service.http.routes import create_api
from vault_service.http.schemas import NewConsent
from vault_service.http.vault import Vault


def create_app(vault: Vault) -> Flask:
    """Routes, health, the OpenAPI document at `/api/auth/manager/openapi.json`, and the metadata of `http.oauth`."""
    app = kit.create_app("vault", TABLE)
    app.before_request(ticket_guard.refuse_misplaced)
    api = create_api(vault)
    document = msgspec.json.encode(api.document({(NewConsent, "provider"): vault.providers}))

    @api.blueprint.get("/openapi.json")
    def openapi() -> Response:
        return Response(document, HTTPStatus.OK, content_type="application/json")

    app.register_blueprint(api.blueprint)
    app.register_blueprint(oauth.metadata(vault.public_url + api.prefix))
    app.register_blueprint(health.blueprint(vault.needed, vault.useful))
    fast_path.install(app, CachedTokens(vault))
    return app
