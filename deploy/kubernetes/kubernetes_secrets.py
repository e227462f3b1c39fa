"""Prints the Secrets of one deployment as JSON, for `kubectl create -f -`; the README has the commands.

Never use `kubectl apply`: each call creates new keys, and if you lose the root key, you lose every stored token.
Passwords that only the cluster needs are created here; other secrets come from the environment, never from a command
line.
"""

import argparse
import base64
import json
import os
import secrets
import sys
from collections.abc import Mapping
from typing import Any

NAMESPACE = "offline-token-vault"
CLIENT_SECRETS = ("VAULT_CLIENT_SECRET", "TASK_SERVICE_CLIENT_SECRET")
MANAGED_URLS = (
    "VAULT_DATABASE_URL",
    "VAULT_MIGRATION_DATABASE_URL",
    "TASK_DATABASE_URL",
    "TASK_MIGRATION_DATABASE_URL",
    "REDIS_URL",
)
ROLES = {"vault": "vault", "vault_owner": "vault", "tasks": "tasks", "tasks_owner": "tasks"}
"""Roles of the operator's cluster, each with the only database that it may open."""
REDIS_CONF = """requirepass {password}
save ""
appendonly no
maxmemory {maxmemory}
maxmemory-policy allkeys-lru
"""

Objects = list[dict[str, Any]]


def main(arguments: list[str], environ: Mapping[str, str] = os.environ) -> int:
    """Print the Secrets of an overlay; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("overlay", choices=["cloudnative-pg", "managed"])
    overlay = parser.parse_args(arguments).overlay
    needed = [*CLIENT_SECRETS, *(MANAGED_URLS if overlay == "managed" else ())]
    if missing := [name for name in needed if not environ.get(name)]:
        sys.stderr.write(f"not in the environment: {', '.join(missing)}\n")
        return 1
    objects = managed(environ) if overlay == "managed" else operated(environ)
    json.dump({"apiVersion": "v1", "kind": "List", "items": objects}, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 0


def managed(environ: Mapping[str, str]) -> Objects:
    """Secrets for databases and a Redis outside the cluster."""
    return services(environ, {name: environ[name] for name in MANAGED_URLS})


def operated(environ: Mapping[str, str]) -> Objects:
    """Secrets for a CloudNativePG cluster and a Redis: the same passwords for servers and clients."""
    passwords = {role: secrets.token_hex(24) for role in ROLES}
    redis = secrets.token_hex(24)
    conf = REDIS_CONF.format(password=redis, maxmemory=environ.get("REDIS_MAXMEMORY") or "64mb")

    def url(role: str) -> str:
        where = f"database-rw:5432/{ROLES[role]}"
        return f"postgresql://{role}:{passwords[role]}@{where}?sslmode=verify-full&sslrootcert=/run/secrets/authority/ca.crt"

    urls = {
        "VAULT_DATABASE_URL": url("vault"),
        "VAULT_MIGRATION_DATABASE_URL": url("vault_owner"),
        "TASK_DATABASE_URL": url("tasks"),
        "TASK_MIGRATION_DATABASE_URL": url("tasks_owner"),
        "REDIS_URL": f"redis://:{redis}@redis:6379/0",
    }
    return [
        *services(environ, urls),
        secret("redis", {"redis.conf": conf, "password": redis}),
        *(
            secret(
                f"database-{role.replace('_', '-')}",
                {"username": role, "password": passwords[role]},
                type="kubernetes.io/basic-auth",
            )
            for role in ROLES
        ),
    ]


def services(environ: Mapping[str, str], urls: Mapping[str, str]) -> Objects:
    """The Secrets of the services."""
    root_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return [
        secret(
            "vault",
            {
                "database_url": urls["VAULT_DATABASE_URL"],
                "redis_url": urls["REDIS_URL"],
                "client_secret": environ["VAULT_CLIENT_SECRET"],
            },
        ),
        secret("vault-root-key", {"root_key": root_key}, immutable=True),
        secret("vault-migrate", {"database_url": urls["VAULT_MIGRATION_DATABASE_URL"]}),
        secret(
            "tasks",
            {"database_url": urls["TASK_DATABASE_URL"], "client_secret": environ["TASK_SERVICE_CLIENT_SECRET"]},
        ),
        secret("tasks-migrate", {"database_url": urls["TASK_MIGRATION_DATABASE_URL"]}),
    ]


def secret(name: str, values: Mapping[str, str], **more: object) -> dict[str, Any]:
    """One Secret. more: its other members."""
    labels = {"app.kubernetes.io/part-of": NAMESPACE}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(values), **more}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
