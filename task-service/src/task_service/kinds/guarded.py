"""HTTP calls that reach public addresses only, end in time, and can be broken off from another thread.

An address is checked when the connection is made: what a name meant before does not matter (DNS rebinding).
"""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError
from urllib3.util.connection import create_connection

T = TypeVar("T")
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
LOOK_SECONDS = 0.05
_NAT64 = ip_network("64:ff9b::/96")


class ForbiddenAddressError(Exception):
    """A name leads to an address that may not be called."""


class Aborted(Exception):  # noqa: N818 - what has happened
    """The call was broken off."""


def is_public(address: str) -> bool:
    """True for a unicast address of the public Internet, as itself or inside of an IPv6 address that carries it."""
    parsed = _carried(ip_address(address.partition("%")[0]))
    return parsed.is_global and not parsed.is_multicast


def _carried(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address


class GuardedCalls:
    """Calls one after the other. Connections are used once."""

    def __init__(self, networks: Sequence[str], seconds: float) -> None:
        """networks: whose addresses may be called although they are not public; seconds: for all calls together."""
        self._networks = [ip_network(each) for each in networks]
        self._ends = time.monotonic() + seconds
        self._seconds = seconds
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._closed = False
        self._adapter = _GuardedAdapter(self)

    def call(self, work: Callable[[], T], wait: Callable[[float], None]) -> T:
        """The result of `work`, which sends a request, in a thread of its own.

        wait: called meanwhile; an error that it raises aborts the call. Raises the errors of `work`; Aborted at the end
        of the time.
        """
        done: list[Any] = []

        def run() -> None:
            try:
                done.append((True, work()))
            except Exception as error:  # noqa: BLE001 - raised below
                done.append((False, error))

        thread = threading.Thread(target=run, name="http-kind", daemon=True)
        thread.start()
        while thread.is_alive():
            if time.monotonic() > self._ends:
                self.close()
                thread.join(1.0)
                raise Aborted(f"The call was not answered within {self._seconds:g} s.")
            wait(LOOK_SECONDS)
        succeeded, outcome = done[0]
        if not succeeded:
            raise outcome
        return outcome  # type: ignore[no-any-return]

    def send(self, request: requests.Request) -> requests.Response:
        """The head of the answer to a request; redirects are not followed, cookies not kept."""
        prepared = request.prepare()
        return self._adapter.send(prepared, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS), verify=True)

    def connect(self, host: str, port: int, timeout: float | None, options: Any) -> socket.socket:
        """A connection to the first address of a host that answers. Raises ForbiddenAddressError, OSError."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            self._demand_allowed(host, address)
        failed: OSError = OSError(f"{host} has no address")
        for address in addresses:
            try:
                opened = create_connection((address, port), timeout, socket_options=options)
            except OSError as error:
                failed = error
                continue
            with self._lock:
                self._sockets.append(opened)
                if self._closed:
                    opened.close()
                    raise Aborted
            return opened
        raise failed

    def close(self) -> None:
        """Break off whatever is under way."""
        with self._lock:
            self._closed = True
            for opened in self._sockets:
                try:
                    opened.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
        self._adapter.close()

    def _demand_allowed(self, host: str, address: str) -> None:
        parsed = _carried(ip_address(address.partition("%")[0]))
        if is_public(address) or any(parsed in network for network in self._networks):
            return
        raise ForbiddenAddressError(f"{host} leads to a private address, which may not be called here.")


class _GuardedAdapter(HTTPAdapter):
    """Makes connections by `GuardedCalls.connect`. No proxy, no repetition."""

    def __init__(self, calls: GuardedCalls) -> None:
        self._calls = calls
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **_: Any) -> None:
        """Pools whose connections are guarded."""
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block)
        self.poolmanager.pool_classes_by_scheme = {
            scheme: type("Guarded", (pool,), {"ConnectionCls": _guarded(connection, self._calls)})
            for scheme, pool, connection in (
                ("http", HTTPConnectionPool, HTTPConnection),
                ("https", HTTPSConnectionPool, HTTPSConnection),
            )
        }


def _guarded(base: type[HTTPConnection], calls: GuardedCalls) -> type[HTTPConnection]:
    class Guarded(base):  # type: ignore[misc, valid-type]
        def _new_conn(self) -> socket.socket:
            timeout = self.timeout if isinstance(self.timeout, int | float) else CONNECT_SECONDS
            try:
                return calls.connect(self._dns_host, self.port, timeout, self.socket_options)
            except OSError as error:
                raise NewConnectionError(self, f"{type(error).__name__}") from error

    return Guarded
