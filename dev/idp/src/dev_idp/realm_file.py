"""Reads the realm from the file that Keycloak imports too; unsupported parts are ignored."""

import json
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dev_idp.realm import DEVICE_CODE, SCOPE_TITLES, ClientRecord, Lifetimes, Realm, User

_PLACEHOLDER = re.compile(r"\$\{\w+\}")
_DEFAULT_SCOPES = ("profile", "email")
_OPTIONAL_SCOPES = ("offline_access", "phone", "address")


class RealmError(Exception):
    """The realm file cannot be used; the message is one line with the reason."""


def load(path: Path) -> Realm:
    """Read a rendered realm file. Raises RealmError."""
    try:
        text = path.read_text(encoding="utf-8")
        left = _PLACEHOLDER.search(text)
        if left:
            raise RealmError(f"{path} still has the placeholder {left[0]}; render it first")
        document = json.loads(text)
        clients = [_client(entry) for entry in document["clients"] if entry.get("enabled", True)]
        users = [_user(document["realm"], entry) for entry in [*_service_accounts(clients), *document["users"]]]
    except OSError as error:
        raise RealmError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RealmError(f"{path} is not a realm file: {error!r}") from error
    return Realm(
        name=document["realm"],
        lifetimes=_lifetimes(document),
        clients={client.client_id: client for client in clients},
        users={user.username: user for user in users},
    )


def _lifetimes(document: Mapping[str, Any]) -> Lifetimes:
    return Lifetimes(
        access_token=document.get("accessTokenLifespan", 300),
        sso_idle=document.get("ssoSessionIdleTimeout", 1800),
        sso_max=document.get("ssoSessionMaxLifespan", 36000),
        offline_idle=document.get("offlineSessionIdleTimeout", 2592000),
        rotate=document.get("revokeRefreshToken", False),
        max_reuse=document.get("refreshTokenMaxReuse", 0),
        device_code=document.get("oauth2DeviceCodeLifespan", 600),
        device_interval=document.get("oauth2DevicePollingInterval", 5),
    )


def _client(entry: Mapping[str, Any]) -> ClientRecord:
    attributes = entry.get("attributes", {})
    allowed = {
        "authorization_code": entry.get("standardFlowEnabled", True),
        "refresh_token": True,
        "password": entry.get("directAccessGrantsEnabled", False),
        "client_credentials": entry.get("serviceAccountsEnabled", False),
        DEVICE_CODE: attributes.get("oauth2.device.authorization.grant.enabled") == "true",
    }
    redirect_uris = tuple(entry.get("redirectUris", ()))
    return ClientRecord(
        client_id=entry["clientId"],
        name=entry.get("name", entry["clientId"]),
        secret=None if entry.get("publicClient") else entry["secret"],
        redirect_uris=redirect_uris,
        post_logout_uris=_or_same(attributes.get("post.logout.redirect.uris", "").split("##"), redirect_uris),
        web_origins=_or_same(entry.get("webOrigins", ("+",)), tuple(sorted({_origin(uri) for uri in redirect_uris}))),
        grant_types=tuple(name for name, enabled in allowed.items() if enabled),
        audiences=tuple(_audiences(entry)),
        default_scopes=_known(entry.get("defaultClientScopes", _DEFAULT_SCOPES)),
        optional_scopes=_known(entry.get("optionalClientScopes", _OPTIONAL_SCOPES)),
        consent_required=entry.get("consentRequired", False),
        pkce_required=attributes.get("pkce.code.challenge.method") == "S256",
        dpop_required=attributes.get("dpop.bound.access.tokens") == "true",
    )


def _audiences(entry: Mapping[str, Any]) -> list[str]:
    mappers = [m["config"] for m in entry.get("protocolMappers", ()) if m["protocolMapper"] == "oidc-audience-mapper"]
    return [
        config.get("included.client.audience") or config["included.custom.audience"]
        for config in mappers
        if config.get("access.token.claim") == "true"
    ]


def _or_same(values: Any, same: tuple[str, ...]) -> tuple[str, ...]:
    """Keycloak's `+` means the origins of the redirect URIs."""
    return tuple(value for given in values if given for value in (same if given == "+" else (given,)))


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def _known(scopes: Any) -> tuple[str, ...]:
    """The scopes that appear in a token's `scope`; the others only select claims that are always present."""
    return tuple(name for name in SCOPE_TITLES if name in scopes)


def _service_accounts(clients: list[ClientRecord]) -> list[Mapping[str, Any]]:
    """Every client with client credentials has a service account, even if the file gives it no roles."""
    return [
        {"username": f"service-account-{client.client_id}", "serviceAccountClientId": client.client_id}
        for client in clients
        if "client_credentials" in client.grant_types
    ]


def _user(realm: str, entry: Mapping[str, Any]) -> User:
    username = entry["username"]
    return User(
        id=entry.get("id") or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{realm}/{username}")),
        username=username,
        password=next((c["value"] for c in entry.get("credentials", ()) if c["type"] == "password"), ""),
        enabled=entry.get("enabled", True),
        first_name=entry.get("firstName", ""),
        last_name=entry.get("lastName", ""),
        email=entry.get("email", ""),
        email_verified=entry.get("emailVerified", False),
        realm_roles=tuple(entry.get("realmRoles", ())),
        client_roles={client: tuple(roles) for client, roles in entry.get("clientRoles", {}).items()},
        service_client=entry.get("serviceAccountClientId"),
    )
