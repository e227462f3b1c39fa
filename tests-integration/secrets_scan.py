"""Looks for secrets where none may be: in logs, in both databases, in Redis, in what the gateway's log says of URLs.

Any signed JWT counts, whatever it is for, and the stack's own secrets in the clear or in base64.
"""

import base64
import re
from collections.abc import Iterator

import psycopg
import redis
from psycopg import sql
from stack import Stack

JWT = re.compile(rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}")
SECRET_NAMES = ("VAULT_CLIENT_SECRET", "TASK_SERVICE_CLIENT_SECRET")


def leaks(stack: Stack) -> list[str]:
    """Where a secret was found; empty when all is well."""
    return [place for place, content in written(stack) if holds_secret(content, known_secrets(stack))]


def known_secrets(stack: Stack) -> list[bytes]:
    """The values that must not be written down, also as base64."""
    secrets = [path.read_bytes().strip() for path in (stack.state_dir / "secrets").iterdir()]
    secrets += [stack[name].encode() for name in SECRET_NAMES]
    return [form for secret in secrets for form in (secret, base64.b64encode(secret).rstrip(b"="))]


def holds_secret(content: bytes, secrets: list[bytes]) -> bool:
    """Whether a token or one of the secrets is in there."""
    return JWT.search(content) is not None or any(secret in content for secret in secrets)


def written(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Everything that the stack has written and that is not the authorization server's own: place and content."""
    for path in (stack.state_dir / "log").iterdir():
        if path.name != "idp.log":
            yield f"log {path.name}", path.read_bytes()
    superuser = stack["POSTGRES_SUPERUSER_URL"]
    for database in ("vault", "tasks"):
        yield from _tables(superuser.rpartition("/")[0] + f"/{database}", database)
    yield from _redis(stack["REDIS_URL"])


def _tables(url: str, database: str) -> Iterator[tuple[str, bytes]]:
    with psycopg.connect(url) as connection:
        names = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        for (name,) in names:
            rows = connection.execute(sql.SQL("select * from {}").format(sql.Identifier(name))).fetchall()
            for row in rows:
                content = b"\n".join(bytes(v) if isinstance(v, bytes) else str(v).encode() for v in row)
                yield f"table {database}.{name}", content


def _redis(url: str) -> Iterator[tuple[str, bytes]]:
    with redis.Redis.from_url(url, protocol=2) as client:
        for key in client.scan_iter():
            yield "redis", bytes(key) + b"\n" + (client.get(key) or b"")
