"""Settings from the environment: each one declared once, with its parser and its documentation.

A service declares a frozen dataclass whose fields are made by `setting()`. `load()` reads them all and reports every
fault in one error. `NAME_FILE` can replace any `NAME`: it is the path of a file whose content (stripped) is the
value, as container platforms provide secrets. A file with a secret must not be readable by everybody.
"""

import dataclasses
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar
from urllib.parse import urlsplit

from service_kit.process.secret import Secret, demand_private

_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


class SettingsError(Exception):
    """The configuration is unusable; the message names every faulty setting and says what it should be."""


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


S = TypeVar("S", bound=_Dataclass)


def setting(name: str, parse: Callable[[str], Any], doc: str, *, default: str | None = None) -> Any:
    """Declare one setting.

    name: the environment variable; parse: turns its text into the value, raising ValueError with a reason;
    doc: one sentence for operators; default: the text that is parsed when the variable is absent (none: it is
    required).
    """
    return dataclasses.field(metadata={"name": name, "parse": parse, "doc": doc, "default": default})


def load(settings_type: type[S], environ: Mapping[str, str]) -> S:
    """Read every declared setting. Raises SettingsError that lists all faulty settings, without their values."""
    values: dict[str, Any] = {}
    faults: list[str] = []
    for field in dataclasses.fields(settings_type):
        try:
            values[field.name] = field.metadata["parse"](_text(field.metadata, environ))
        except (ValueError, OSError) as fault:
            faults.append(f"{field.metadata['name']}: {_reason(fault)}")
    if faults:
        raise SettingsError("; ".join(faults))
    return settings_type(**values)


def masked(settings: _Dataclass) -> dict[str, str]:
    """The settings by variable name, for the log: secrets print as `***`."""
    return {field.metadata["name"]: str(getattr(settings, field.name)) for field in dataclasses.fields(settings)}


def _text(metadata: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    name = metadata["name"]
    if name in environ:
        return environ[name]
    if f"{name}_FILE" in environ:
        path = Path(environ[f"{name}_FILE"])
        content = path.read_text(encoding="utf-8").strip()
        if metadata["parse"] in {secret, optional_secret}:
            demand_private(path)
        return content
    if metadata["default"] is None:
        raise ValueError("is not set")
    return str(metadata["default"])


def _reason(fault: Exception) -> str:
    if isinstance(fault, OSError):
        return f"cannot read {fault.filename} ({fault.strerror})"
    return "is not UTF-8" if isinstance(fault, UnicodeError) else str(fault)


def text(value: str) -> str:
    """A non-empty string."""
    if not value:
        raise ValueError("is empty")
    return value


def optional_text(value: str) -> str | None:
    """A string; empty means absent."""
    return value or None


def secret(value: str) -> Secret:
    """A non-empty secret."""
    return Secret(text(value))


def optional_secret(value: str) -> Secret | None:
    """A secret; empty means absent."""
    return Secret(value) if value else None


def url(value: str) -> str:
    """An absolute http(s) URL without query or fragment; a trailing slash is dropped."""
    return exact_url(value).rstrip("/")


def exact_url(value: str) -> str:
    """An absolute http(s) URL, unchanged: an issuer may end in a slash (OpenID Connect Discovery 1.0 section 3)."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # its message may quote the value
        usable = False
    if not usable or "?" in value or "#" in value:
        raise ValueError("is not an absolute http(s) URL")
    return value


def issuer(value: str) -> str:
    """Like `exact_url`; http only for this machine, because keys and tokens come from there (RFC 8414 section 2)."""
    parts = urlsplit(exact_url(value))
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("is http on another machine; an issuer's URL is https")
    return value


def is_loopback(host: str) -> bool:
    """True for `localhost`, names below it, and loopback addresses (RFC 6761 section 6.3)."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def optional_url(value: str) -> str | None:
    """Like `url`; empty means absent."""
    return url(value) if value else None


def urls(value: str) -> tuple[str, ...]:
    """Absolute http(s) URLs, separated by spaces or commas; may be empty."""
    return tuple(url(each) for each in value.replace(",", " ").split())


def words(value: str) -> frozenset[str]:
    """A set of words separated by spaces or commas; may be empty."""
    return frozenset(value.replace(",", " ").split())


def flag(value: str) -> bool:
    """`true` or `false`, also `1`, `yes`, `on` and `0`, `no`, `off`."""
    word = value.strip().lower()
    if word not in _FLAGS:
        raise ValueError("is neither `true` nor `false`")
    return _FLAGS[word]


def one_of(*choices: str) -> Callable[[str], str]:
    """One of the choices, in lower case."""

    def parse(value: str) -> str:
        if value.lower() not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return value.lower()

    return parse


def whole(minimum: int, maximum: int) -> Callable[[str], int]:
    """A whole number within bounds, both included."""

    def parse(value: str) -> int:
        try:
            parsed = int(value)
        except ValueError:
            raise ValueError("is not a whole number") from None
        if not minimum <= parsed <= maximum:
            raise ValueError(f"is not between {minimum} and {maximum}")
        return parsed

    return parse


def number(minimum: float, maximum: float) -> Callable[[str], float]:
    """A number within bounds, both included."""

    def parse(value: str) -> float:
        try:
            parsed = float(value)
        except ValueError:
            raise ValueError("is not a number") from None
        if not minimum <= parsed <= maximum:
            raise ValueError(f"is not between {minimum:g} and {maximum:g}")
        return parsed

    return parse
