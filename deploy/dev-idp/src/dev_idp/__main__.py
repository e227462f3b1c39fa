"""`python -m dev_idp`: serve one realm on the loopback interface."""

import argparse
import ipaddress
import os
import socket
import sys
from pathlib import Path
from typing import Any

from dev_idp import control, realm
from dev_idp.app import create_app


def main() -> int:
    """Parse the options and serve until SIGTERM; the exit status."""
    parser = argparse.ArgumentParser(prog="dev_idp", description=__doc__)
    parser.add_argument("--realm-file", type=Path, required=True, help="a Keycloak realm file without placeholders")
    parser.add_argument("--state-dir", type=Path, required=True, help="where keys, logins and grants are kept")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address; anything else is refused")
    parser.add_argument("--control", action="store_true", help="mount /_control, with which tests cause trouble")
    options = parser.parse_args()
    if not _is_loopback(options.host):
        return _refuse(f"{options.host} is not a loopback address; this server is for development only")
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain http, on loopback only
    try:
        loaded = realm.load(options.realm_file)
    except realm.RealmError as error:
        return _refuse(str(error))
    options.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    app = create_app(loaded, options.state_dir, f"http://localhost:{options.port}")
    if options.control:
        control.install(app)
    _serve(app, f"{options.host}:{options.port}")
    return 0


def _is_loopback(host: str) -> bool:
    try:
        addresses = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def _serve(app: Any, bind: str) -> None:
    from gunicorn.app.base import BaseApplication  # noqa: PLC0415 - not needed to refuse

    class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
        def load_config(self) -> None:
            settings = {
                "bind": bind,
                "worker_class": "gthread",
                "workers": 1,
                "threads": 16,
                "loglevel": "warning",
                "graceful_timeout": 5,
                "control_socket_disable": True,
            }
            for name, value in settings.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return app

    Server().run()


def _refuse(reason: str) -> int:
    sys.stderr.write(f"dev_idp: {reason}\n")
    return 78


if __name__ == "__main__":
    sys.exit(main())
