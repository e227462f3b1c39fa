"""Trouble on demand, for tests: mounted at `/_control` by `--control` only, apart from the server's normal code.

`PUT /_control/settings {"accessTokenLifespan": 5, …}` changes lifetimes and rotation · `PUT /_control/users/<name>
{"enabled": false}` · `POST /_control/not-before` · `POST /_control/keys {"forgetOld": true}` rotates the signing key ·
`DELETE /_control/consents/<user>/<client>` · `PUT /_control/secrets/<client> {"secret": …}` · `POST /_control/mint
{"claims": …, "header": …}` signs anything · `PUT /_control/faults [fault, …]` (see `faults`) · `GET /_control/requests`
counts by endpoint and grant type · `DELETE /_control` makes all well again.
"""

import time
from typing import Any

from flask import Blueprint, Flask, jsonify, request

from dev_idp.faults import Faults
from dev_idp.grants import Grants
from dev_idp.realm import Realm

_SETTINGS = {
    "accessTokenLifespan": "access_token",
    "ssoSessionIdleTimeout": "sso_idle",
    "offlineSessionIdleTimeout": "offline_idle",
    "revokeRefreshToken": "rotate",
    "refreshTokenMaxReuse": "max_reuse",
}


def install(app: Flask) -> None:
    """Mount the switches on an application."""
    state: Grants = app.extensions["dev_idp"]
    original = state.realm
    faults = Faults(f"/realms/{original.name}/protocol/openid-connect/")
    setattr(app, "wsgi_app", faults.around(app.wsgi_app))  # noqa: B010 - Flask's way to add middleware
    switches = Blueprint("control", __name__, url_prefix="/_control")

    @switches.put("/settings")
    def change_settings() -> Any:
        changes = {_SETTINGS[name]: value for name, value in request.get_json().items()}
        _use(state, state.realm.with_lifetimes(**changes))
        return "", 204

    @switches.put("/users/<name>")
    def change_user(name: str) -> Any:
        enabled = bool(request.get_json()["enabled"])
        state.store.run("insert or replace into users values (?, ?)", state.realm.users[name].id, enabled)
        return "", 204

    @switches.post("/not-before")
    def push_not_before() -> Any:
        state.store.remember("not_before", int(time.time()) + 1)
        return "", 204

    @switches.post("/keys")
    def rotate_key() -> Any:
        return jsonify(kid=state.tokens.rotate_key(forget_old=bool(request.get_json()["forgetOld"])))

    @switches.delete("/consents/<user>/<client>")
    def withdraw_consent(user: str, client: str) -> Any:
        state.sessions.withdraw_consent(state.realm.users[user].id, client)
        return "", 204

    @switches.put("/secrets/<client>")
    def change_secret(client: str) -> Any:
        state.store.remember(f"secret:{client}", request.get_json()["secret"])
        return "", 204

    @switches.post("/mint")
    def mint() -> Any:
        asked = request.get_json()
        return jsonify(token=state.tokens.sign(asked["claims"], asked.get("header")))

    @switches.put("/faults")
    def plan_faults() -> Any:
        faults.plan(request.get_json())
        return "", 204

    @switches.get("/requests")
    def count_requests() -> Any:
        return jsonify(faults.counts())

    @switches.delete("")
    def all_well() -> Any:
        _use(state, original)
        faults.plan([])
        state.store.remember("not_before", 0)
        state.store.run("delete from users")
        state.store.run("delete from meta where name like 'secret:%'")
        return "", 204

    app.register_blueprint(switches)


def _use(state: Grants, realm: Realm) -> None:
    state.realm = realm
    state.tokens.realm = realm
