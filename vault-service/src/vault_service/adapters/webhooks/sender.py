"""Sends webhooks: `application.ports.webhooks.Sender`. Redirects are not followed, and answers are not read.

An address that is not global (loopback, private networks, link-local, where clouds keep credentials) is refused unless
it is configured. It is checked when the name is resolved, and again on the connection, before a byte is sent: a name
may resolve to something else the second time.
"""

import ipaddress
import socket
from time import monotonic
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from service_kit.outbound.session import Egress, Session
from service_kit.outbound.time_limits import LimitedConnection, TooLateError, Watch
from vault_service.application.ports.webhooks import NotDeliveredError
from vault_service.domain.webhook import Webhook

TOTAL_SECONDS = 10.0
CONNECT_SECONDS = 3.0
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


class PrivateAddressError(Exception):
    """The address is not a global one."""


def demand_global(address: str) -> None:
    """Raise PrivateAddressError for an IP address that is not global, or stands for another one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            demand_global(str(ip.ipv4_mapped))
            return
        if ip in _TRANSLATED or ip.sixtofour is not None or ip.teredo is not None:
            raise PrivateAddressError
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        raise PrivateAddressError


class _Global(LimitedConnection):
    """Connects to global addresses only."""

    def _new_conn(self) -> socket.socket:
        """Overrides urllib3: connect, without TLS yet."""
        for *_, address in socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM):
            demand_global(str(address[0]))
        connection: socket.socket = super()._new_conn()
        try:
            demand_global(connection.getpeername()[0])
        except PrivateAddressError:
            connection.close()
            raise
        return connection


class _GlobalPlain(_Global, HTTPConnection):
    pass


class _GlobalTls(_Global, HTTPSConnection):
    pass


class _Plain(LimitedConnection, HTTPConnection):
    pass


class _Tls(LimitedConnection, HTTPSConnection):
    pass


class _WebhookAdapter(HTTPAdapter):
    def __init__(self, plain: type[HTTPConnection], tls: type[HTTPSConnection]) -> None:
        self._pools = {
            "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }
        super().__init__(pool_connections=4, pool_maxsize=2)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Overrides requests: make the pools."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools


class WebhookSender:
    """Sends messages one after the other, each within TOTAL_SECONDS. It uses no proxy."""

    def __init__(self, ca_bundle: str | None = None) -> None:
        """ca_bundle: path of a PEM file with the certificate authorities to trust instead of the usual ones."""
        self._watch = Watch()
        self._global = _session(ca_bundle, _GlobalPlain, _GlobalTls)
        self._any = _session(ca_bundle, _Plain, _Tls)

    def send(self, webhook: Webhook, headers: dict[str, str], body: bytes) -> int:
        """The status of the answer."""
        session = self._any if webhook.allow_private else self._global
        ends = monotonic() + TOTAL_SECONDS
        try:
            with self._watch.limited(leave_by=ends, end_by=ends):
                answer = session.post(
                    webhook.url,
                    data=body,
                    headers=headers,
                    timeout=(CONNECT_SECONDS, TOTAL_SECONDS),
                    stream=True,
                    allow_redirects=False,
                )
        except PrivateAddressError:
            raise NotDeliveredError("private_address") from None
        except (requests.RequestException, OSError, TooLateError) as error:
            raise NotDeliveredError(type(error).__name__) from None
        answer.close()
        return answer.status_code


def _session(ca_bundle: str | None, plain: type[HTTPConnection], tls: type[HTTPSConnection]) -> Session:
    session = Session(egress=Egress(ca_bundle=ca_bundle))
    for scheme in ("http://", "https://"):
        session.mount(scheme, _WebhookAdapter(plain, tls))
    return session
