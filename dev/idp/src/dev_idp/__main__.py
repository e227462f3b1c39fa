"""`python -m dev_idp`: serves one realm on the loopback interface."""

import argparse
import ipaddress
import os
import socket
import sys
from pathlib import Path

from flask import Flask

from dev_idp import control, realm_file
from dev_idp.app import create_app
from dev_idp.realm import Realm
from dev_idp.serving import DevelopmentServer

_REFUSED = 78  # EX_CONFIG of sysexits.h


def main() -> int:
    """Parse the options and serve until SIGTERM; returns the exit status."""
    options = _parser().parse_args()
    if not _is_loopback(options.host):
        return _refuse(f"{options.host} is not a loopback address; this server is for development only")
    try:
        realm = realm_file.load(options.realm_file)
        options.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except realm_file.RealmError as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"cannot keep state in {options.state_dir}: {error.strerror}")
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain http, on loopback only
    host = f"[{options.host}]" if ":" in options.host else options.host
    DevelopmentServer(f"{host}:{options.port}", lambda: _make(realm, options)).run()
    return 0


def _make(realm: Realm, options: argparse.Namespace) -> Flask:
    app = create_app(realm, options.state_dir / "idp.sqlite", f"http://localhost:{options.port}")
    if options.control:
        control.install(app)
    return app


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev_idp", description="Development authorization server, Keycloak-shaped.")
    parser.add_argument("--realm-file", type=Path, required=True, help="a Keycloak realm file without placeholders")
    parser.add_argument("--state-dir", type=Path, required=True, help="where keys, logins and grants are kept")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address; anything else is refused")
    parser.add_argument("--control", action="store_true", help="mount /_control, with which tests cause trouble")
    return parser


def _is_loopback(host: str) -> bool:
    try:
        addresses = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def _refuse(reason: str) -> int:
    sys.stderr.write(f"dev_idp: {reason}\n")
    return _REFUSED


if __name__ == "__main__":
    sys.exit(main())
