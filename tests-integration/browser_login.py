"""The page's login, without a browser: code and PKCE as the public client `task-ui`."""

import base64
import hashlib
import secrets
from urllib.parse import urlencode

import requests
from person import Person, query
from stack import TIMEOUT, Stack


def page_token(stack: Stack, person: Person) -> str:
    """An access token as the page gets it."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    oidc = f"{stack['ISSUER']}/protocol/openid-connect"
    callback = f"{stack.gateway}/tasks"
    asked = {
        "response_type": "code",
        "client_id": stack["UI_CLIENT_ID"],
        "redirect_uri": callback,
        "scope": "openid profile email",
        "state": secrets.token_urlsafe(16),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    landed = query(person.grant(f"{oidc}/auth?{urlencode(asked)}", stop_at=callback))
    form = {
        "grant_type": "authorization_code",
        "client_id": stack["UI_CLIENT_ID"],
        "code": landed["code"],
        "redirect_uri": callback,
        "code_verifier": verifier,
    }
    answer = requests.post(f"{oidc}/token", data=form, timeout=TIMEOUT)
    answer.raise_for_status()
    return str(answer.json()["access_token"])
