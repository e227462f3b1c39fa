"""Device codes (RFC 8628): a program without a browser requests them, a person decides on another device.

The device code is stored as its hash; the person types the user code. Both end together.
"""

import hashlib
import re
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass

from authlib.oauth2.rfc6749 import InvalidGrantError

from dev_idp import errors
from dev_idp.logins import LoginSession
from dev_idp.store import Store

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 section 6.1: no vowels, nothing that looks like a digit


@dataclass(frozen=True, slots=True)
class Device:
    """A requested device code. user_code: eight letters; decision: ``, `approved`, `denied` or `used`.

    Times are seconds since the epoch, polled_at 0 before the first poll; interval: seconds between two polls.
    """

    user_code: str
    client_id: str
    scope: str
    nonce: str
    code_challenge: str
    interval: int
    expires_at: int
    polled_at: int = 0
    decision: str = ""
    user_id: str = ""
    login_sid: str = ""

    @property
    def shown_code(self) -> str:
        """The user code in the form for people."""
        return f"{self.user_code[:4]}-{self.user_code[4:]}"

    def get_client_id(self) -> str:
        """Authlib's name for it."""
        return self.client_id

    def get_scope(self) -> str:
        """Authlib's name for it."""
        return self.scope


class Devices:
    """The realm's device codes. `now` gives seconds since the epoch."""

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    def begin(
        self, client_id: str, scope: str, nonce: str, code_challenge: str, life: int, interval: int
    ) -> tuple[str, Device]:
        """Create a device code; returns it with its Device."""
        code = secrets.token_urlsafe(32)
        user_code = "".join(secrets.choice(_LETTERS) for _ in range(8))
        device = Device(user_code, client_id, scope, nonce, code_challenge, interval, self._now() + life)
        self._store.run("add_device", hash=_hash(code), **asdict(device))
        return code, device

    def pending(self, text: str) -> Device | None:
        """The undecided device of a user code, as people type it: in any case, with or without the hyphen."""
        letters = re.sub(r"[^A-Z]", "", text.upper())
        device = _device(self._store.one("device_by_user_code", user_code=letters, now=self._now()))
        return device if device and not device.decision else None

    def decide(self, device: Device, decision: str, login: LoginSession) -> bool:
        """Approve or deny; False if it is too late."""
        decided = self._store.run(
            "decide_device",
            user_code=device.user_code,
            decision=decision,
            user_id=login.user_id,
            login_sid=login.sid,
            now=self._now(),
        )
        return decided == 1

    def find(self, code: str) -> Device | None:
        """The device of a device code."""
        return _device(self._store.one("device", hash=_hash(code)))

    def is_over(self, device: Device) -> bool:
        """True if its time has ended."""
        return device.expires_at <= self._now()

    def polls_too_fast(self, code: str, device: Device) -> bool:
        """Record a poll; True if the previous poll was too recent. Then the interval grows (RFC 8628 section 3.5)."""
        too_fast = self._now() - device.polled_at < device.interval
        self._store.run("poll_device", hash=_hash(code), now=self._now(), more=5 if too_fast else 0)
        return too_fast

    def use(self, code: str) -> None:
        """Take an approved code. Raises InvalidGrantError if it was taken before."""
        if not self._store.run("use_device", hash=_hash(code)):
            raise InvalidGrantError(errors.DEVICE_CODE_NOT_VALID)


def _device(row: sqlite3.Row | None) -> Device | None:
    return Device(**{name: row[name] for name in Device.__dataclass_fields__}) if row else None


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
