"""Client sessions and their refresh tokens: rotation, reuse detection, and Keycloak's words for every way to fail.

Spending the old token and storing the new one are one transaction: of parallel requests with one token, at most
`1 + refreshTokenMaxReuse` succeed; one more ends the session.
"""

import sqlite3
import uuid
from dataclasses import dataclass

from authlib.oauth2.rfc6749 import InvalidGrantError

from dev_idp.realm import User
from dev_idp.store import Store, now
from dev_idp.tokens import Tokens

REVOKED = "revoked"
REUSED = "reused"


@dataclass(frozen=True, slots=True)
class Session:
    """A live client session."""

    sid: str
    client_id: str
    user_id: str
    scope: str
    offline: bool


class Sessions:
    """The realm's client sessions."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store = store
        self._tokens = tokens

    def begin(self, client_id: str, user_id: str, scope: str, sso_sid: str | None) -> Session:
        """Start one. Offline sessions have an id of their own; online ones live and die with the login."""
        offline = "offline_access" in scope.split()
        sid = str(uuid.uuid4())
        self._store.run(
            "insert into sessions (sid, sso_sid, client_id, user_id, scope, offline, created_at, last_used)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            *(sid, sso_sid, client_id, user_id, scope, offline, now(), now()),
        )
        return Session(sid, client_id, user_id, scope, offline)

    def new_refresh_token(self, session: Session) -> str:
        """A refresh token for the session."""
        token, jti = self._tokens.refresh_token(
            session.client_id, session.user_id, session.sid, session.scope, offline=session.offline
        )
        self._store.run("insert into refresh_tokens values (?, ?, 0)", jti, session.sid)
        return token

    def find(self, refresh_token: str, client_id: str) -> tuple[Session, str]:
        """The session of a refresh token and the token's `jti`. Raises InvalidGrantError with Keycloak's text."""
        claims = self._tokens.read_refresh_token(refresh_token)
        if claims is None or claims.get("typ") not in {"Offline", "Refresh"}:
            raise InvalidGrantError("Invalid refresh token")
        if claims["azp"] != client_id:
            raise InvalidGrantError("Invalid refresh token. Token client and authorized client don't match")
        row = self._store.one("select * from sessions where sid = ?", claims["sid"])
        self._check(row, claims["typ"] == "Offline", claims["iat"])
        assert row is not None  # noqa: S101 - _check has seen it
        return _session(row), claims["jti"]

    def spend(self, session: Session, jti: str) -> str:
        """Use a refresh token and get the next one. Raises InvalidGrantError when it was used too often."""
        rules = self._tokens.realm.lifetimes
        exceeded = False
        with self._store.transaction():
            row = self._store.one(
                "select s.ended, t.uses from sessions s join refresh_tokens t using (sid) where t.jti = ?", jti
            )
            if row is None or row["ended"]:
                raise InvalidGrantError("Session doesn't have required client")
            exceeded = rules.rotate and row["uses"] > rules.max_reuse
            if exceeded:
                self._store.run("update sessions set ended = ? where sid = ?", REUSED, session.sid)
            else:
                self._store.run("update refresh_tokens set uses = uses + 1 where jti = ?", jti)
                self._store.run("update sessions set last_used = ? where sid = ?", now(), session.sid)
                token = self.new_refresh_token(session)
        if exceeded:
            raise InvalidGrantError("Maximum allowed refresh token reuse exceeded")
        return token

    def end(self, sid: str) -> None:
        """Revoke one session."""
        self._store.run("update sessions set ended = ? where sid = ? and ended = ''", REVOKED, sid)

    def withdraw_consent(self, user_id: str, client_id: str) -> None:
        """Forget a consent and end what was built on it."""
        self._store.run("delete from consents where user_id = ? and client_id = ?", user_id, client_id)
        self._store.run(
            "update sessions set ended = ? where user_id = ? and client_id = ? and ended = ''",
            *(REVOKED, user_id, client_id),
        )

    def end_login(self, sso_sid: str) -> None:
        """Log out: online sessions end, offline ones live on."""
        self._store.run(
            "update sessions set ended = ? where sso_sid = ? and offline = 0 and ended = ''", REVOKED, sso_sid
        )
        self._store.run("delete from sso_sessions where sid = ?", sso_sid)

    def is_enabled(self, user: User) -> bool:
        """Whether the person may log in."""
        row = self._store.one("select enabled from users where user_id = ?", user.id)
        return row is None or bool(row["enabled"])

    def _check(self, row: sqlite3.Row | None, offline: bool, issued_at: int) -> None:
        gone = "Offline user session not found" if offline else "Session not active"
        if row is None or row["ended"] == REVOKED:
            raise InvalidGrantError(gone)
        if row["ended"] == REUSED:
            raise InvalidGrantError("Session doesn't have required client")
        rules = self._tokens.realm.lifetimes
        if row["last_used"] + (rules.offline_idle if row["offline"] else rules.sso_idle) < now():
            raise InvalidGrantError("Offline session not active" if offline else "Session not active")
        if issued_at < self._store.remembered("not_before", int):
            raise InvalidGrantError("Stale token")
        user = self._tokens.realm.user(row["user_id"])
        if user is None or not self.is_enabled(user):
            raise InvalidGrantError("User disabled")


def _session(row: sqlite3.Row) -> Session:
    return Session(row["sid"], row["client_id"], row["user_id"], row["scope"], bool(row["offline"]))
