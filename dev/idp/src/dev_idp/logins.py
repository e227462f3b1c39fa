"""People: their logins, whether they are enabled, and their consents."""

import hashlib
import hmac
import secrets
import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from dev_idp.realm import Realm, User
from dev_idp.store import Store


@dataclass(frozen=True, slots=True)
class LoginSession:
    """A person who logged in. Times are seconds since the epoch."""

    sid: str
    user_id: str
    auth_time: int
    last_seen: int


class Logins:
    """The realm's logins and consents. `now` gives seconds since the epoch."""

    def __init__(self, store: Store, realm: Realm, now: Callable[[], int]) -> None:
        self._store = store
        self._realm = realm
        self._now = now

    def authenticate(self, username: str, password: str) -> User | None:
        """The person with this name and password, enabled or not."""
        user = self._realm.users.get(username.strip().lower())
        expected = user.password if user else ""
        right = hmac.compare_digest(expected.encode(), password.encode())
        return user if expected and right else None

    def is_enabled(self, user: User) -> bool:
        """True if the person may log in and refresh."""
        row = self._store.one("user", user_id=user.id)
        return user.enabled if row is None else bool(row["enabled"])

    def not_before(self) -> int:
        """Make everything that was issued earlier invalid."""
        return int(self._store.remembered("not_before", int))

    def begin(self, user: User) -> tuple[LoginSession, str]:
        """Start a login in a browser; returns it with the value of its cookie."""
        cookie = secrets.token_urlsafe(32)
        return self._add(user, _hash(cookie)), cookie

    def begin_without_browser(self, user: User) -> LoginSession:
        """Start a login by a password grant."""
        return self._add(user, None)

    def renew(self, login: LoginSession) -> None:
        """Renew a login: the same person has entered the password again."""
        self._store.run("renew_login", sid=login.sid, now=self._now())

    def of_browser(self, cookie: str) -> LoginSession | None:
        """The login of a browser's cookie."""
        return self._live(self._store.one("login_by_cookie", cookie=_hash(cookie)))

    def find(self, sid: str) -> LoginSession | None:
        """The login with that id."""
        return self._live(self._store.one("login", sid=sid))

    def of_user(self, user_id: str) -> list[LoginSession]:
        """All logins of a person."""
        return [_login(row) for row in self._store.all("logins_of_user", user_id=user_id)]

    def seconds_left(self, login: LoginSession) -> int:
        """Seconds until the login ends without activity."""
        return self._realm.lifetimes.login_ends(login.auth_time, self._now()) - self._now()

    def touch(self, sid: str) -> None:
        """Record activity of a login."""
        self._store.run("touch_login", sid=sid, now=self._now())

    def end(self, sid: str) -> None:
        """Log out; `Grants.log_out` ends the grants of the login."""
        self._store.run("remove_login", sid=sid)

    def consented(self, user_id: str, client_id: str) -> set[str]:
        """The scopes that a person consented to."""
        row = self._store.one("consent", user_id=user_id, client_id=client_id)
        return set(row["scopes"].split()) if row else set()

    def consent(self, user_id: str, client_id: str, scopes: set[str]) -> None:
        """Add scopes to what a person consented to."""
        scopes = scopes | self.consented(user_id, client_id)
        self._store.run("keep_consent", user_id=user_id, client_id=client_id, scopes=" ".join(sorted(scopes)))

    def forget_consent(self, user_id: str, client_id: str) -> None:
        """Withdraw a consent."""
        self._store.run("remove_consent", user_id=user_id, client_id=client_id)

    def _add(self, user: User, cookie: str | None) -> LoginSession:
        login = LoginSession(str(uuid.uuid4()), user.id, self._now(), self._now())
        self._store.run("add_login", sid=login.sid, cookie=cookie, user_id=user.id, now=login.auth_time)
        return login

    def _live(self, row: sqlite3.Row | None) -> LoginSession | None:
        login = _login(row) if row else None
        ends = self._realm.lifetimes.login_ends(login.auth_time, login.last_seen) if login else 0
        return login if ends > self._now() else None


def _login(row: sqlite3.Row) -> LoginSession:
    return LoginSession(row["sid"], row["user_id"], row["auth_time"], row["last_seen"])


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
