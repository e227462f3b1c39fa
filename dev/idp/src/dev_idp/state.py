"""The parts of one running realm, wired."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev_idp.codes import Codes
from dev_idp.devices import Devices
from dev_idp.grants import Grants
from dev_idp.keys import Keys
from dev_idp.logins import Logins
from dev_idp.realm import Realm
from dev_idp.store import Store
from dev_idp.tokens import TokenMint

_KEEP_SECONDS = 90 * 24 * 3600


@dataclass(frozen=True, slots=True)
class State:
    """The parts that the endpoints use."""

    realm: Realm
    store: Store
    keys: Keys
    tokens: TokenMint
    logins: Logins
    grants: Grants
    codes: Codes
    devices: Devices
    now: Callable[[], int]

    def verify(self, access_token: str) -> dict[str, Any] | None:
        """The claims of an access token that is valid here, or None."""
        claims = self.keys.read(access_token)
        if claims is None or claims.get("typ") not in {"Bearer", "DPoP"} or claims.get("iss") != self.tokens.issuer:
            return None
        expires, issued = claims.get("exp"), claims.get("iat")
        if not isinstance(expires, int) or not isinstance(issued, int):
            return None
        if expires <= self.now() or issued < self.logins.not_before():
            return None
        user = self.realm.user(str(claims.get("sub")))
        if user is None or not self.logins.is_enabled(user):
            return None
        if self.store.one("revoked_access_token", jti=str(claims.get("jti"))):
            return None
        sid = claims.get("sid")
        return claims if sid is None or self.grants.is_live(str(sid), str(claims.get("azp"))) else None


def build(realm: Realm, database: Path, issuer: str, now: Callable[[], int]) -> State:
    """Open the database and wire the parts. `now` gives seconds since the epoch."""
    store = Store(database)
    store.sweep(now(), _KEEP_SECONDS)
    keys = Keys(store)
    tokens = TokenMint(keys, realm, issuer, now)
    logins = Logins(store, realm, now)
    grants = Grants(store, realm, keys, tokens, logins, now)
    return State(realm, store, keys, tokens, logins, grants, Codes(store, grants, now), Devices(store, now), now)
