"""Health for an orchestrator: `/healthz` says that the process answers, `/readyz` that what it needs answers too.

A ping is a named function that returns when its part is well and raises when it is not. Some parts can be done without
for a while: then the service is `degraded` and still ready. Answers name the pings, never the reason: that stands in
the log. Neither address is routed by the gateway.
"""

from collections.abc import Callable, Mapping

from flask import Blueprint, Response

from service_kit.http.app import respond
from service_kit.http.inputs import Output
from service_kit.process import logs

log = logs.get(__name__)


class Health(Output, frozen=True, kw_only=True):
    """status: `ok`, `degraded` or `unavailable`; checks: by ping name, `ok` or `unavailable`."""

    status: str
    checks: dict[str, str]


Pings = Mapping[str, Callable[[], None]]


def blueprint(needed: Pings, useful: Pings | None = None) -> Blueprint:
    """The two addresses. needed: without one of them the service is not ready; useful: it can do without."""
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    def alive() -> Response:
        return respond(Health(status="ok", checks={}))

    @health.get("/readyz")
    def ready() -> Response:
        must = {name: _check(name, ping) for name, ping in needed.items()}
        may = {name: _check(name, ping) for name, ping in (useful or {}).items()}
        if "unavailable" in must.values():
            status = "unavailable"
        else:
            status = "degraded" if "unavailable" in may.values() else "ok"
        return respond(Health(status=status, checks={**must, **may}), 503 if status == "unavailable" else 200)

    return health


def _check(name: str, ping: Callable[[], None]) -> str:
    try:
        ping()
    except Exception as error:  # noqa: BLE001 - any failure of a ping means the same: not ready
        log.warning("health.not_ready", check=name, reason=f"{type(error).__name__}: {error}")
        return "unavailable"
    return "ok"
