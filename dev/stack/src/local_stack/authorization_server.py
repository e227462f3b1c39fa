"""The authorization server: the development server, the real Keycloak, or an existing one."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from local_stack import environments, gateway, http
from local_stack.options import ROOT, StackError, write_private
from local_stack.process import Part

REALM_FILE = ROOT / "deploy" / "keycloak" / "realm-demo.json"
KEYCLOAK = "26.7.3"
KEYCLOAK_SHA256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
KEYCLOAK_START_SECONDS = 300.0
JAVA_VERSION = 17


def render_realm(folder: Path, values: Mapping[str, str]) -> Path:
    """The realm file with this stack's addresses and secrets."""
    path = folder / "realm.json"
    write_private(path, gateway.render(REALM_FILE.read_text(encoding="utf-8"), values))
    return path


def development(folder: Path, realm: Path, port: int, *, control: bool) -> Part:
    """`dev/idp`."""
    command = [sys.executable, "-m", "dev_idp"]
    command += ["--realm-file", str(realm), "--state-dir", str(folder), "--port", str(port)]
    return Part(
        name="idp", command=command + (["--control"] if control else []), ready=lambda: http.answers(issuer_probe(port))
    )


def issuer_probe(port: int) -> str:
    """A URL that answers when the realm is ready."""
    return f"http://localhost:{port}/realms/demo/.well-known/openid-configuration"


def keycloak(name: str, folder: Path, realm: Path, port: int, admin_password: str) -> Part:
    """The real Keycloak, from its own distribution, on the machine's Java. name: the name of the part."""
    _demand_java()
    home = folder / f"keycloak-{KEYCLOAK}"
    if not home.exists():
        _install(home)
    imports = home / "data" / "import"
    imports.mkdir(parents=True, exist_ok=True)
    shutil.copy(realm, imports / "realm.json")
    return Part(
        name=name,
        command=[
            "/bin/bash",
            str(home / "bin" / "kc.sh"),
            *("start-dev", "--import-realm", "--http-host=127.0.0.1", f"--http-port={port}"),
        ],
        environ=environments.of_part(name, {}, os.environ, "JAVA_HOME", "JAVA_OPTS_APPEND")
        | {
            "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": admin_password,
            "KC_DB_URL_PROPERTIES": ";WRITE_DELAY=0",  # otherwise H2 loses the last half second when it is killed
            "KC_HTTP_MANAGEMENT_PORT": "0",
            "KC_HTTP_MANAGEMENT_HOST": "127.0.0.1",
        },
        ready=lambda: http.answers(issuer_probe(port)),
        start_seconds=KEYCLOAK_START_SECONDS,
    )


def _demand_java() -> None:
    java = str(Path(os.environ["JAVA_HOME"], "bin", "java")) if os.environ.get("JAVA_HOME") else "java"  # as kc.sh does
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        raise StackError(f"IDP=keycloak needs Java {JAVA_VERSION} or newer on the PATH") from None
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < JAVA_VERSION:
        raise StackError(f"IDP=keycloak needs Java {JAVA_VERSION} or newer; this is {told.splitlines()[0]}")


def _install(home: Path) -> None:
    """Unpack the distribution; an existing folder is complete."""
    archive = _distribution()
    draft = home.with_suffix(".unpacking")
    shutil.rmtree(draft, ignore_errors=True)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(draft)
    (draft / f"keycloak-{KEYCLOAK}").rename(home)
    shutil.rmtree(draft)


def _distribution() -> Path:
    """The archive. Maven fetches it once for all stacks of a user; its checksum is verified each time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "offline-token-vault"
    archive = cache / f"keycloak-quarkus-dist-{KEYCLOAK}.zip"
    if not archive.exists():
        _fetch(archive)
    with archive.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != KEYCLOAK_SHA256:
            raise StackError(f"{archive} is not Keycloak {KEYCLOAK}: its checksum is wrong; remove it and try again")
    return archive


def _fetch(archive: Path) -> None:
    if shutil.which("mvn") is None:
        raise StackError(f"IDP=keycloak fetches Keycloak with Maven (mvn); or put {archive.name} into {archive.parent}")
    archive.parent.mkdir(parents=True, exist_ok=True)
    artifact = f"org.keycloak:keycloak-quarkus-dist:{KEYCLOAK}:zip"
    with tempfile.TemporaryDirectory(dir=archive.parent) as draft:  # several stacks may fetch it at once
        done = subprocess.run(
            ["mvn", "-B", "-q", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={draft}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"Maven could not fetch {artifact}: {done.stdout.strip()[-300:]}")
        (Path(draft) / archive.name).replace(archive)
