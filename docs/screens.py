"""Draws the screens of the command line, docs/images/command-line/*.svg: `make docs`.

Each screen is what `token-vault` prints at a terminal, run as a process in a home of its own, with the answers of
`prepared_vault.py`. So a screen changes with the program alone.
"""

import fcntl
import io
import json
import os
import pty
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Mapping
from html import escape
from pathlib import Path

from prepared_vault import TOKEN, answering
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

COLUMNS, ROWS = 100, 60
TIMEOUT_SECONDS = 60
SCREENS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "help": ("The commands", ("token-vault --help",)),
    "login": ("Log in on another device", ("token-vault login --device",)),
    "list": ("What you have granted", ("token-vault list",)),
    "get": ("One access token", ("token-vault get nightly", "token-vault get nightly --format header")),
    "json": ("The same as JSON", ("token-vault get nightly --json",)),
    "ticket": (
        "A ticket for a cron line",
        (
            'token-vault ticket create nightly --name "cron on login3" --expires-in 2592000 > ~/.ticket',
            "TOKEN_VAULT_TICKET_FILE=~/.ticket token-vault get",
            "token-vault ticket list nightly",
        ),
    ),
    "error": ("A grant that was revoked", ("token-vault get weekly", "echo $?")),
}
"""Each screen: its file's name, its title, and what is typed into one shell."""
NORMAL = [(72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34), (88, 166, 255), (188, 140, 255), (57, 197, 207)]
NORMAL += [(177, 186, 196)]
BRIGHT = [(110, 118, 129), (255, 161, 152), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255)]
BRIGHT += [(86, 212, 221), (240, 246, 252)]
THEME = TerminalTheme(
    (13, 17, 23),
    (230, 237, 243),
    NORMAL,
    BRIGHT,
)
"""Dark, in the colours of `picture.DARK`, with an edge: it stands out from light and dark pages alike."""
FORMAT = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="LABEL">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, 'DejaVu Sans Mono', Menlo, monospace }}
.{unique_id}-title {{ font: 600 16px system-ui, 'DejaVu Sans', sans-serif }}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""As rich has it, without the fonts that it loads from elsewhere."""


def draw(name: str) -> str:
    """A screen as SVG. Runs its commands."""
    title, commands = SCREENS[name]
    typed = _at_a_terminal(_script(commands))
    console = Console(record=True, file=io.StringIO(), width=COLUMNS, force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(typed), soft_wrap=False)
    label = escape(f"{title}: {'; '.join(commands)}", quote=True).replace("{", "{{").replace("}", "}}")
    svg = console.export_svg(
        title=title, theme=THEME, code_format=FORMAT.replace("LABEL", label), unique_id=f"screen-{name}"
    )
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def _script(commands: tuple[str, ...]) -> str:
    """A shell script that prints a prompt with each command before its answer, and keeps `$?` between them."""
    lines = ["status=0"]
    for command in commands:
        lines += [
            f"printf '\\033[1;32m$\\033[0m %s\\n' {shlex.quote(command)}",
            f"(exit $status); {command}",
            "status=$?",
        ]
    return "\n".join(lines)


def _at_a_terminal(script: str) -> str:
    """The output of a shell at a terminal of COLUMNS columns, logged in. Raises ValueError when it does not end."""
    with answering() as url, tempfile.TemporaryDirectory() as home:
        environ = _home(Path(home), url)
        ours, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        process = subprocess.Popen(
            ["/bin/sh", "-c", script],
            env=environ,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        guard = threading.Timer(TIMEOUT_SECONDS, process.kill)
        guard.start()
        try:
            printed = b"".join(iter(lambda: _read(ours), b""))
            if process.wait() < 0:
                raise ValueError(f"a screen's commands have not ended in {TIMEOUT_SECONDS} s:\n{script}")
        finally:
            guard.cancel()
            os.close(ours)
    return printed.decode().replace("\r\n", "\n").rstrip("\n")


def _read(terminal: int) -> bytes:
    """The next bytes; empty at the end of the output."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def _home(home: Path, url: str) -> dict[str, str]:
    """Lay a login into a home; the environment of a shell there."""
    login = {"issuer": url, "client_id": "token-vault-cli", "access_token": TOKEN, "ends_at": 4e9}
    state = home / ".local" / "state" / "token-vault" / "default.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps(login), encoding="utf-8")
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(home),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "TOKEN_VAULT_URL": url,
        "TOKEN_VAULT_ISSUER": url,
    }
