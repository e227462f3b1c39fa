"""Grants and their refresh tokens: a code or a password starts a grant, refreshing keeps it, several events end it.

Using a refresh token and storing its successor is one transaction: of parallel requests with one token at most
`1 + refreshTokenMaxReuse` succeed, and one more ends the grant.
"""

import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from authlib.oauth2.rfc6749 import InvalidGrantError

from dev_idp import errors, rotation
from dev_idp.keys import Keys
from dev_idp.logins import Logins, LoginSession
from dev_idp.realm import OFFLINE_ACCESS, Realm
from dev_idp.store import Store
from dev_idp.tokens import IssuedGrant, TokenMint

_REVOKED = "revoked"
_DETACHED = "detached"  # Keycloak's term for a client that lost its part in a session


@dataclass(frozen=True, slots=True)
class Presented:
    """A usable refresh token, and its grant. key: thumbprint of the key that it is bound to, or empty."""

    grant: IssuedGrant
    jti: str
    key: str


class Grants:
    """The realm's grants. `now` gives seconds since the epoch."""

    def __init__(
        self, store: Store, realm: Realm, keys: Keys, tokens: TokenMint, logins: Logins, now: Callable[[], int]
    ) -> None:
        self._store = store
        self._realm = realm
        self._keys = keys
        self._tokens = tokens
        self._logins = logins
        self._now = now

    def begin(self, client_id: str, login: LoginSession, scope: str, sid: str) -> IssuedGrant:
        """Start a grant. sid: from `new_sid`."""
        offline = OFFLINE_ACCESS in scope.split()
        row = self._store.one(
            "add_grant",
            sid=sid,
            client_id=client_id,
            user_id=login.user_id,
            scope=scope,
            offline=offline,
            auth_time=login.auth_time,
            now=self._now(),
        )
        assert row is not None  # noqa: S101 - the statement returns one
        return IssuedGrant(row["id"], sid, client_id, login.user_id, scope, offline, login.auth_time)

    def first_refresh_token(self, grant: IssuedGrant, key: str = "") -> str:
        """The first refresh token of a new grant. key: thumbprint of the key that it and its successors are bound to.

        Only those of public clients are bound (RFC 9449 section 5).
        """
        client = self._realm.clients[grant.client_id]
        return self._add_refresh_token(grant, 0, key if client.secret is None else "")

    def refresh_lifetime(self, grant: IssuedGrant) -> int:
        """Lifetime of a refresh token in seconds; 0 for an offline token, as in Keycloak."""
        login = None if grant.offline else self._logins.find(grant.sid)
        return self._logins.seconds_left(login) if login else 0

    def present(self, refresh_token: str, client_id: str) -> Presented:
        """Check a refresh token without using it. Raises InvalidGrantError with Keycloak's text."""
        claims = self._keys.read_secret(refresh_token)
        if claims is None:
            raise InvalidGrantError(errors.REFRESH_INVALID)
        if claims["azp"] != client_id:
            raise InvalidGrantError(errors.REFRESH_FOREIGN)
        own = self._store.one("grant_of_token", jti=claims["jti"])
        row = own or self._store.one("grant_of_session", sid=claims["sid"], client_id=client_id)
        reason = self._refusal(row, claims)
        if row is None or reason:
            raise InvalidGrantError(reason)
        return Presented(_grant(row), claims["jti"], claims.get("cnf", {}).get("jkt", ""))

    def spend(self, presented: Presented) -> str:
        """Use a refresh token and return the next one. Raises InvalidGrantError if it was used too often."""
        grant = presented.grant
        with self._store.transaction():
            row = self._store.one("grant_of_token", jti=presented.jti)
            refusal = self._spending_refusal(row)
            if row is not None and refusal is None:
                successor = self._rotate(presented, row)
            elif refusal != errors.SESSION_DETACHED:
                self.detach(grant.sid, grant.client_id)
        if refusal:
            raise InvalidGrantError(refusal)
        if not grant.offline:
            self._logins.touch(grant.sid)
        return successor

    def revoke(self, refresh_token: str, client_id: str) -> bool:
        """End the grant of a refresh token; True if there was one."""
        claims = self._keys.read_secret(refresh_token)
        if claims is None or claims["azp"] != client_id:
            return False
        return bool(self._store.run("end_session", sid=claims["sid"], client_id=client_id, ended=_REVOKED))

    def detach(self, sid: str, client_id: str) -> None:
        """End a client's part in a session, because a refresh token was used too often."""
        self._store.run("end_session", sid=sid, client_id=client_id, ended=_DETACHED)

    def detach_online(self, sid: str, client_id: str) -> None:
        """The same for online grants only: Keycloak does not end an offline grant because a code was used twice."""
        self._store.run("end_online_session", sid=sid, client_id=client_id, ended=_DETACHED)

    def log_out(self, sid: str) -> None:
        """End a login and its online grants; offline grants stay."""
        self._store.run("end_login", sid=sid, ended=_REVOKED)
        self._logins.end(sid)

    def withdraw_consent(self, user_id: str, client_id: str) -> None:
        """Delete a person's consent to a client, and end the grants that depend on it."""
        self._logins.forget_consent(user_id, client_id)
        self._store.run("end_grants_of_client", user_id=user_id, client_id=client_id, ended=_REVOKED)

    def is_live(self, sid: str, client_id: str) -> bool:
        """True if the session of an access token has not ended."""
        return self._store.one("live_session", sid=sid, client_id=client_id) is not None

    def _refusal(self, row: sqlite3.Row | None, claims: dict[str, object]) -> str | None:
        offline = claims["typ"] == "Offline"
        user = self._realm.user(row["user_id"]) if row is not None else None
        if row is None or row["ended"] == _REVOKED:
            return errors.OFFLINE_SESSION_GONE if offline else errors.SESSION_GONE
        if user is None or not self._logins.is_enabled(user):
            return errors.USER_DISABLED
        if row["ended"]:
            return errors.SESSION_DETACHED
        if not isinstance(claims["iat"], int) or claims["iat"] < self._logins.not_before():
            return errors.REFRESH_STALE
        if offline:
            idle = row["last_used"] + self._realm.lifetimes.offline_idle <= self._now()
            return errors.OFFLINE_SESSION_IDLE if idle else None
        return None if self._logins.find(row["sid"]) else errors.REFRESH_EXPIRED

    def _spending_refusal(self, row: sqlite3.Row | None) -> str | None:
        if row is None:
            return errors.REFRESH_STALE  # so old that it has been deleted
        if row["ended"]:
            return errors.SESSION_DETACHED
        use = rotation.TokenUse(uses=row["uses"], generation=row["token_generation"], newest_used=row["generation"])
        return rotation.refusal(self._realm.lifetimes, use)

    def _rotate(self, presented: Presented, row: sqlite3.Row) -> str:
        grant, jti = presented.grant, presented.jti
        generation = row["token_generation"]
        self._store.run("use_grant", id=grant.id, generation=generation, reuse=row["uses"] > 0, now=self._now())
        if not self._realm.lifetimes.rotate:
            return self._add_refresh_token(grant, generation, presented.key)
        self._store.run("spend_refresh_token", jti=jti)
        self._store.run("forget_older_refresh_tokens", grant_id=grant.id, generation=generation)
        return self._add_refresh_token(grant, generation + 1, presented.key)

    def _add_refresh_token(self, grant: IssuedGrant, generation: int, key: str) -> str:
        token, jti = self._tokens.refresh_token(grant, self.refresh_lifetime(grant), key)
        self._store.run("add_refresh_token", jti=jti, grant_id=grant.id, generation=generation)
        return token


def new_sid(login_sid: str, scope: str) -> str:
    """The session id of a grant. An offline grant has its own, so that it outlives the login and ends by itself."""
    return str(uuid.uuid4()) if OFFLINE_ACCESS in scope.split() else login_sid


def _grant(row: sqlite3.Row) -> IssuedGrant:
    return IssuedGrant(
        row["id"],
        row["sid"],
        row["client_id"],
        row["user_id"],
        row["scope"],
        bool(row["offline"]),
        row["auth_time"],
    )
