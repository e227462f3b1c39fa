"""`token-vault`: the commands put together, and errors turned into exit statuses."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from token_vault import output, profiles
from token_vault.commands import grants, login, run, tickets, tokens
from token_vault.context import Context
from token_vault_client import VaultError

EPILOG = (
    "Exit statuses: 0 done · 1 failed · 2 usage · 3 log in · 4 consent anew · 5 unknown · 75 try later · 77 denied. "
    "The answer alone is on stdout."
)
app = typer.Typer(
    name="token-vault",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        output.answer(version("token-vault"))
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    profile: Annotated[
        str | None,
        typer.Option("--profile", "-p", envvar="TOKEN_VAULT_PROFILE", help="A profile of the config file."),
    ] = None,
    vault: Annotated[
        str | None, typer.Option(envvar="TOKEN_VAULT_URL", help="The vault's address, instead of the profile's.")
    ] = None,
    issuer: Annotated[
        str | None, typer.Option(envvar="TOKEN_VAULT_ISSUER", help="The issuer, instead of the profile's.")
    ] = None,
    ticket_file: Annotated[
        Path | None,
        typer.Option(
            envvar="TOKEN_VAULT_TICKET_FILE",
            help="Use the ticket in this file instead of your login; TOKEN_VAULT_TICKET may hold one.",
        ),
    ] = None,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Your offline access, from the command line."""
    _ = show_version
    if context.resilient_parsing:
        return
    chosen = profiles.load(profile).with_given(vault=vault, issuer=issuer)
    context.obj = Context(chosen, ticket_file)


for module in (login, grants, tokens, run, tickets):
    module.register(app)


def main() -> None:
    """Run one command. Errors end it with the status that they mean."""
    try:
        app()
    except (VaultError, output.CommandError) as error:
        words = sys.argv[: sys.argv.index("--")] if "--" in sys.argv else sys.argv
        sys.exit(output.report(error, machine="--json" in words))
