"""Health for an orchestrator: `/healthz` (the process answers) and `/readyz` (the systems it needs answer too).

A ping is a named function that returns if its system works and raises otherwise. Without a `useful` system the service
is `degraded` and still ready. Answers have the names of the pings; only the log has the reason. The gateway routes
neither address.
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


ALIVE_PATH = "/healthz"
ALIVE = Health(status="ok", checks={})
"""The answer of `ALIVE_PATH`. `service_kit.server.front` gives it without a thread."""

Pings = Mapping[str, Callable[[], None]]


def blueprint(needed: Pings, useful: Pings | None = None) -> Blueprint:
    """The two addresses. needed: the service is not ready without them; useful: it is only degraded."""
    health = Blueprint("health", __name__)

    @health.get(ALIVE_PATH)
    def alive() -> Response:
        return respond(ALIVE)

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
