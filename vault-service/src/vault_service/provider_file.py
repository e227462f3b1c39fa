"""The providers file: the authorization servers of the vault. `deploy/providers.example.toml` explains it.

It contains no secrets, only the names of their files. Each error is one line that names the file, the provider and the
field, and never a value.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from service_kit.process.secret import Secret, demand_private
from service_kit.process.settings import exact_url, url
from vault_service.domain.grant import TokenType
from vault_service.domain.terms import OFFLINE_ACCESS, Expiry, Terms

DEFAULT_NAME: Final = "default"
PROMPT_FOR_CONSENT: Final[Mapping[str, str]] = MappingProxyType({"prompt": "consent"})
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_OURS: Final = frozenset(
    {
        *("response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method", "request", "request_uri"),
    }
)
"""Authorization parameters that the vault sets, or that would override those."""

Duration = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,5}[smhd]$(?!\n)")]
Word = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]+$(?!\n)")]
ScopeName = Annotated[str, msgspec.Meta(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$(?!\n)")]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """One authorization server and the vault's client there.

    internal_url: where the vault reaches the issuer, if that differs; algorithm: of its ID tokens;
    authorization_parameters: added to the URL of a consent; revokes: False when ended tokens are not revoked there.
    """

    terms: Terms
    internal_url: str | None
    client_id: str
    client_secret: Secret
    algorithm: str = "RS256"
    authorization_parameters: Mapping[str, str] = field(default_factory=lambda: PROMPT_FOR_CONSENT)
    revokes: bool = True


@dataclass(frozen=True, slots=True)
class Providers:
    """All providers by name, and the one for consents that name none. Prints as their names."""

    default: str
    by_name: Mapping[str, ProviderSettings]

    def __str__(self) -> str:
        return " ".join(self.by_name)


class _ExpiryTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    idle: Duration | None = None
    maximum: Duration | None = None


class _ProviderTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    issuer: str
    internal_url: str = ""
    client_id: Word
    client_secret_file: Annotated[str, msgspec.Meta(min_length=1)]
    algorithm: Literal["RS256", "ES256"] = "RS256"
    token_types: Annotated[frozenset[TokenType], msgspec.Meta(min_length=1)] = frozenset(TokenType)
    scopes: frozenset[ScopeName] = frozenset()
    offline_scope: Annotated[str, msgspec.Meta(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]*$(?!\n)")] = OFFLINE_ACCESS
    authorization_parameters: dict[Word, str] = msgspec.field(default_factory=lambda: dict(PROMPT_FOR_CONSENT))
    revoke: bool = True
    offline: _ExpiryTable = _ExpiryTable()
    refresh: _ExpiryTable = _ExpiryTable()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    default: str
    providers: Annotated[dict[str, Any], msgspec.Meta(min_length=1)]


def optional_providers(value: str) -> Providers | None:
    """The providers in the file of that path, None for an empty path. Raises ValueError, OSError."""
    return read(Path(value)) if value else None


def read(path: Path) -> Providers:
    """The providers in a file. Raises ValueError with one line that says what is wrong, OSError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: is not TOML ({error})") from None
    file = _converted(content, _File, str(path))
    providers = {name: _provider(path, name, table) for name, table in file.providers.items()}
    if file.default not in providers:
        raise ValueError(f"{path}: default: is none of the providers {', '.join(providers)}")
    return Providers(file.default, providers)


def _provider(path: Path, name: str, content: Any) -> ProviderSettings:
    where = f"{path}: provider {name}"
    if not _NAME.fullmatch(name):
        raise ValueError(f"{path}: provider {name!r}: a name is up to 40 of a-z, 0-9 and -, beginning with a letter")
    table = _converted(content, _ProviderTable, where)
    if theirs := sorted(_OURS & table.authorization_parameters.keys()):
        raise ValueError(f"{where}: authorization_parameters: {', '.join(theirs)} is set by the vault itself")
    expiry = {TokenType.OFFLINE: _expiry(table.offline), TokenType.REFRESH: _expiry(table.refresh)}
    return ProviderSettings(
        terms=Terms(
            issuer=_url(table.issuer, f"{where}: issuer", exact_url),
            scopes=table.scopes,
            offline_scope=table.offline_scope or None,
            expiry={token_type: rules for token_type, rules in expiry.items() if token_type in table.token_types},
        ),
        internal_url=_url(table.internal_url, f"{where}: internal_url") if table.internal_url else None,
        client_id=table.client_id,
        client_secret=_secret(path.parent / table.client_secret_file, f"{where}: client_secret_file"),
        algorithm=table.algorithm,
        authorization_parameters=table.authorization_parameters,
        revokes=table.revoke,
    )


def _converted(content: Any, shape: type[T], where: str) -> T:
    try:
        return msgspec.convert(content, shape)
    except msgspec.ValidationError as error:
        raise ValueError(f"{where}: {error}") from None


def _url(value: str, where: str, parse: Callable[[str], str] = url) -> str:
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _secret(path: Path, where: str) -> Secret:
    try:
        value = path.read_text(encoding="utf-8").strip()
        demand_private(path)
    except OSError as error:
        raise ValueError(f"{where}: cannot read {path} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{where}: {path} is not UTF-8") from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if not value:
        raise ValueError(f"{where}: {path} is empty")
    return Secret(value)


def _expiry(table: _ExpiryTable) -> Expiry:
    return Expiry(_seconds(table.idle), _seconds(table.maximum))


def _seconds(duration: str | None) -> int | None:
    return None if duration is None else int(duration[:-1]) * _SECONDS[duration[-1]]
