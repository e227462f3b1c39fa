"""`get` and `git-credential`: one access token, in the shape that a program wants."""

import contextlib
import sys
from enum import Enum
from typing import Annotated

import typer

from token_vault.context import Context
from token_vault.output import USAGE, CommandError, answer, answer_json, say
from token_vault_client import FreshAccessToken, VaultError

GrantOrNone = Annotated[
    str | None,
    typer.Argument(metavar="GRANT", help="Its id, the beginning of it, or its name; a ticket needs none."),
]


class TokenFormat(str, Enum):
    """The form in which a token is printed."""

    RAW = "raw"
    JSON = "json"
    HEADER = "header"
    EXEC_CREDENTIAL = "exec-credential"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(get)
    app.command("git-credential")(git_credential)


def get(
    context: typer.Context,
    grant: GrantOrNone = None,
    scope: Annotated[list[str] | None, typer.Option(help="A part of the grant's scopes; may be repeated.")] = None,
    min_valid: Annotated[int, typer.Option(min=0, help="Seconds of life that it must have left.")] = 0,
    shape: Annotated[TokenFormat, typer.Option("--format", "-f", help="How it is printed.")] = TokenFormat.RAW,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Print a fresh access token, and nothing else.

    `exec-credential` is what kubectl reads (client.authentication.k8s.io/v1).
    """
    here: Context = context.obj
    with here.vault() as vault:
        token = vault.access_token(here.grant_id(grant), min_valid=min_valid, scopes=scope or ())
    _print(token, TokenFormat.JSON if as_json else shape)


def _print(token: FreshAccessToken, shape: TokenFormat) -> None:
    if shape is TokenFormat.RAW:
        answer(token.value)
    elif shape is TokenFormat.HEADER:
        answer(f"Authorization: Bearer {token.value}")
    elif shape is TokenFormat.JSON:
        answer_json(
            {
                "accessToken": token.value,
                "tokenType": "Bearer",
                "expiresIn": int(token.expires_in),
                "expiresAt": token.expires_at,
                "scope": " ".join(sorted(token.scopes)),
                "persistentTokenId": token.persistent_token_id,
            }
        )
    else:
        status = {"token": token.value, "expirationTimestamp": token.expires_at}
        answer_json({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})


def git_credential(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="[GRANT] OPERATION", help="OPERATION is git's.")],
    username: Annotated[str, typer.Option(help="The user name that the server wants beside a token.")] = "oauth2",
) -> None:
    """Be git's credential helper: `git config credential.https://HOST.helper '!token-vault git-credential GRANT'`.

    Answers for https only. When the server refuses the token, git says so, and the next one is another.
    """
    here: Context = context.obj
    *grants, operation = words
    if len(grants) > 1:
        raise CommandError(USAGE, "git-credential takes a grant and git's operation")
    asked = dict(line.split("=", 1) for line in sys.stdin.read().splitlines() if "=" in line)
    if operation not in {"get", "erase"}:
        return
    if asked.get("protocol") != "https":
        say("token-vault: tokens are given for https only")
        return
    with here.vault() as vault:
        grant_id = here.grant_id(grants[0] if grants else None)
        if operation == "erase":
            with contextlib.suppress(VaultError):
                vault.access_token(grant_id, refused=asked.get("password", ""))
            return
        token = vault.access_token(grant_id)
    expiry = int(token.expires_at.timestamp())
    answer(f"username={username}\npassword={token.value}\npassword_expiry_utc={expiry}")
