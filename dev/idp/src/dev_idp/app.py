"""The application: the endpoints of one realm, at the same paths as in Keycloak."""

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Flask

from dev_idp import cors, state
from dev_idp.endpoints import api, authorize, device, logout
from dev_idp.pages import Pages
from dev_idp.realm import Realm
from dev_idp.server import OAuthServer

_MAX_BODY_BYTES = 64 * 1024


def create_app(realm: Realm, database: Path, origin: str, now: Callable[[], int] = lambda: int(time.time())) -> Flask:
    """The server of one realm. origin: scheme, host and port to reach it at; now: seconds since the epoch."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY_BYTES
    path = f"/realms/{realm.name}"
    parts = state.build(realm, database, f"{origin}{path}", now)
    app.extensions["dev_idp"] = parts
    server = OAuthServer(app, parts)
    pages = Pages(realm.name, urlsplit(origin).port)
    routes = Blueprint("realm", __name__, url_prefix=path)
    for part in (*(page.blueprint(server, pages) for page in (authorize, device, logout)), api.blueprint(server)):
        routes.register_blueprint(part)
    cors.allow(routes, realm)
    app.register_blueprint(routes)
    app.add_url_rule("/health/ready", "ready", lambda: {"status": "UP"})
    return app
