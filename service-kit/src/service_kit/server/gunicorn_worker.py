"""gunicorn's worker for both services: uvicorn with `HttpProtocol`, which runs a `Front`.

Hooks of `service_kit.server.gunicorn_config` call `prepare` and `leave`.
"""

import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

from uvicorn_worker import UvicornWorker

from service_kit.server.connections import Place, listeners
from service_kit.server.front import Front
from service_kit.server.http_protocol import HttpProtocol


class Worker(UvicornWorker):  # type: ignore[misc] # it has no types
    """Set as `worker_class`."""

    sockets: Sequence[socket.socket]
    wsgi: Any

    CONFIG_KWARGS: dict[str, Any] = {  # noqa: RUF012 - uvicorn_worker's way to be configured
        "http": HttpProtocol,
        "loop": "asyncio",  # it accepts through `Listener`; uvloop would accept past it
        "lifespan": "on",
        "ws": "none",
        "interface": "asgi3",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """gunicorn: in the master, before the process is forked."""
        self._place = Place()
        super().__init__(*args, **kwargs)

    def init_signals(self) -> None:
        """gunicorn: uvicorn repeats the signal that stopped it. Then this process exits: its threads finish their work.

        A refresh whose caller has left is finished and stored by such a thread.
        """
        super().init_signals()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))

    def prepare(self, threads: int) -> None:
        """The application is loaded: run it as ASGI, and share connections evenly with the other processes.

        All objects that exist now will stay, so the garbage collector need not look at them again: that takes tens of
        milliseconds in which no other thread runs.
        """
        uvicorns = logging.getLogger("uvicorn.error")
        uvicorns.handlers, uvicorns.propagate = [], True  # in the form of the service's own log
        uvicorns.setLevel(logging.ERROR)  # not: each malformed request once more
        HttpProtocol.place = self._place
        self.sockets = listeners(self.sockets, self._place)
        self.wsgi = Front(self.wsgi, threads, self._beat)
        gc.collect()
        gc.freeze()

    def leave(self) -> None:
        """In the master: the process has ended."""
        self._place.leave()

    def _beat(self) -> None:
        """Tell the master that this process lives; stop when the master is gone or has said so by SIGQUIT."""
        self.notify()
        if self.ppid != os.getppid() or not self.alive:
            signal.raise_signal(signal.SIGTERM)
