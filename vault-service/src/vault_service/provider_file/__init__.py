"""The providers file: the authorization servers of the vault. `deploy/providers.example.toml` explains it.

It contains no secrets, only the names of their files. Each error is one line that names the file, the provider and the
field, and never a value.
"""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from service_kit.outbound.session import Egress, readable_ca_bundle
from service_kit.process.secret import Secret, demand_private
from service_kit.process.settings import exact_url, is_loopback, url
from service_kit.tokens.signatures import ClientKey
from vault_service.adapters.provider.dialect import Dialect
from vault_service.adapters.provider.endpoints import Addresses
from vault_service.domain.grant import TokenType
from vault_service.domain.terms import Expiry, Terms
from vault_service.provider_file.settings import ClientSettings, PlainOAuth, Providers, ProviderSettings
from vault_service.provider_file.table import ExpiryTable, File, ProviderTable

__all__ = ["DEFAULT_NAME", "ClientSettings", "ProviderSettings", "Providers", "optional_providers", "read"]

DEFAULT_NAME: Final = "default"
_QUOTED: Final = re.compile(r"(Invalid enum value) '.*?'(?= - at )", re.DOTALL)
"""What msgspec says of a wrong word, with the word, which may be a secret in the wrong place."""
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_OURS: Final = frozenset(
    {
        *("response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method", "request", "request_uri"),
    }
)
"""Authorization parameters that the vault sets, or that would override those."""
_PLAIN_NEEDS: Final = ("authorization_endpoint", "token_endpoint", "account_endpoint", "account_pointer")
_PLAIN_ONLY: Final = (*_PLAIN_NEEDS, "revocation_endpoint")

T = TypeVar("T")


def optional_providers(value: str) -> Providers | None:
    """The providers in the file of that path, None for an empty path. Raises ValueError, OSError."""
    return read(Path(value)) if value else None


def read(path: Path) -> Providers:
    """The providers in a file. Raises ValueError with one line that says what is wrong, OSError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: is not TOML ({error})") from None
    file = _converted(content, File, str(path))
    providers = {name: _provider(path, name, table) for name, table in file.providers.items()}
    if file.default not in providers:
        raise ValueError(f"{path}: default: is none of the providers {', '.join(providers)}")
    return Providers(file.default, providers)


def _provider(path: Path, name: str, content: Any) -> ProviderSettings:
    where = f"{path}: provider {name}"
    if not _NAME.fullmatch(name):
        shown = repr(name[:60])
        raise ValueError(f"{path}: provider {shown}: a name is up to 40 of a-z, 0-9 and -, beginning with a letter")
    table = _converted(content, ProviderTable, where)
    if theirs := sorted(_OURS & table.authorization_parameters.keys()):
        raise ValueError(f"{where}: authorization_parameters: {', '.join(theirs)} is set by the vault itself")
    return ProviderSettings(
        terms=_terms(table, where),
        internal_url=_url(table.internal_url, f"{where}: internal_url") if table.internal_url else None,
        client=_client(path.parent, table, where),
        algorithm=table.algorithm,
        clock_skew=_seconds(table.clock_skew) or 0,
        authorization_parameters=table.authorization_parameters,
        revokes=table.revoke,
        dialect=_dialect(table),
        plain=_plain(table, where),
        egress=_egress(path.parent, table, where),
    )


def _terms(table: ProviderTable, where: str) -> Terms:
    expiry = {TokenType.OFFLINE: _expiry(table.offline), TokenType.REFRESH: _expiry(table.refresh)}
    return Terms(
        issuer=_secure_url(table.issuer, f"{where}: issuer", exact_url),
        scopes=table.scopes,
        offline_scope=table.offline_scope or None,
        expiry={token_type: rules for token_type, rules in expiry.items() if token_type in table.token_types},
        has_id_tokens=table.kind == "oidc",
        unavoidable_scopes=table.unavoidable_scopes,
        narrows=table.narrows,
    )


def _client(folder: Path, table: ProviderTable, where: str) -> ClientSettings:
    """The client with what its authentication needs; files that it does not need are a mistake."""
    needed = {"private_key_jwt": "client_key_file", "none": None}.get(table.client_authentication, "client_secret_file")
    for field in ("client_secret_file", "client_key_file"):
        if field == needed and getattr(table, field) is None:
            raise ValueError(f"{where}: {field}: is not set, and {table.client_authentication} needs it")
        if field != needed and getattr(table, field) is not None:
            raise ValueError(f"{where}: {field}: is of no use with {table.client_authentication}")
    secret = key = None
    if needed == "client_secret_file":
        secret = Secret(_private_text(folder / str(table.client_secret_file), f"{where}: client_secret_file"))
    elif needed == "client_key_file":
        pem = _private_text(folder / str(table.client_key_file), f"{where}: client_key_file")
        try:
            key = ClientKey.of_pem(pem.encode(), table.client_key_algorithm, table.client_key_id)
        except ValueError as error:
            raise ValueError(f"{where}: client_key_file: {error}") from None
    return ClientSettings(
        client_id=table.client_id,
        authentication=table.client_authentication,
        secret=secret,
        key=key,
        audience=table.client_assertion_audience,
    )


def _dialect(table: ProviderTable) -> Dialect:
    return Dialect(
        access_lifetime=_seconds(table.access_lifetime) or 0,
        scope_delimiter=table.scope_delimiter,
        scope_names=table.scope_names,
        bearer_words=table.bearer_words,
        tokens_at=table.tokens_at,
        refusals=table.refusals,
        later=table.later,
    )


def _plain(table: ProviderTable, where: str) -> PlainOAuth | None:
    """The endpoints of a server without OpenID Connect. With OpenID Connect the discovery document has them."""
    if table.kind == "oidc":
        for field in _PLAIN_ONLY:
            if getattr(table, field):
                raise ValueError(f'{where}: {field}: is of no use without kind = "oauth2"')
        return None
    for field in _PLAIN_NEEDS:
        if not getattr(table, field):
            raise ValueError(f'{where}: {field}: is not set, and kind = "oauth2" needs it')
    if table.internal_url:
        raise ValueError(f'{where}: internal_url: is of no use with kind = "oauth2"')
    addresses = {
        name: _secure_url(getattr(table, f"{name}_endpoint"), f"{where}: {name}_endpoint", exact_url)
        for name in ("authorization", "token", "account", "revocation")
        if getattr(table, f"{name}_endpoint")
    }
    return PlainOAuth(
        addresses=Addresses(
            authorization=addresses["authorization"],
            token=addresses["token"],
            revocation=addresses.get("revocation"),
        ),
        account_endpoint=addresses["account"],
        account_pointer=table.account_pointer,
    )


def _egress(folder: Path, table: ProviderTable, where: str) -> Egress | None:
    if table.ca_bundle is None and not table.proxy:
        return None
    try:
        bundle = readable_ca_bundle(folder / table.ca_bundle) if table.ca_bundle else None
    except ValueError:
        raise ValueError(f"{where}: ca_bundle: names no file with certificates in PEM") from None
    return Egress(ca_bundle=bundle, proxy=_url(table.proxy, f"{where}: proxy") if table.proxy else None)


def _converted(content: Any, shape: type[T], where: str) -> T:
    try:
        return msgspec.convert(content, shape)
    except msgspec.ValidationError as error:
        told = _QUOTED.sub(r"\1", str(error))
        raise ValueError(f"{where}: {told}") from None


def _url(value: str, where: str, parse: Callable[[str], str] = url) -> str:
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _secure_url(value: str, where: str, parse: Callable[[str], str] = url) -> str:
    address = _url(value, where, parse)
    parts = urlsplit(address)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError(f"{where}: is not https, which only loopback need not be")
    return address


def _private_text(path: Path, where: str) -> str:
    try:
        value = path.read_text(encoding="utf-8").strip()
        demand_private(path)
    except OSError as error:
        raise ValueError(f"{where}: cannot read the file that it names ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{where}: {path} is not UTF-8") from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if not value:
        raise ValueError(f"{where}: {path} is empty")
    return value


def _expiry(table: ExpiryTable) -> Expiry:
    return Expiry(_seconds(table.idle), _seconds(table.maximum))


def _seconds(duration: str | None) -> int | None:
    return None if duration is None else int(duration[:-1]) * _SECONDS[duration[-1]]
