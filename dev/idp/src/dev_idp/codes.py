"""Authorization codes (RFC 6749 section 4.1.2): valid for a minute, for one use."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass

from authlib.oauth2.rfc6749 import InvalidGrantError

from dev_idp import errors
from dev_idp.grants import Grants
from dev_idp.store import Store

LIFETIME_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Code:
    """The consent that a code stands for, with the two methods that Authlib calls."""

    client_id: str
    user_id: str
    sid: str
    login_sid: str
    redirect_uri: str
    scope: str
    nonce: str
    code_challenge: str
    auth_time: int

    def get_redirect_uri(self) -> str:
        """The redirect URI that the code was issued for."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """The scopes that were consented to."""
        return self.scope


class Codes:
    """The realm's codes. `now` gives seconds since the epoch."""

    def __init__(self, store: Store, grants: Grants, now: Callable[[], int]) -> None:
        self._store = store
        self._grants = grants
        self._now = now

    def add(self, value: str, code: Code) -> None:
        """Store the hash of a code."""
        self._store.run("add_code", hash=_hash(value), expires_at=self._now() + LIFETIME_SECONDS, **asdict(code))

    def take(self, value: str, client_id: str) -> Code:
        """Consume a code. Raises InvalidGrantError; a code that is used twice ends an online grant of its first use."""
        row = self._store.one("code", hash=_hash(value))
        if row is None or row["client_id"] != client_id:
            raise InvalidGrantError(errors.CODE_NOT_VALID)
        if not self._store.run("use_code", hash=_hash(value)):
            self._grants.detach_online(row["sid"], client_id)
            raise InvalidGrantError(errors.CODE_NOT_VALID)
        if row["expires_at"] <= self._now():
            raise InvalidGrantError(errors.CODE_NOT_VALID)
        return Code(**{name: row[name] for name in Code.__dataclass_fields__})


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
