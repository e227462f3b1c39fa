"""Parsing at the edge: a request's body or query becomes a typed value, or a problem; no dict travels further.

Unknown members, wrong types, repeated parameters and control characters are refused. Types are `msgspec.Struct`s. Text
that people write follows the rule of `service_kit.http.text`.
"""

import math
import re
from functools import cache, lru_cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from flask import Request
from msgspec.inspect import Metadata, StructType, UnionType

from service_kit.http import problems
from service_kit.http.problems import Fault, Problem
from service_kit.http.text import LINE as LINE  # noqa: PLC0414 - where shapes look for it
from service_kit.http.text import TEXT as TEXT  # noqa: PLC0414 - where shapes look for it
from service_kit.http.text import VISIBLE, visible

T = TypeVar("T", bound="Input")

MAX_BODY_BYTES = 64 * 1024

_TEXT_FAULT = re.compile(r"`(?P<member>\w+)` (?P<detail>has .*)", re.DOTALL)
"""What `Input` says of a person's text."""
_POSITION = re.compile(r"^(?P<detail>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)


class Input(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of every body and query that a service accepts. Members that are marked with `VISIBLE` are trimmed."""

    def __post_init__(self) -> None:
        """Raises ValueError, which becomes 422 `invalid_input`, for a marked member of which nothing can be seen."""
        for name, wire_name in _texts(type(self)):
            value = getattr(self, name)
            if isinstance(value, str):
                try:
                    msgspec.structs.force_setattr(self, name, visible(value))
                except ValueError as error:
                    raise ValueError(f"`{wire_name}` {error}") from None


class Output(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of every body that a service answers with: camelCase, absent members omitted, times RFC 3339 in UTC."""


def body(request: Request, shape: type[T]) -> T:
    """Parse a JSON body.

    Problems: 415 `unsupported_media_type`, 413 `body_too_large`, 400 `malformed_json`, 422 `invalid_input`.
    """
    if request.mimetype != "application/json":
        raise problems.UNSUPPORTED_MEDIA_TYPE.problem()
    data = request.get_data(cache=False)
    if len(data) > MAX_BODY_BYTES:
        raise body_too_large()
    try:
        return _decoded(data, shape)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise problems.MALFORMED_JSON.problem() from None


def _decoded(data: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.ValidationError as error:
        try:  # `2.0` is the integer 2 (JSON Schema 2020-12, section 6.1.1 of its validation part)
            return msgspec.convert(_whole(msgspec.json.decode(data)), shape)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise error from None


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_whole(member) for member in value]
    return value


def optional_body(request: Request, shape: type[T]) -> T:
    """Like `body`, but no body at all is the same as `{}`."""
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return msgspec.convert({}, shape)
    return body(request, shape)


def query(request: Request, shape: type[T]) -> T:
    """Parse the query string; names are those of the struct on the wire. Problem: 422 `invalid_input`."""
    return parsed_query(request.query_string, shape)


def parsed_query(raw: bytes, shape: type[T]) -> T:
    """The same of a query string as it was sent."""
    parsed: T = _query(raw, shape)
    return parsed


@lru_cache(maxsize=4096)  # callers repeat the same queries; refused queries are not cached
def _query(raw: bytes, shape: type[T]) -> T:
    values: dict[str, str] = {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise invalid("", "the query is not UTF-8") from None
    for name, value in pairs:
        if name in values:
            raise invalid(f"/{name}", "is given more than once")
        if "\x00" in value:
            raise invalid(f"/{name}", "has characters that are not allowed")
        values[name] = value
    try:
        parsed = msgspec.convert(values, shape, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    for name, value in zip(shape.__struct_encode_fields__, msgspec.structs.astuple(parsed), strict=True):
        if isinstance(value, float) and not math.isfinite(value):
            raise invalid(f"/{name}", "is not a number")
    return parsed


@cache
def _texts(shape: type[Input]) -> tuple[tuple[str, str], ...]:
    """The members of a shape that are marked with `VISIBLE`: each name, and the name on the wire."""
    info = msgspec.inspect.type_info(shape)
    fields = info.fields if isinstance(info, StructType) else ()
    return tuple((field.name, field.encode_name) for field in fields if _is_marked(field.type))


def _is_marked(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, UnionType):
        return any(_is_marked(each) for each in kind.types)
    return isinstance(kind, Metadata) and VISIBLE.items() <= (kind.extra_json_schema or {}).items()


def body_too_large() -> Problem:
    """The problem for a body beyond MAX_BODY_BYTES."""
    return problems.BODY_TOO_LARGE.problem(f"The body is larger than {MAX_BODY_BYTES} bytes.")


def invalid(pointer: str, detail: str) -> Problem:
    """The problem for one faulty part of the input."""
    return problems.INVALID_INPUT.problem(f"{pointer}: {detail}", errors=(Fault(pointer, detail),))


def _invalid(error: msgspec.ValidationError) -> Problem:
    match = _POSITION.match(str(error))
    detail, path = (match["detail"], match["path"] or "$") if match else (str(error), "$")
    pointer = re.sub(r"[.\[]", "/", path.removeprefix("$")).replace("]", "")
    if fault := _TEXT_FAULT.fullmatch(detail):
        pointer, detail = f"{pointer}/{fault['member']}", fault["detail"]
    if "matching regex" in detail:
        detail = "Text has characters that are not allowed"
    return problems.INVALID_INPUT.problem(detail, errors=(Fault(pointer, detail),))
