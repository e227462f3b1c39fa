"""Creates the secrets of a compose stack in one volume, and writes a folder for each part with its secrets.

`own/` has the secrets, one file each. `made` lists the names of all secrets that were ever created. If a listed secret
is missing, it was lost; creating it again would hide that, so nothing is done. A secret that is not listed came with a
newer release and is created. The first secrets are created in a draft folder that becomes `own/` when it is complete,
so a crash leaves all of them or none. The other folders are written from `own/` at every start. No file is readable by
everybody; the parts read theirs through the group.
"""

import base64
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

EX_CONFIG = 78  # sysexits.h
MODE = 0o440
OWN = "own"
DRAFT = ".own.new"
MADE = "made"
ROOT_KEY = "root_key"
BEFORE_THE_LIST = (
    ROOT_KEY,
    "database_superuser",
    "database_vault",
    "database_vault_owner",
    "database_tasks",
    "database_tasks_owner",
    "redis",
    "keycloak_admin",
    "grafana_admin",
    "vault_client_secret",
    "task_service_client_secret",
)
"""The secrets of releases that kept no list: if one of them exists without a list, all of them were created."""
NAMES = (*BEFORE_THE_LIST, "jupyterhub_client_secret")
"""All secrets of this release. Add new names here; they are created if they were never created before."""
REDIS_CONF = """requirepass {password}
save ""
appendonly no
maxmemory-policy allkeys-lru
"""
_USABLE = re.compile(r"[A-Za-z0-9._~=-]+")  # valid in URLs, SQL, JSON and redis.conf without quoting
_PLACEHOLDER = re.compile(r"\$\{([A-Z_]+)\}")


class SecretsError(Exception):
    """The secrets cannot be used; the message says in one line what to do."""


def main(arguments: list[str], environ: Mapping[str, str] = os.environ) -> int:
    """Create missing secrets in the named folder; returns the exit status."""
    folder = Path(arguments[0])
    try:
        made = make(folder)
        values = read(folder / OWN)
        for path, text in rendered(values, environ["PUBLIC_URL"]).items():
            write(folder / path, text)
    except SecretsError as error:
        sys.stderr.write(f"secrets: {error}\n")
        return EX_CONFIG
    sys.stdout.write(f"secrets: {len(made)} made, {len(values)} there\n")
    return 0


def make(folder: Path) -> list[str]:
    """Create the secrets that were never created; returns their names. Raises SecretsError if one is lost."""
    own, listed = folder / OWN, folder / MADE
    known = _known(own, listed)
    missing = [name for name in NAMES if not (own / name).exists()]
    if lost := [name for name in missing if name in known]:
        raise SecretsError(f"{', '.join(f'{OWN}/{name}' for name in lost)} missing: restore it from a backup")
    if known:
        for name in missing:
            write(own / name, _new(name))
    else:
        draft = folder / DRAFT
        shutil.rmtree(draft, ignore_errors=True)  # of an interrupted start: its contents were never used
        for name in missing:
            write(draft / name, _new(name))
        draft.replace(own)
        _settle(folder)
    if not listed.exists() or not known.issuperset(NAMES):
        write(listed, "".join(f"{name}\n" for name in sorted(known.union(NAMES))))
    return missing


def _known(own: Path, listed: Path) -> set[str]:
    """The names of all secrets that were created before."""
    try:
        names = set(listed.read_text(encoding="ascii").split()) if listed.exists() else set()
    except OSError as error:
        raise SecretsError(f"{MADE} cannot be read: {error.strerror}") from error
    return names or (set(BEFORE_THE_LIST) if own.is_dir() and any(own.iterdir()) else set())


def _new(name: str) -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() if name == ROOT_KEY else secrets.token_hex(24)


def read(own: Path) -> dict[str, str]:
    """The secrets by name. Raises SecretsError when one is unusable, unreadable, or open to everybody."""
    values = {}
    for name in NAMES:
        path = own / name
        try:
            if path.stat().st_mode & (stat.S_IRWXO | stat.S_IWGRP):
                raise SecretsError(f"{OWN}/{name} is readable by everybody or writable by its group: chmod 440 it")
            values[name] = path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise SecretsError(f"{OWN}/{name} cannot be read: {error.strerror}") from error
        if not _USABLE.fullmatch(values[name]):
            raise SecretsError(f"{OWN}/{name} is empty, or has other characters than letters, digits and . _ ~ - =")
    return values


def rendered(values: Mapping[str, str], public_url: str) -> dict[str, str]:
    """The files of the parts: path and content."""
    beside = Path(__file__).parent
    placeholders = {name.upper(): value for name, value in values.items()} | {"GATEWAY_URL": public_url}

    def database(role: str, name: str) -> str:
        return f"postgresql://{role}:{values[f'database_{role}']}@postgres:5432/{name}"

    def template(name: str) -> str:
        return _PLACEHOLDER.sub(lambda match: placeholders[match[1]], (beside / name).read_text(encoding="utf-8"))

    return {
        "vault/database_url": database("vault", "vault"),
        "vault/redis_url": f"redis://:{values['redis']}@redis:6379/0",
        "vault/root_key": values[ROOT_KEY],
        "vault/client_secret": values["vault_client_secret"],
        "vault-migrate/database_url": database("vault_owner", "vault"),
        "tasks/database_url": database("tasks", "tasks"),
        "tasks/client_secret": values["task_service_client_secret"],
        "tasks-migrate/database_url": database("tasks_owner", "tasks"),
        "postgres/password": values["database_superuser"],
        "postgres-init/databases.sql": template("databases.sql"),
        "redis/password": values["redis"],
        "redis/redis.conf": REDIS_CONF.format(password=values["redis"]),
        "keycloak/admin_password": values["keycloak_admin"],
        "grafana/admin_password": values["grafana_admin"],
        "keycloak-realm/realm.json": template("realm-demo.json"),
    }


def write(path: Path, text: str) -> None:
    """Write a file atomically, readable by its owner and group only."""
    path.parent.mkdir(exist_ok=True, mode=0o755)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)
    _settle(path.parent)


def _settle(folder: Path) -> None:
    """Flush a folder to the disk, so that its entries survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
