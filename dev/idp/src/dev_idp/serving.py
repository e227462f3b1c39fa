"""gunicorn, started from Python: one process with threads, so that SQLite has one writer."""

from collections.abc import Callable

from flask import Flask
from gunicorn.app.base import BaseApplication

_SETTINGS = {
    "worker_class": "gthread",
    "workers": 1,
    "threads": 16,
    "keepalive": 75,
    "loglevel": "warning",
    "graceful_timeout": 5,
    "proc_name": "dev_idp",
    "control_socket_disable": True,
}


class DevelopmentServer(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Serves until SIGTERM, which ends the process with status 0."""

    def __init__(self, address: str, make: Callable[[], Flask]) -> None:
        """address: `host:port`. make: called in the process that answers, after the fork."""
        self._address = address
        self._make = make
        super().__init__()

    def load_config(self) -> None:
        """gunicorn asks for its settings."""
        for name, value in {**_SETTINGS, "bind": self._address}.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """gunicorn asks for the application."""
        return self._make()
