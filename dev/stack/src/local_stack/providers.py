"""The providers file of a stack with two authorization servers."""

from pathlib import Path

from local_stack.options import write_private

FILE = "providers.toml"
SECOND_CLIENT_SECRET = "second_vault_client_secret"  # noqa: S105 - the name of its file
_CONTENT = """\
default = "default"

[providers.default]
issuer = "{issuer}"
client_id = "token-vault"
client_secret_file = "secrets/vault_client_secret"

[providers.keycloak]
issuer = "{second_issuer}"
client_id = "token-vault"
client_secret_file = "secrets/{secret}"
offline = {{ idle = "30d", maximum = "365d" }}
"""


def write(folder: Path, issuer: str, second_issuer: str) -> Path:
    """Write the file into a stack's folder, beside the secrets that it names."""
    path = folder / FILE
    write_private(path, _CONTENT.format(issuer=issuer, second_issuer=second_issuer, secret=SECOND_CLIENT_SECRET))
    return path
