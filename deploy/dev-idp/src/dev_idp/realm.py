"""The realm: clients, users and lifetimes, read from the file that Keycloak imports too."""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

_PLACEHOLDER = re.compile(r"\$\{\w+\}")
DEFAULT_SCOPES = ("profile", "email")
OPTIONAL_SCOPES = {"offline_access": "Offline access", "phone": "Phone number", "address": "Address"}
SCOPE_TITLES = {"profile": "User profile", "email": "Email address", **OPTIONAL_SCOPES}


class RealmError(Exception):
    """The realm file cannot be used."""


@dataclass(frozen=True, slots=True)
class User:
    """A person who can log in, or the service account of a client."""

    id: str
    username: str
    password: str = field(repr=False)
    first_name: str
    last_name: str
    email: str
    realm_roles: tuple[str, ...]
    client_roles: Mapping[str, tuple[str, ...]]
    service_client: str | None

    def get_user_id(self) -> str:
        """The `sub` (Authlib's name for it)."""
        return self.id


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds, and the rules of rotation, as Keycloak's realm settings name them."""

    access_token: int
    sso_idle: int
    sso_max: int
    offline_idle: int
    rotate: bool
    max_reuse: int


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """A client as the file describes it."""

    client_id: str
    name: str
    secret: str | None = field(repr=False)
    redirect_uris: tuple[str, ...]
    post_logout_uris: tuple[str, ...]
    web_origins: tuple[str, ...]
    grant_types: tuple[str, ...]
    audiences: tuple[str, ...]
    scopes: tuple[str, ...]
    consent_required: bool
    pkce_required: bool


@dataclass(frozen=True, slots=True)
class Realm:
    """Everything that the file says."""

    name: str
    lifetimes: Lifetimes
    clients: Mapping[str, ClientRecord]
    users: Mapping[str, User]

    def user(self, user_id: str) -> User | None:
        """The user with that `sub`."""
        return next((user for user in self.users.values() if user.id == user_id), None)

    def service_account(self, client_id: str) -> User:
        """The user that stands for a client in client credentials tokens."""
        found = next((user for user in self.users.values() if user.service_client == client_id), None)
        return found or _user(self.name, {"username": f"service-account-{client_id}"})

    def with_lifetimes(self, **changes: int | bool) -> "Realm":
        """The same realm with other lifetimes; for tests."""
        lifetimes = {**asdict(self.lifetimes), **changes}
        return replace(self, lifetimes=Lifetimes(**lifetimes))


def load(path: Path) -> Realm:
    """Read a rendered realm file. Raises RealmError with one clear line."""
    try:
        text = path.read_text(encoding="utf-8")
        left = _PLACEHOLDER.search(text)
        if left:
            raise RealmError(f"{path} still has the placeholder {left[0]}; render it first")
        document = json.loads(text)
        name = document["realm"]
        return Realm(
            name=name,
            lifetimes=_lifetimes(document),
            clients={entry["clientId"]: _client(entry) for entry in document["clients"]},
            users={entry["username"]: _user(name, entry) for entry in document["users"]},
        )
    except OSError as error:
        raise RealmError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RealmError(f"{path} is not a realm file: {error!r}") from error


def _lifetimes(document: Mapping[str, Any]) -> Lifetimes:
    return Lifetimes(
        access_token=document.get("accessTokenLifespan", 300),
        sso_idle=document.get("ssoSessionIdleTimeout", 1800),
        sso_max=document.get("ssoSessionMaxLifespan", 36000),
        offline_idle=document.get("offlineSessionIdleTimeout", 2592000),
        rotate=document.get("revokeRefreshToken", False),
        max_reuse=document.get("refreshTokenMaxReuse", 0),
    )


def _client(entry: Mapping[str, Any]) -> ClientRecord:
    attributes = entry.get("attributes", {})
    grants = {
        "authorization_code": entry.get("standardFlowEnabled", False),
        "refresh_token": True,
        "password": entry.get("directAccessGrantsEnabled", False),
        "client_credentials": entry.get("serviceAccountsEnabled", False),
    }
    return ClientRecord(
        client_id=entry["clientId"],
        name=entry.get("name", entry["clientId"]),
        secret=None if entry.get("publicClient") else entry["secret"],
        redirect_uris=tuple(entry.get("redirectUris", ())),
        post_logout_uris=tuple(attributes.get("post.logout.redirect.uris", "").split("##")),
        web_origins=tuple(entry.get("webOrigins", ())),
        grant_types=tuple(name for name, enabled in grants.items() if enabled),
        audiences=tuple(
            mapper["config"]["included.custom.audience"]
            for mapper in entry.get("protocolMappers", ())
            if mapper["protocolMapper"] == "oidc-audience-mapper"
        ),
        scopes=("openid", *DEFAULT_SCOPES, *entry.get("optionalClientScopes", OPTIONAL_SCOPES)),
        consent_required=entry.get("consentRequired", False),
        pkce_required=attributes.get("pkce.code.challenge.method") == "S256",
    )


def _user(realm: str, entry: Mapping[str, Any]) -> User:
    username = entry["username"]
    return User(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{realm}/{username}")),
        username=username,
        password=next((credential["value"] for credential in entry.get("credentials", ())), ""),
        first_name=entry.get("firstName", ""),
        last_name=entry.get("lastName", ""),
        email=entry.get("email", ""),
        realm_roles=tuple(entry.get("realmRoles", ())),
        client_roles={client: tuple(roles) for client, roles in entry.get("clientRoles", {}).items()},
        service_client=entry.get("serviceAccountClientId"),
    )


def uri_matches(uri: str, patterns: tuple[str, ...]) -> bool:
    """Whether a redirect URI is registered; a pattern may end in `*`, as Keycloak allows."""
    return any(uri.startswith(p[:-1]) if p.endswith("*") else uri == p for p in patterns if p)
