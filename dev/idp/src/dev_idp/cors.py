"""CORS: the pages of public clients call the token endpoint from their own origin (Keycloak's `webOrigins`)."""

from flask import Blueprint, request
from werkzeug.wrappers import Response

from dev_idp.endpoints import OIDC
from dev_idp.realm import Realm

_FOR_KNOWN_ORIGINS = tuple(f"{OIDC}/{name}" for name in ("token", "userinfo", "revoke"))
_FOR_ALL = (f"{OIDC}/certs", "/.well-known/openid-configuration")


def allow(routes: Blueprint, realm: Realm) -> None:
    """Let the pages of public clients read the answers."""
    known = realm.web_origins()

    @routes.after_request
    def name_the_origin(response: Response) -> Response:
        origin = request.headers.get("Origin")
        if request.path.endswith(_FOR_ALL):
            response.headers["Access-Control-Allow-Origin"] = "*"
        elif request.path.endswith(_FOR_KNOWN_ORIGINS):
            response.vary.add("Origin")
            if origin in known:
                response.headers["Access-Control-Allow-Origin"] = origin
                response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
                response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
                response.headers["Access-Control-Max-Age"] = "3600"
        return response
