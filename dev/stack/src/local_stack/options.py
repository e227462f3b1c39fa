"""The options of the stack, and the places of its files."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[4]
"""The checkout."""


class StackError(Exception):
    """The stack cannot run the command; the message says in one line what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one stack. An option that is not given keeps its earlier value, or has its default.

    idp: `dev`, `keycloak`, or the URL of an existing issuer; second_idp: `keycloak` for a second authorization server,
    or empty.
    """

    state_dir: Path
    gateway_port: int
    idp_port: int
    idp: str
    idp_control: bool
    second_idp: str = ""
    second_idp_port: int = 8081

    @property
    def idp_kind(self) -> str:
        """`dev`, `keycloak` or `external`."""
        return self.idp if self.idp in {"dev", "keycloak"} else "external"

    @property
    def issuer(self) -> str:
        """The authorization server's name in tokens, and its address."""
        return self.idp if self.idp_kind == "external" else f"http://localhost:{self.idp_port}/realms/demo"

    @property
    def second_issuer(self) -> str:
        """The same for the second authorization server; empty when there is none."""
        return f"http://localhost:{self.second_idp_port}/realms/demo" if self.second_idp else ""

    @property
    def gateway_url(self) -> str:
        """The URL for browsers."""
        return f"http://localhost:{self.gateway_port}"

    @property
    def stack_env(self) -> Path:
        """The file with the stack's values, for tests and operators."""
        return self.state_dir / "stack.env"

    def folder(self, name: str) -> Path:
        """A folder of the stack, created if necessary, closed to other users."""
        path = self.state_dir / name
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path


def read(environ: Mapping[str, str] = os.environ) -> Options:
    """The options, from the environment and from the stack's earlier values. Raises StackError."""
    state_dir = (ROOT / (environ.get("STATE_DIR") or ".local")).resolve()
    before = read_env_file(state_dir / "stack.env")
    idp = environ.get("IDP") or before.get("IDP") or "dev"
    if idp == "external":
        idp = before["ISSUER"]
    if idp not in {"dev", "keycloak"} and not idp.startswith(("http://", "https://")):
        raise StackError(f"IDP={idp} is neither dev, nor keycloak, nor an issuer's URL")
    second_idp = environ.get("SECOND_IDP", before.get("SECOND_IDP", ""))
    if second_idp not in {"", "keycloak"} or (second_idp and idp != "dev"):
        raise StackError(f"SECOND_IDP={second_idp} is not keycloak beside IDP=dev")
    remembered_issuer = before.get("ISSUER") if before.get("IDP") in {"dev", "keycloak"} else None
    return Options(
        state_dir=state_dir,
        gateway_port=_port(environ, "GATEWAY_PORT", before.get("GATEWAY_URL"), 3000),
        idp_port=_port(environ, "IDP_PORT", remembered_issuer, 8080),
        idp=idp,
        idp_control=environ.get("IDP_CONTROL") == "1",
        second_idp=second_idp,
        second_idp_port=_port(environ, "SECOND_IDP_PORT", before.get("SECOND_ISSUER"), 8081),
    )


def _port(environ: Mapping[str, str], name: str, remembered_url: str | None, default: int) -> int:
    remembered = urlsplit(remembered_url or "").port
    text = environ.get(name) or str(remembered or default)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise StackError(f"{name}={text} is not a port number")
    return int(text)


def read_env_file(path: Path) -> dict[str, str]:
    """`KEY=value` lines; a missing file is empty."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file atomically, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def package_folder(name: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise StackError(f"the Python package {name} is not installed: run `make start`")
    return Path(spec.origin).parent


def machine() -> str:
    """The name of this machine in packages that contain programs: for example `linux-x86_64`."""
    return f"{platform.system().lower()}-{platform.machine().lower().replace('amd64', 'x86_64')}"
