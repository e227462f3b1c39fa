"""JSON answers to programs; none may be cached (RFC 6749 section 5.1)."""

from typing import Any

from authlib.oauth2 import OAuth2Error
from flask import Response, jsonify


def as_json(body: dict[str, Any], status: int = 200) -> Response:
    """A document."""
    response = jsonify(body)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def refusal(error: OAuth2Error) -> Response:
    """RFC 6749 section 5.2."""
    response = as_json({"error": error.error, "error_description": error.description}, error.status_code)
    response.headers["Pragma"] = "no-cache"
    return response
