"""The realm: its clients, its people and its lifetimes. No I/O; `realm_file` reads it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_LOOPBACK = re.compile(r"^(http://127\.0\.0\.1):\d{1,5}(?=/|$)")
OFFLINE_ACCESS = "offline_access"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
# Keycloak's built-in client scopes, with their texts on the consent page.
SCOPE_TITLES = {
    "profile": "User profile",
    "email": "Email address",
    OFFLINE_ACCESS: "Offline Access",
    "phone": "Phone number",
    "address": "Address",
}


@dataclass(frozen=True, slots=True)
class User:
    """A person who can log in, or the service account of a client."""

    id: str
    username: str
    password: str = field(repr=False)
    enabled: bool
    first_name: str
    last_name: str
    email: str
    email_verified: bool
    realm_roles: tuple[str, ...]
    client_roles: Mapping[str, tuple[str, ...]]
    service_client: str | None

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}".strip()


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Lifetimes in seconds and the rules of rotation; names as in the realm file, in Python's spelling."""

    access_token: int
    sso_idle: int
    sso_max: int
    offline_idle: int
    rotate: bool
    max_reuse: int
    device_code: int = 600
    device_interval: int = 5

    def login_ends(self, auth_time: int, last_seen: int) -> int:
        """The time at which a login ends by itself."""
        return min(last_seen + self.sso_idle, auth_time + self.sso_max)


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """A client of the realm file."""

    client_id: str
    name: str
    secret: str | None = field(repr=False)
    redirect_uris: tuple[str, ...]
    post_logout_uris: tuple[str, ...]
    web_origins: tuple[str, ...]
    grant_types: tuple[str, ...]
    audiences: tuple[str, ...]
    default_scopes: tuple[str, ...]
    optional_scopes: tuple[str, ...]
    consent_required: bool
    pkce_required: bool
    dpop_required: bool

    def unknown_scopes(self, asked: str | None) -> bool:
        """True if the client may not request one of the scopes."""
        return not {*(asked or "").split()} <= {"openid", *self.default_scopes, *self.optional_scopes}

    def granted_scopes(self, asked: str | None) -> str:
        """The scopes of a request: those requested, and the default scopes, which Keycloak always adds."""
        wanted = {*(asked or "").split(), *self.default_scopes}
        return " ".join(name for name in ("openid", *SCOPE_TITLES) if name in wanted)

    def narrowed_scopes(self, granted: str, asked: str | None) -> str:
        """The scopes of one access token of a grant: those requested and granted, and the default scopes."""
        wanted = {*(asked or granted).split(), *self.default_scopes}
        return " ".join(name for name in granted.split() if name in wanted)


@dataclass(slots=True)
class Realm:
    """The contents of the realm file. Only tests replace `lifetimes` while the server runs."""

    name: str
    lifetimes: Lifetimes
    clients: Mapping[str, ClientRecord]
    users: Mapping[str, User]

    def user(self, user_id: str) -> User | None:
        """The user with that `sub`."""
        return next((user for user in self.users.values() if user.id == user_id), None)

    def service_account(self, client_id: str) -> User | None:
        """The user that represents a client in its own tokens."""
        return next((user for user in self.users.values() if user.service_client == client_id), None)

    def web_origins(self) -> set[str]:
        """Origins whose pages may read answers (CORS)."""
        return {origin for client in self.clients.values() for origin in client.web_origins}


def uri_matches(uri: str, patterns: tuple[str, ...]) -> bool:
    """True if a redirect URI is registered. A pattern may end in `*`, as in Keycloak; fragments and `..` are refused.

    On the loopback address every port is accepted (RFC 8252 section 7.3).
    """
    if "#" in uri or "/.." in uri or "\\" in uri:
        return False
    uri = _LOOPBACK.sub(r"\1", uri)
    return any(uri.startswith(p[:-1]) or uri == p[:-2] if p.endswith("/*") else uri == p for p in patterns)
