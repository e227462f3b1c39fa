"""`file` and `run`: tokens for programs that know nothing of the vault."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.markup import escape

from token_vault.context import Context, looks_like_an_id
from token_vault.keeper import Keeper
from token_vault.output import USAGE, CommandError, say
from token_vault_client import TokenVaultClient, VaultError

DEFAULT_FILE_VARIABLE = "BEARER_TOKEN_FILE"
NOT_FOUND, NOT_EXECUTABLE = 127, 126
_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_TYPED = (signal.SIGINT, signal.SIGQUIT)
"""The terminal sends these to the command too."""
Scopes = Annotated[list[str] | None, typer.Option("--scope", help="A part of the grant's scopes; may be repeated.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("file")(file_)
    app.command("run")(run_)


def file_(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="[GRANT] PATH", help="A ticket needs no GRANT.")],
    scope: Scopes = None,
    once: Annotated[bool, typer.Option("--once", help="Write it and end.")] = False,
    mode: Annotated[str, typer.Option(help="The file's mode, in octal.")] = "600",
) -> None:
    """Keep a fresh token in a file until it is stopped: a sidecar.

    The file is replaced as a whole at half of the token's life. The command ends with status 4 when the grant
    has ended.
    """
    here: Context = context.obj
    grant, (path, *more) = _split(here, words, "GRANT and PATH")
    if more:
        raise CommandError(USAGE, f"one PATH is enough; {more[0]} is one too many")
    grant_id = here.grant_id(grant)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    with here.vault() as vault:
        keeper = _keeper(vault, grant_id, scope, Path(path), _mode(mode))
        life = keeper.renew()
        if once:
            return
        say(f"[green]✓[/] {path} is kept fresh")
        keeper.keep(life, stopped)


def run_(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="[GRANT] -- COMMAND...", help="A ticket needs no GRANT.")],
    scope: Scopes = None,
    env: Annotated[str | None, typer.Option(help="Put the token itself into this variable; it is not renewed.")] = None,
    file_env: Annotated[
        str, typer.Option(help="The variable that names the file with the token, which is kept fresh.")
    ] = DEFAULT_FILE_VARIABLE,
) -> None:
    """Run a command with a token: in a file that is kept fresh, or in its environment.

    It ends with the command's status.
    """
    here: Context = context.obj
    grant, command = _split(here, words, "GRANT and COMMAND")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))  # not without removing the file
    grant_id = here.grant_id(grant)
    with here.vault() as vault:
        if env is not None:
            token = vault.access_token(grant_id, scopes=scope or ())
            raise typer.Exit(_run(command, {**_environment(), env: token.value}))
        folder = Path(tempfile.mkdtemp(prefix="token-vault-", dir=os.environ.get("XDG_RUNTIME_DIR") or None))
        try:
            keeper = _keeper(vault, grant_id, scope, folder / "token", 0o600)
            life, stopped = keeper.renew(), threading.Event()
            thread = threading.Thread(target=_keep, args=(keeper, life, stopped), daemon=True)
            thread.start()
            status = _run(command, {**_environment(), file_env: str(folder / "token")})
            stopped.set()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(status)


def _keep(keeper: Keeper, life: float, stopped: threading.Event) -> None:
    try:
        keeper.keep(life, stopped)
    except (VaultError, CommandError) as error:
        if not stopped.is_set():
            say(f"[red]✗[/] the token is not renewed any more: {error}")


def _keeper(vault: TokenVaultClient, grant_id: str | None, scope: list[str] | None, path: Path, mode: int) -> Keeper:
    return Keeper(
        lambda seconds: vault.access_token(grant_id, prefer_valid=seconds, scopes=scope or ()), path.absolute(), mode
    )


def _split(here: Context, words: Sequence[str], expected: str) -> tuple[str | None, list[str]]:
    """The grant and the rest; with a ticket, the first word is a grant only when it is an id. Raises CommandError."""
    first = None if here.has_ticket and not looks_like_an_id(words[0]) else words[0]
    rest = list(words) if first is None else list(words[1:])
    if not rest:
        raise CommandError(USAGE, f"say {expected}")
    return first, rest


def _environment() -> dict[str, str]:
    """The command's environment: all variables but the credentials of this program."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TOKEN_VAULT_TICKET")}


def _run(command: Sequence[str], environ: dict[str, str]) -> int:
    """Run it with the signals that come here; its status as a shell gives it."""
    children: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        if not children:
            early.append(number)  # it is just being started
        for child in children:
            child.send_signal(number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    before |= {number: signal.signal(number, lambda *_: None) for number in _TYPED}
    try:
        children.append(subprocess.Popen(command, env=environ))
        for number in early:
            children[0].send_signal(number)
        status = children[0].wait()
    except FileNotFoundError:
        say(f"[red]✗[/] there is no command {escape(command[0])}")
        return NOT_FOUND
    except OSError as error:
        say(f"[red]✗[/] {escape(command[0])} cannot be run: {error.strerror}")
        return NOT_EXECUTABLE
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 128 - status if status < 0 else status


def _mode(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 < mode <= 0o777:
        raise CommandError(USAGE, f"--mode {text} is no mode in octal")
    return mode
