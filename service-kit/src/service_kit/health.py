"""Health for an orchestrator: `/healthz` says that the process answers, `/readyz` that what it needs answers too.

A ping is a named function that returns when its part is well and raises when it is not. Answers name the pings, never
the reason: that stands in the log. Neither address is routed by the gateway.
"""

from collections.abc import Callable, Mapping

from flask import Blueprint, Response

from service_kit import logs
from service_kit.http import respond
from service_kit.inputs import Output

log = logs.get(__name__)


class Health(Output, frozen=True, kw_only=True):
    """status: `ok` or `unavailable`; checks: by ping name the same words."""

    status: str
    checks: dict[str, str]


def blueprint(pings: Mapping[str, Callable[[], None]]) -> Blueprint:
    """The two addresses; `pings` by name."""
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    def alive() -> Response:
        return respond(Health(status="ok", checks={}))

    @health.get("/readyz")
    def ready() -> Response:
        checks = {name: _check(name, ping) for name, ping in pings.items()}
        well = all(state == "ok" for state in checks.values())
        return respond(Health(status="ok" if well else "unavailable", checks=checks), 200 if well else 503)

    return health


def _check(name: str, ping: Callable[[], None]) -> str:
    try:
        ping()
    except Exception as error:  # noqa: BLE001 - any failure of a ping means the same: not ready
        log.warning("health.not_ready", check=name, reason=f"{type(error).__name__}: {error}")
        return "unavailable"
    return "ok"
