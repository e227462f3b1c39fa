"""The login: an access token of the person, kept in `$XDG_STATE_HOME/token-vault/PROFILE.json`, mode 0600.

By default that is all: the login ends with the access token, after some minutes. Only `login --stay` keeps the refresh
token of the session too, in the same file or, with `--keyring`, in the system's keyring. It is never an offline token:
it ends with the session at the authorization server.
"""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from token_vault import files, profiles
from token_vault.oauth import LoginServer, LoginTokens
from token_vault.output import FAILED, LOG_IN, CommandError
from token_vault.profiles import Profile

RENEW_BEFORE_SECONDS = 30.0
FILE, KEYRING = "file", "keyring"
_SERVICE = "token-vault"


@dataclass
class StoredLogin:
    """A login as it is stored. ends_at: of the access token, seconds since the epoch; kept_in: FILE, KEYRING or empty.

    issuer and client_id: where it is good; another profile's address does not get its tokens.
    """

    issuer: str
    client_id: str
    access_token: str = field(repr=False)
    ends_at: float
    kept_in: str = ""
    refresh_token: str = field(default="", repr=False)


class SignedInSession:
    """The login of one profile."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self.path = profiles.state_folder() / f"{profile.name}.json"
        self._refused = ""

    def begin(self, tokens: LoginTokens, kept_in: str) -> StoredLogin:
        """Keep a new login. Raises CommandError."""
        login = StoredLogin(
            self._profile.issuer, self._profile.client_id, tokens.access_token, time.time() + tokens.expires_in, kept_in
        )
        if kept_in and not tokens.refresh_token:
            raise CommandError(FAILED, "the authorization server gave no refresh token", "log in without --stay")
        self._keep(login, tokens.refresh_token if kept_in else "")
        return login

    def read(self) -> StoredLogin | None:
        """The login, if there is one of this profile's issuer and client."""
        try:
            login = StoredLogin(**json.loads(self.path.read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, TypeError) as error:
            raise CommandError(LOG_IN, f"{self.path} cannot be read: {error}", "token-vault login") from None
        right = (login.issuer, login.client_id) == (self._profile.issuer, self._profile.client_id)
        return login if right else None

    def bearer(self) -> str:
        """An access token that is valid now, refreshed if the refresh token was kept. Raises CommandError."""
        login = self.read()
        if login is None:
            raise CommandError(LOG_IN, "you are not logged in", "token-vault login")
        if self._is_good(login):
            return login.access_token
        if not login.kept_in:
            hint = "token-vault login   (--stay keeps you logged in)"
            raise CommandError(LOG_IN, "your login has ended", hint)
        with self._alone():
            login = self.read() or login
            return login.access_token if self._is_good(login) else self._refresh(login)

    def refuse(self, token: str) -> None:
        """The vault does not accept that token: refresh before the next call."""
        self._refused = token

    def end(self) -> StoredLogin | None:
        """Forget the login; what was forgotten."""
        login = self.read()
        if login and login.kept_in == KEYRING:
            login.refresh_token = self._refresh_token(login)
            _keyring().delete_password(_SERVICE, self._profile.name)
        self.path.unlink(missing_ok=True)
        return login

    def _is_good(self, login: StoredLogin) -> bool:
        return login.access_token != self._refused and login.ends_at - time.time() > RENEW_BEFORE_SECONDS

    def _refresh(self, login: StoredLogin) -> str:
        server = LoginServer(self._profile)
        tokens = server.refresh(self._refresh_token(login))
        login.access_token, login.ends_at = tokens.access_token, time.time() + tokens.expires_in
        self._keep(login, tokens.refresh_token)
        return login.access_token

    def _refresh_token(self, login: StoredLogin) -> str:
        kept = _keyring().get_password(_SERVICE, self._profile.name) if login.kept_in == KEYRING else None
        return kept or login.refresh_token

    def _keep(self, login: StoredLogin, refresh_token: str) -> None:
        if login.kept_in == KEYRING:
            _keyring().set_password(_SERVICE, self._profile.name, refresh_token)
        login.refresh_token = refresh_token if login.kept_in == FILE else ""
        files.replace(self.path, json.dumps(asdict(login)))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process refreshes; the others wait and use what it has got: a refresh token is good for one use."""
        path = Path(f"{self.path}.lock")
        try:
            lock = path.open("w", encoding="utf-8")
        except OSError as error:
            raise CommandError(FAILED, f"{path} cannot be written: {error.strerror}") from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _keyring() -> Any:
    try:
        import keyring  # noqa: PLC0415 - an extra
    except ImportError:
        hint = "pip install 'token-vault[keyring]'"
        raise CommandError(FAILED, "the package keyring is not installed", hint) from None
    return keyring
