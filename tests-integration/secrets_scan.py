"""Looks for secrets where none may be: in logs, in both databases, in Redis.

Three rules. A signed JWT counts, whatever it is for. So does any long random string in base64url: an authorization
code, `state`, `nonce`, `code_verifier`, a cookie, the signature of a token; identifiers and digests here are UUIDs and
hexadecimal. And the values that are known count in every form in which they may be written.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import psycopg
import redis
from psycopg import sql
from stack import Stack

JWT = re.compile(rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}")
RANDOM = re.compile(
    rb"(?<![A-Za-z0-9_-])"
    rb"(?=[A-Za-z0-9_-]*[a-z])(?=[A-Za-z0-9_-]*[A-Z])(?=[A-Za-z0-9_-]*[0-9])"
    rb"[A-Za-z0-9_-]{40,}"
)
"""At least 240 bits in base64url; lower case, upper case and digits, which names of functions and tests have not."""
_UUID = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
KEYCLOAK_CODE = re.compile(rb"\.".join([_UUID] * 3))
KINDS = {"a JWT": JWT, "a random string": RANDOM, "an authorization code": KEYCLOAK_CODE}
SECRET_NAMES = ("VAULT_CLIENT_SECRET", "TASK_SERVICE_CLIENT_SECRET", "JUPYTERHUB_CLIENT_SECRET")


class Secrets:
    """Values that must not be written down, and how to find them."""

    def __init__(self, known: Mapping[str, str]) -> None:
        """known: each value, and what it is."""
        self._forms = {form: what for value, what in known.items() for form in _forms(value)}

    def found_in(self, content: bytes) -> set[str]:
        """The found secrets: names of known values, and kinds of unnamed ones."""
        known = {what for form, what in self._forms.items() if form in content}
        return known | {kind for kind, pattern in KINDS.items() if pattern.search(content)}


def _forms(value: str) -> Iterator[bytes]:
    """As it is, in lower case, as URLs and encoders write it; of a token also its last part, the signature."""
    for text in {value, value.rpartition(".")[2]}:
        yield text.encode()
        yield text.lower().encode()
        yield quote(text, safe="").encode()
        yield text.encode().hex().encode()
        yield base64.b64encode(text.encode()).rstrip(b"=")


def leaks(stack: Stack) -> list[str]:
    """The places of secrets that were found, and their names; empty without any."""
    secrets = Secrets(known_secrets(stack))
    return [
        f"{place}: {', '.join(sorted(found))}"
        for place, content in written(stack)
        if (found := secrets.found_in(content))
    ]


def known_secrets(stack: Stack) -> dict[str, str]:
    """The stack's own secrets, and what they are for."""
    files = (stack.state_dir / "secrets").iterdir()
    return {path.read_text().strip(): path.name for path in files} | {stack[name]: name for name in SECRET_NAMES}


def written(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Everything that the stack has written and that is not the authorization server's own: place and content."""
    for path in (stack.state_dir / "log").iterdir():
        if path.name != "idp.log":
            yield f"log {path.name}", path.read_bytes()
    superuser = stack["POSTGRES_SUPERUSER_URL"]
    for database in ("vault", "tasks"):
        yield from tables(superuser.rpartition("/")[0] + f"/{database}", database)
    yield from redis_values(stack["REDIS_URL"])


def tables(url: str, database: str) -> Iterator[tuple[str, bytes]]:
    """Each row of each table: place and content."""
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and relkind in ('r', 'p') and not relispartition"  # a partitioned table shows what its parts hold
        ).fetchall()
        for (name,) in names:
            rows = connection.execute(sql.SQL("select * from {}").format(sql.Identifier(name))).fetchall()
            for row in rows:
                content = b"\n".join(bytes(v) if isinstance(v, bytes) else str(v).encode() for v in row)
                yield f"table {database}.{name}", content


def redis_values(url: str) -> Iterator[tuple[str, bytes]]:
    """Each entry: place, and its key and value."""
    with redis.Redis.from_url(url, protocol=2) as client:
        for key in client.scan_iter():
            yield "redis", bytes(key) + b"\n" + (client.get(key) or b"")
