"""Faults on demand, for tests. `--control` mounts this at `/_control`; the server's own code does not import it.

The README describes every call.
"""

import time
from dataclasses import replace
from typing import Any

from flask import Blueprint, Flask, Response, abort, jsonify, request

from dev_idp.faults import Faults, PlannedFault
from dev_idp.grants import new_sid
from dev_idp.logins import LoginSession
from dev_idp.realm import ClientRecord, User
from dev_idp.state import State

_SETTINGS = {
    "accessTokenLifespan": "access_token",
    "ssoSessionIdleTimeout": "sso_idle",
    "ssoSessionMaxLifespan": "sso_max",
    "offlineSessionIdleTimeout": "offline_idle",
    "oauth2DeviceCodeLifespan": "device_code",
    "oauth2DevicePollingInterval": "device_interval",
    "revokeRefreshToken": "rotate",
    "refreshTokenMaxReuse": "max_reuse",
}
_DONE = ("", 204)


def install(app: Flask) -> None:
    """Mount the control API on an application."""
    state: State = app.extensions["dev_idp"]
    faults = Faults(f"/realms/{state.realm.name}/protocol/openid-connect/")
    setattr(app, "wsgi_app", faults.around(app.wsgi_app))  # noqa: B010 - Flask's way to add middleware
    switches = Blueprint("control", __name__, url_prefix="/_control")
    switches.register_error_handler(400, _explain)
    switches.register_error_handler(404, _explain)
    _realm_switches(switches, state)
    _people_switches(switches, state)
    _grant_switches(switches, state)
    _fault_switches(switches, faults)
    _reset_switch(switches, state, faults)
    app.register_blueprint(switches)


def _realm_switches(switches: Blueprint, state: State) -> None:
    @switches.put("/settings")
    def change_settings() -> Any:
        asked = request.get_json()
        unknown = sorted(asked.keys() - _SETTINGS.keys())
        if unknown:
            abort(400, f"unknown: {unknown}; known: {sorted(_SETTINGS)}")
        changes = {_SETTINGS[name]: value for name, value in asked.items()}
        state.realm.lifetimes = replace(state.realm.lifetimes, **changes)
        return _DONE

    @switches.post("/not-before")
    def push_not_before() -> Any:
        """Waits for the next second, so that not-before separates earlier tokens from later ones."""
        boundary = state.now() + 1
        while state.now() < boundary:
            time.sleep(0.01)
        state.store.remember("not_before", boundary)
        return jsonify(notBefore=boundary)

    @switches.post("/keys")
    def rotate_key() -> Any:
        asked = request.get_json(silent=True) or {}
        return jsonify(kid=state.keys.rotate(forget_old=bool(asked.get("forgetOld"))))

    @switches.put("/secrets/<client>")
    def change_secret(client: str) -> Any:
        name = _client(state, client).client_id
        state.store.run("keep_client_secret", client_id=name, secret=request.get_json()["secret"])
        return _DONE

    @switches.post("/mint")
    def mint() -> Any:
        asked = request.get_json()
        return jsonify(token=state.keys.sign_as_told(asked["claims"], asked.get("header", {})))


def _people_switches(switches: Blueprint, state: State) -> None:
    @switches.put("/users/<name>")
    def change_user(name: str) -> Any:
        state.store.run("keep_user", user_id=_person(state, name).id, enabled=bool(request.get_json()["enabled"]))
        return _DONE

    @switches.delete("/sessions/<name>")
    def sign_out(name: str) -> Any:
        for login in state.logins.of_user(_person(state, name).id):
            state.grants.log_out(login.sid)
        return _DONE

    @switches.delete("/consents/<name>/<client>")
    def withdraw_consent(name: str, client: str) -> Any:
        state.grants.withdraw_consent(_person(state, name).id, client)
        return _DONE


def _grant_switches(switches: Blueprint, state: State) -> None:
    @switches.post("/grants")
    def issue_grants() -> Any:
        asked = request.get_json()
        client, user = _client(state, asked["clientId"]), _person(state, asked["username"])
        scope = client.granted_scopes(asked["scope"])
        login = state.logins.begin_without_browser(user)
        state.logins.consent(user.id, client.client_id, set(scope.split()))
        with state.store.transaction():
            issued = [_issued(state, client, user, login, scope) for _ in range(asked["number"])]
        return jsonify(grants=issued)

    @switches.get("/grants")
    def list_grants() -> Any:
        names = {user.id: user.username for user in state.realm.users.values()}
        return jsonify(
            grants=[
                {
                    "sid": row["sid"],
                    "clientId": row["client_id"],
                    "username": names.get(row["user_id"]),
                    "scope": row["scope"],
                    "offline": bool(row["offline"]),
                    "refreshes": row["refreshes"],
                    "reuses": row["reuses"],
                    "createdAt": row["created_at"],
                    "lastUsedAt": row["last_used"],
                    "ended": row["ended"],
                }
                for row in state.store.all("all_grants")
            ]
        )


def _fault_switches(switches: Blueprint, faults: Faults) -> None:
    @switches.put("/faults")
    def plan_faults() -> Any:
        try:
            faults.plan([PlannedFault.parse(fault) for fault in request.get_json()])
        except ValueError as error:
            abort(400, str(error))
        return _DONE

    @switches.get("/requests")
    def count_requests() -> Any:
        return jsonify(faults.counts())


def _reset_switch(switches: Blueprint, state: State, faults: Faults) -> None:
    original = state.realm.lifetimes

    @switches.delete("", strict_slashes=False)
    def all_well() -> Any:
        state.realm.lifetimes = original
        faults.plan([])
        state.store.remember("not_before", 0)
        state.store.run("forget_users")
        state.store.run("forget_client_secrets")
        return _DONE


def _client(state: State, name: str) -> ClientRecord:
    return state.realm.clients.get(name) or abort(404, f"no client {name}")


def _person(state: State, name: str) -> User:
    return state.realm.users.get(name) or abort(404, f"no user {name}")


def _issued(state: State, client: ClientRecord, user: User, login: LoginSession, scope: str) -> dict[str, Any]:
    """A new grant with its first tokens."""
    grant = state.grants.begin(client.client_id, login, scope, new_sid(login.sid, scope))
    return {
        "sid": grant.sid,
        "scope": scope,
        "refreshToken": state.grants.first_refresh_token(grant),
        "accessToken": state.tokens.access_token(client, user, scope, grant),
        "expiresIn": state.realm.lifetimes.access_token,
    }


def _explain(error: Any) -> tuple[Response, int]:
    return jsonify(error=error.description), error.code
