"""An Airflow secrets backend: connections whose password is a fresh access token of a person, by a ticket.

In `airflow.cfg`, with this file on the PYTHONPATH of Airflow:

    [secrets]
    backend = token_vault_backend.TokenVaultBackend
    backend_kwargs = {"vault_url": "https://tasks.example.org",
                      "connections": {"reports": {"ticket_file": "/etc/airflow/reports.ticket",
                                                  "conn_type": "http", "host": "https://api.example.org"}},
                      "variables": {"REPORTS_TOKEN": "/etc/airflow/reports.ticket"}}

Neither Airflow's database nor its configuration holds a token.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from airflow.sdk.bases.secrets_backend import BaseSecretsBackend

from token_vault_client import TokenFile, TokenVaultClient, VaultError

log = logging.getLogger(__name__)


class TokenVaultBackend(BaseSecretsBackend):
    """Answers for the connections and variables that its configuration names, and leaves all others to the next one."""

    def __init__(
        self,
        vault_url: str,
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """connections: by id, the members of the connection and `ticket_file`; variables: by key, a ticket file."""
        super().__init__()
        self._vault_url = vault_url
        self._connections = connections or {}
        self._variables = variables or {}

    def get_conn_value(self, conn_id: str, team_name: str | None = None) -> str | None:  # noqa: ARG002 - Airflow's own
        """The connection as JSON, with a token as its password. Raises VaultError."""
        if conn_id not in self._connections:
            return None
        members = dict(self._connections[conn_id])
        password = self._token(members.pop("ticket_file"), f"connection {conn_id}")
        return json.dumps({**members, "password": password})

    def get_variable(self, key: str, team_name: str | None = None) -> str | None:  # noqa: ARG002 - Airflow's own
        """A token. Raises VaultError."""
        return self._token(self._variables[key], f"variable {key}") if key in self._variables else None

    def _token(self, ticket_file: str, what: str) -> str:
        """An access token, from the client's cache for this process or from the vault."""
        try:
            with TokenVaultClient(self._vault_url, TokenFile(ticket_file)) as vault:
                return vault.access_token().value
        except VaultError as error:  # Airflow says only that there is no such connection
            log.error("no token for the %s (%s): %s %s", what, error.code, error, error.advice)  # noqa: TRY400 - says it all
            raise
