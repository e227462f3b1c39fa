"""The environment of each part: made of the stack's values that the part reads, and of little else.

A variable of the shell that starts the stack reaches a part only if it is listed here. Otherwise PGSSLMODE,
GUNICORN_CMD_ARGS, PYTHONPATH or NODE_ENV of that shell would change the parts, and each part would hold all secrets.
"""

import os
from collections.abc import Mapping

MACHINE = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""What every program may know of the machine and of the account."""

_READS = {
    "vault": (
        *("PUBLIC_URL", "ISSUER", "REDIS_URL", "VAULT_DATABASE_URL", "VAULT_ROOT_KEY_FILE", "VAULT_SPOOL_DIR"),
        *(
            "VAULT_CLIENT_ID",
            "VAULT_CLIENT_SECRET",
            "VAULT_OWNER_CLIENTS",
            "VAULT_PROVIDERS_FILE",
            "VAULT_SERVICES_FILE",
            "VAULT_INTERNAL_URLS",
        ),
    ),
    "tasks": (
        *("PUBLIC_URL", "ISSUER", "VAULT_URL", "TASK_DATABASE_URL"),
        *("TASK_SERVICE_CLIENT_ID", "TASK_SERVICE_CLIENT_SECRET"),
    ),
}
_READS |= {
    "worker": _READS["tasks"],
    "vault-migrations": ("VAULT_MIGRATION_DATABASE_URL",),
    "tasks-migrations": ("TASK_MIGRATION_DATABASE_URL",),
}
"""The stack's values that a part reads."""

_CHOICES = {"vault": ("VAULT_", "LOG_LEVEL"), "tasks": ("TASK_", "LOG_LEVEL"), "worker": ("TASK_", "LOG_LEVEL")}
"""Settings of a service that you may give in the shell: by the beginning of their names."""

_NETWORK = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
"""What the vault may read if you give it `VAULT_NETWORK_VARIABLES=usual`."""

LIBPQ = "PG"
"""The beginning of the names of all variables that libpq reads."""


def of_part(name: str, values: Mapping[str, str], shell: Mapping[str, str], *machine: str) -> dict[str, str]:
    """The environment of a part.

    values: the stack's; shell: the environment of the command; machine: variables to pass beside `MACHINE`.
    """
    if name == "vault" and "VAULT_NETWORK_VARIABLES" in shell:
        machine = (*machine, *_NETWORK)
    chosen = {
        key: value
        for key, value in shell.items()
        if key in {*MACHINE, *machine} or (key not in values and key.startswith(_CHOICES.get(name, ())))
    }
    return chosen | {key: values[key] for key in _READS.get(name, ()) if key in values}


def forget_libpq() -> None:
    """Remove libpq's variables from this process: the stack's URLs have all that its connections need."""
    for name in [name for name in os.environ if name.startswith(LIBPQ)]:
        del os.environ[name]
