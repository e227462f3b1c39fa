"""Parsing at the edge: a request's body or query becomes a typed value, or a problem; no dict travels further.

Unknown members, wrong types, repeated parameters and control characters are refused. Types are `msgspec.Struct`s.
"""

import math
import re
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from flask import Request

from service_kit.http import problems
from service_kit.http.problems import Fault, Problem

T = TypeVar("T", bound="Input")

MAX_BODY_BYTES = 64 * 1024

LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$(?!\n)"
"""Pattern for one line of text: no control characters. (In Python `$` also matches before a last line feed.)"""
TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
"""Pattern for several lines of text: tab, line feed and carriage return are the only control characters."""

_POSITION = re.compile(r"^(?P<detail>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)


class Input(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base of every body and query that a service accepts."""


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
    if "matching regex" in detail:
        detail = "Text has characters that are not allowed"
    return problems.INVALID_INPUT.problem(detail, errors=(Fault(pointer, detail),))
