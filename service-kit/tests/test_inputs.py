"""Bad input of every sort is a problem with the right code, and names the faulty part."""

from datetime import datetime
from io import BytesIO
from typing import Annotated, Any

import msgspec
import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service_kit.http import inputs
from service_kit.http.app import create_app, respond
from service_kit.http.inputs import MAX_BODY_BYTES


class Note(inputs.Input, frozen=True, kw_only=True):
    """A body."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=20, pattern=inputs.LINE)]
    long_text: Annotated[str, msgspec.Meta(max_length=100_000, pattern=inputs.TEXT)] = ""
    tags: tuple[str, ...] = ()
    stars: Annotated[int, msgspec.Meta(ge=0, le=5)] = 0
    due: Annotated[datetime, msgspec.Meta(tz=True)] | msgspec.UnsetType = msgspec.UNSET


class Wish(inputs.Input, frozen=True, kw_only=True):
    """A body that may be left out."""

    note: str = "none"


class Filter(inputs.Input, frozen=True, kw_only=True):
    """A query."""

    task_id: Annotated[str, msgspec.Meta(max_length=20, pattern=inputs.LINE)] = ""
    min_valid: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    share: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class Echo(inputs.Output, frozen=True, kw_only=True):
    """The parsed input."""

    first: str
    second: str | None = None


@pytest.fixture
def app() -> Flask:
    """Echoes what it was given."""
    app = create_app("notes", {})

    @app.post("/notes")
    def write() -> Response:
        note = inputs.body(request, Note)
        return respond(Echo(first=note.title, second=note.long_text or None))

    @app.post("/wishes")
    def wish() -> Response:
        return respond(Echo(first=inputs.optional_body(request, Wish).note))

    @app.get("/notes")
    def find() -> Response:
        asked = inputs.query(request, Filter)
        return respond(Echo(first=asked.task_id, second=f"{asked.min_valid} {asked.share}"))

    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Talks to it."""
    return app.test_client()


def problem(client: FlaskClient, body: bytes | str, content_type: str | None = "application/json") -> tuple[int, str]:
    """Status and code of the answer to a body."""
    answer = client.post("/notes", data=body, content_type=content_type)
    assert answer.mimetype == "application/problem+json"
    return answer.status_code, answer.get_json()["code"]


def faults(answer: Any) -> list[tuple[str, str]]:
    """The faulty parts that a 422 names."""
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_input")
    return [(fault["pointer"], fault["detail"]) for fault in answer.get_json()["errors"]]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8", "application/json; x=y"],
)
def test_json_is_taken_with_and_without_parameters(client: FlaskClient, content_type: str) -> None:
    """RFC 8259 section 11 defines no charset; JSON is UTF-8 whatever it says."""
    answer = client.post("/notes", data='{"title": "Grüße 🎉"}'.encode(), content_type=content_type)
    assert answer.get_json() == {"first": "Grüße 🎉"}


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/problem+json",
        "application/json, text/plain",
        "application /json",
    ],
)
def test_other_content_types_are_415(client: FlaskClient, content_type: str | None) -> None:
    """Browsers can send the first of these across origins without asking."""
    assert problem(client, '{"title": "x"}', content_type) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"title": "x"',
        b'{"title": "x"} {}',
        b'{"title": "x",}',
        b"{'title': 'x'}",
        b'{"title": NaN}',
        b'\xef\xbb\xbf{"title": "x"}',
        '{"title": "x"}'.encode("utf-16"),
        '{"title": "x"}'.encode("utf-32"),
        b'{"title": "\xff"}',
        b'{"title": "\xed\xa0\x80"}',
        b'{"title": "\xc0\x80"}',
        rb'{"title": "\ud800"}',
        rb'{"title": "\ud800 and more text"}',
        rb'{"title": "\udc00\ud800"}',
        rb'{"title": "\x41"}',
        b'{"title": "a\nb"}',
        b'{"title": "a\x00b"}',
        b'{"title": "x", "longText": "\xff"}',
    ],
)
def test_what_is_no_json_is_400(client: FlaskClient, body: bytes) -> None:
    """Truncated, not UTF-8, a byte order mark, lone surrogates, raw control characters."""
    assert problem(client, body) == (400, "malformed_json")


@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"title":' * 6_000, b'{"title": "x", "tags": ' + b"[" * 60_000])
def test_deep_nesting_is_refused_like_other_bad_input(client: FlaskClient, body: bytes) -> None:
    """No crash, no 500."""
    assert problem(client, body) in {(400, "malformed_json"), (422, "invalid_input")}


@pytest.mark.parametrize("number", ["2", "2.0", "2e0", "0.2e1", "-0.0"])
def test_a_whole_number_may_be_written_in_any_way(client: FlaskClient, number: str) -> None:
    """JSON has one kind of number, and JSON Schema calls `2.0` an integer."""
    body = f'{{"title": "x", "stars": {number}, "tags": ["1.0"]}}'
    assert client.post("/notes", data=body, content_type="application/json").get_json()["first"] == "x"


@pytest.mark.parametrize("body", ["[]", "null", "5", '"x"', "true"])
def test_json_that_is_no_object_is_422(client: FlaskClient, body: str) -> None:
    """The whole document is at fault: the empty pointer."""
    [(pointer, _)] = faults(client.post("/notes", data=body, content_type="application/json"))
    assert pointer == ""


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"title": "x", "extra": 1}, ""),
        ({"title": "x", "long_text": "wire names only"}, ""),
        ({"title": None}, "/title"),
        ({"title": 5}, "/title"),
        ({"title": ""}, "/title"),
        ({"title": "x" * 21}, "/title"),
        ({"title": "x", "longText": True}, "/longText"),
        ({"title": "x", "tags": ["a", 5]}, "/tags/1"),
        ({"title": "x", "tags": "a"}, "/tags"),
        ({"title": "x", "due": "2026-01-01T00:00:00"}, "/due"),
        ({"title": "x", "due": "tomorrow"}, "/due"),
        ({"title": "x", "due": "2026-02-30T00:00:00Z"}, "/due"),
        ({"title": "x", "due": 5}, "/due"),
        ({"title": "x", "stars": 2.5}, "/stars"),
        ({"title": "x", "stars": 6.0}, "/stars"),
        ({"title": "x", "stars": 1e300}, "/stars"),
        ({"title": "x", "stars": "2"}, "/stars"),
        ({"title": "x", "stars": True}, "/stars"),
    ],
)
def test_the_faulty_part_is_named(client: FlaskClient, body: dict[str, Any], pointer: str) -> None:
    """By a JSON Pointer (RFC 6901)."""
    [(named, detail)] = faults(client.post("/notes", json=body))
    assert named == pointer
    assert detail


@pytest.mark.parametrize(
    "character", ["\x00", "\x01", "\t", "\n", "\r", "\x1b", "\x1f", "\x7f", "\x85", "\x9f", "\u2028"]
)
def test_a_line_has_no_control_characters(client: FlaskClient, character: str) -> None:
    """At its start, in the middle and at its end, where Python's `$` would let a line feed through."""
    for title in (f"{character}x", f"x{character}y", f"x{character}", character):
        [(pointer, detail)] = faults(client.post("/notes", json={"title": title}))
        assert (pointer, detail) == ("/title", "Text has characters that are not allowed")


@pytest.mark.parametrize("character", ["\x00", "\x08", "\x0b", "\x0c", "\x1b", "\x7f", "\x80"])
def test_a_text_has_no_other_control_characters_than_line_breaks_and_tabs(client: FlaskClient, character: str) -> None:
    """PostgreSQL cannot hold NUL; terminals obey the others."""
    [(pointer, _)] = faults(client.post("/notes", json={"title": "x", "longText": f"a{character}"}))
    assert pointer == "/longText"
    assert client.post("/notes", json={"title": "x", "longText": "a\tb\r\nc\n"}).status_code == 200


def test_no_body_at_all_is_an_empty_object_where_it_is_optional(client: FlaskClient) -> None:
    """With no content type, or with any; but a body that is there must be good."""
    assert client.post("/wishes").get_json() == {"first": "none"}
    assert client.post("/wishes", content_type="text/plain").get_json() == {"first": "none"}
    assert client.post("/wishes", json={"note": "x"}).get_json() == {"first": "x"}
    assert client.post("/wishes", data="{}", content_type="text/plain").status_code == 415
    assert client.post("/wishes", data=" ", content_type="application/json").status_code == 400


def test_a_body_of_just_64_kib_is_taken(client: FlaskClient) -> None:
    """The limit is inclusive."""
    start, end = b'{"title": "x", "longText": "', b'"}'
    body = start + b"a" * (MAX_BODY_BYTES - len(start) - len(end)) + end
    assert client.post("/notes", data=body, content_type="application/json").status_code == 200
    assert problem(client, body + b" ") == (413, "body_too_large")


def chunked(client: FlaskClient, path: str, body: bytes) -> TestResponse:
    """The answer to a body that came in chunks, as a WSGI server may hand it over: no length, and an end of its own."""
    terminated = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True}
    headers = {"Transfer-Encoding": "chunked"}
    return client.post(path, content_type="application/json", headers=headers, environ_overrides=terminated)


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 10 * MAX_BODY_BYTES])
def test_a_chunked_body_ends_at_64_kib_too(client: FlaskClient, size: int) -> None:
    """Without a Content-Length the bytes are counted."""
    for path in ("/notes", "/wishes"):
        answer = chunked(client, path, b'{"title": "x"}'.ljust(size))
        assert (answer.status_code, answer.get_json()["code"]) == (413, "body_too_large")


def test_a_chunked_body_is_read(client: FlaskClient) -> None:
    """Also where it is optional."""
    for path, body in (("/notes", b'{"title": "x"}'), ("/wishes", b'{"note": "x"}')):
        assert chunked(client, path, body).get_json() == {"first": "x"}
        assert chunked(client, path, body.ljust(MAX_BODY_BYTES)).get_json() == {"first": "x"}


def test_a_query_is_typed(client: FlaskClient) -> None:
    """By its names on the wire."""
    answer = client.get("/notes?taskId=a%20b&minValid=30&share=0.5")
    assert answer.get_json() == {"first": "a b", "second": "30 0.5"}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("taskId=a&taskId=b", "/taskId"),
        ("taskId=a&taskId=a", "/taskId"),
        ("minValid=1&minValid=", "/minValid"),
        ("minValid=", "/minValid"),
        ("minValid=x", "/minValid"),
        ("minValid=-1", "/minValid"),
        ("minValid=101", "/minValid"),
        ("minValid=1.5", "/minValid"),
        ("minValid=1_0", "/minValid"),
        ("minValid=%D9%A3", "/minValid"),
        ("minValid=" + "9" * 5000, "/minValid"),
        ("share=nan", "/share"),
        ("share=NaN", "/share"),
        ("share=inf", "/share"),
        ("share=Infinity", "/share"),
        ("share=1e400", "/share"),
        ("share=-1", "/share"),
        ("taskId=%00", "/taskId"),
        ("taskId=a%0A", "/taskId"),
        ("taskId=%1b", "/taskId"),
        ("taskId=%ff", ""),
        ("taskId=%ED%A0%80", ""),
        ("%ff=1", ""),
        ("taskId=" + "x" * 21, "/taskId"),
        ("task_id=a", ""),
        ("TASKID=a", ""),
        ("other=1", ""),
        ("%00=1", ""),
        ("=", ""),
    ],
)
def test_a_faulty_parameter_is_named(client: FlaskClient, query: str, pointer: str) -> None:
    """Repeated, of the wrong type, out of range, unknown, or with characters that no text needs."""
    [(named, _)] = faults(client.get(f"/notes?{query}"))
    assert named == pointer
