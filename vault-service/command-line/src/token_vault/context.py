"""The context of every command: the profile, the credentials, the client."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from token_vault.output import UNKNOWN, USAGE, CommandError
from token_vault.profiles import Profile
from token_vault.sessions import SignedInSession
from token_vault_client import Bearer, Credentials, TicketCredentials, TokenCache, TokenFile, TokenVaultClient

TICKET_VARIABLE = "TOKEN_VAULT_TICKET"
PATIENCE_SECONDS = 10.0
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class LoginCredentials(Bearer):
    """The access token of the person's login; refreshed once when the vault does not accept it."""

    def __init__(self, session: SignedInSession) -> None:
        super().__init__(session.bearer)
        self._session = session

    def forget(self, cache: TokenCache) -> None:  # noqa: ARG002 - the login is kept elsewhere
        """Refresh for the next call, where that can be done."""
        login = self._session.read()
        if login and login.kept_in:
            self._session.refuse(login.access_token)


@dataclass
class Context:
    """The options of this call. ticket_file: of `--ticket-file`."""

    profile: Profile
    ticket_file: Path | None = None

    @property
    def has_ticket(self) -> bool:
        """True when a ticket is used instead of the login."""
        return self.ticket_file is not None or bool(os.environ.get(TICKET_VARIABLE))

    def credentials(self) -> Credentials:
        """The ticket if there is one, else the login. Raises CommandError."""
        if self.ticket_file is not None:
            return TokenFile(self.ticket_file)
        try:
            if ticket := os.environ.get(TICKET_VARIABLE):
                return TicketCredentials(ticket)
        except ValueError as error:
            raise CommandError(USAGE, f"{TICKET_VARIABLE}: {error}") from None
        return LoginCredentials(SignedInSession(self.profile.demand("vault", "issuer")))

    def vault(self, *, patience: float = PATIENCE_SECONDS) -> TokenVaultClient:
        """The client; each call asks the vault. Raises CommandError."""
        profile = self.profile.demand("vault")
        return TokenVaultClient(
            profile.vault, self.credentials(), session=profile.http(), patience=patience, cache=None
        )

    def grant_id(self, text: str | None) -> str | None:
        """The id of a grant that is named by its id, the beginning of it, or what it is for. None: a ticket's.

        Raises CommandError and VaultError.
        """
        if text is None:
            if self.has_ticket:
                return None
            raise CommandError(USAGE, "say which grant: its id, the beginning of it, or its name", "token-vault list")
        if _UUID.fullmatch(text):
            return text.lower()
        with self.vault() as vault:
            grants = vault.grants()
        named = [
            grant for grant in grants if text in {grant.name, *grant.task_ids} and grant.status in {"active", "pending"}
        ]
        hits = named or [grant for grant in grants if grant.persistent_token_id.startswith(text.lower())]
        if len(hits) != 1:
            what = f"{len(hits)} grants are" if hits else "no grant is"
            raise CommandError(UNKNOWN, f"{what} called {text}", "token-vault list")
        return hits[0].persistent_token_id

    def known_grant_id(self, text: str) -> str:
        """The same for commands that a ticket cannot do."""
        return str(self.grant_id(text))


def looks_like_an_id(text: str) -> bool:
    """True for a UUID."""
    return _UUID.fullmatch(text) is not None
