"""The services file: what the vault knows of the services that ask for consent, or are told of their grants.

`deploy/services.example.toml` explains each field. Each error is one line that names the file, the service and the
field.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from service_kit.http.text import LINE, visible
from service_kit.process.secret import demand_private
from service_kit.process.settings import exact_url
from vault_service.domain.return_address import fault_of
from vault_service.domain.service import KnownService
from vault_service.domain.webhook import Webhook, key_of


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[services.CLIENT-ID]`."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=LINE)]
    return_to: list[str] = []
    webhook: str = ""
    webhook_secret_file: str = ""
    webhook_private: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for a name of which nothing can be seen."""
        visible(self.name)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    services: dict[str, Any]


def optional_services(value: str) -> "Services":
    """The services in the file of that path, none for an empty path. Raises ValueError, OSError."""
    return Services(read(Path(value)) if value else {})


@dataclass(frozen=True, slots=True)
class Services:
    """All services by client id. Prints as their ids."""

    by_client: Mapping[str, KnownService]

    def __str__(self) -> str:
        return " ".join(self.by_client)


def read(path: Path) -> Mapping[str, KnownService]:
    """The services in a file. Raises ValueError with one line that says what is wrong, OSError."""
    try:
        file = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: is not TOML ({error})") from None
    except msgspec.ValidationError as error:
        raise ValueError(f"{path}: {error}") from None
    return {
        client: _service(path.parent, f"{path}: service {client}", table) for client, table in file.services.items()
    }


def _service(folder: Path, where: str, content: Any) -> KnownService:
    try:
        table = msgspec.convert(content, _Table)
    except msgspec.ValidationError as error:
        raise ValueError(f"{where}: {error}") from None
    for address in table.return_to:
        fault = fault_of(address) or ("has a query" if "?" in address else None)
        if fault is not None:
            raise ValueError(f"{where}: return_to: {fault}")
    return KnownService(name=table.name, return_to=tuple(table.return_to), webhook=_webhook(folder, where, table))


def _webhook(folder: Path, where: str, table: _Table) -> Webhook | None:
    if not table.webhook:
        if table.webhook_secret_file or table.webhook_private:
            raise ValueError(f"{where}: webhook: is not set")
        return None
    try:
        url = exact_url(table.webhook)
    except ValueError as error:
        raise ValueError(f"{where}: webhook: {error}") from None
    if not url.startswith("https://") and not table.webhook_private:
        raise ValueError(f"{where}: webhook: is not https, which only webhook_private = true need not be")
    if "@" in urlsplit(url).netloc:
        raise ValueError(f"{where}: webhook: has user information")
    if not table.webhook_secret_file:
        raise ValueError(f"{where}: webhook_secret_file: is not set")
    path = folder / table.webhook_secret_file
    try:
        demand_private(path)
        key = key_of(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise ValueError(f"{where}: webhook_secret_file: cannot read {path} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{where}: webhook_secret_file: is not ASCII") from None
    except ValueError as error:
        raise ValueError(f"{where}: webhook_secret_file: {error}") from None
    return Webhook(url=url, secret=key, allow_private=table.webhook_private)
