"""A file with an access token that is always fresh, for programs that read it again and again."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from rich.markup import escape

from token_vault import files
from token_vault.output import say
from token_vault_client import FreshAccessToken, VaultUnavailable

SHORTEST_SECONDS = 1.0


class Keeper:
    """Keeps one file fresh: replaced at half of the token's life, whole or not at all."""

    def __init__(self, fetch: Callable[[int], FreshAccessToken], path: Path, mode: int = 0o600) -> None:
        """fetch: gives a token that should live for so many seconds."""
        self._fetch = fetch
        self._path = path
        self._mode = mode

    def renew(self, prefer_valid: float = 0.0) -> float:
        """Write a token; the seconds of life that it has. Raises VaultError and CommandError."""
        token = self._fetch(int(prefer_valid))
        files.replace(self._path, token.value, self._mode)
        return token.expires_in

    def keep(self, life: float, stopped: threading.Event) -> None:
        """Keep the file fresh until `stopped`; life: seconds of what it holds now.

        While the vault is unavailable, it keeps trying. Raises VaultError when the grant gives no tokens any more.
        """
        self._holds(life)
        while not stopped.wait(self._pause):
            self._renew_if_possible()

    def _renew_if_possible(self) -> None:
        try:
            self._holds(self.renew(self._life * 0.9))
        except VaultUnavailable as error:
            self._pause = max(error.retry_after, SHORTEST_SECONDS)
            if time.monotonic() > self._ends:
                say(f"[yellow]![/] {escape(str(self._path))} holds a token that has expired: {escape(error.detail)}")

    def _holds(self, life: float) -> None:
        self._life, self._ends = life, time.monotonic() + life
        self._pause = max(life / 2, SHORTEST_SECONDS)
