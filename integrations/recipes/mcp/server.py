"""An MCP server whose tool calls an API for the person at the client. It runs on the person's machine, over stdio.

When the person has not granted access yet, the tool answers with the address where they do (URL mode elicitation of
MCP); the client opens it and calls the tool again. The grant is found by its `taskId`, so nothing is stored here.
`BEARER_FILE` names a file with an access token of the person, which another program keeps fresh.
"""

import os
from typing import Any

import requests
from mcp.server import MCPServer
from mcp.shared.exceptions import UrlElicitationRequiredError
from mcp.types import ElicitRequestURLParams

from token_vault_client import TokenFile, TokenVaultClient

NAME = "mcp:whoami"
vault = TokenVaultClient(os.environ["VAULT_URL"], TokenFile(os.environ["BEARER_FILE"]))
server = MCPServer("whoami")


@server.tool()
def whoami() -> str:
    """Who the API says you are."""
    usable = [grant for grant in vault.grants(task_id=NAME) if grant.status == "active"]
    if not usable:
        raise consent_needed()
    answer: dict[str, Any] = requests.get(
        os.environ["API_URL"], auth=vault.auth(usable[0].persistent_token_id), timeout=10
    ).json()
    return str(answer["preferred_username"])


def consent_needed() -> UrlElicitationRequiredError:
    """Tells the client where the person grants access."""
    asked = vault.request_consent(task_id=NAME)
    question = ElicitRequestURLParams(
        mode="url",
        message="Allow the tool “whoami” to call the API for you",
        url=asked.url,
        elicitation_id=asked.persistent_token_id,
    )
    return UrlElicitationRequiredError([question])


if __name__ == "__main__":
    server.run("stdio")
