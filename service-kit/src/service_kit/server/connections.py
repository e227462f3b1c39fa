"""Shares new connections out among a service's processes: they go to the process that has the fewest.

Otherwise the process that wakes first accepts all connections that arrive together. Behind a gateway that keeps its
connections, one core would then do all the work. gunicorn's master forks the processes, so that they share a table of
how many connections each of them has.
"""

import socket
import time
from collections.abc import Iterable
from mmap import mmap
from typing import Any

LIMIT = 1000
"""Connections of one process."""
HESITATION_SECONDS = 0.0005
UNREAD_SECONDS = 60
"""The kernel ends a connection whose peer has confirmed nothing of what was sent for so long (TCP_USER_TIMEOUT)."""

_PROCESSES = 1024
_FREE = -1
_table = memoryview(mmap(-1, 4 * _PROCESSES)).cast("i")
_table[:] = memoryview(_FREE.to_bytes(4, "little", signed=True) * _PROCESSES).cast("i")


class Place:
    """A process's line in the table. Taken and left by the master, used by the process."""

    def __init__(self) -> None:
        self._index = _table.tolist().index(_FREE)
        _table[self._index] = 0

    @property
    def connections(self) -> int:
        """The number of connections of the process."""
        return _table[self._index]

    def count(self, change: int) -> None:
        """The process has so many more, or fewer."""
        _table[self._index] += change

    def has_more_than_another(self) -> bool:
        """True when a process of this service has fewer connections."""
        return self.connections > min(number for number in _table.tolist() if number != _FREE)

    def leave(self) -> None:
        """The process has ended."""
        _table[self._index] = _FREE


class Listener(socket.socket):
    """A listening socket of a process. The process hesitates before it accepts more connections than another has."""

    place: Place

    def accept(self) -> tuple[socket.socket, Any]:
        """Like `socket.accept`. The connection is counted; the caller counts its end."""
        if self.place.has_more_than_another():
            time.sleep(HESITATION_SECONDS)
        accepted = super().accept()
        self.place.count(1)
        return accepted


def listeners(sockets: Iterable[socket.socket], place: Place) -> list[Listener]:
    """The same listening sockets for the process at that place; the given ones are closed."""
    shared = [Listener(fileno=each.detach()) for each in sockets]
    for listener in shared:
        listener.place = place
        if listener.family in {socket.AF_INET, socket.AF_INET6}:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * UNREAD_SECONDS)
    return shared
