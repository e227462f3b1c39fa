"""Problem documents (RFC 9457)."""

import contextvars

import msgspec
import pytest
from flask import Flask
from werkzeug.exceptions import abort

from service_kit.http import problems
from service_kit.http.problems import Fault, Problem, problem_for
from service_kit.process import logs


class WideError(Exception):
    """The table knows it."""


class NarrowError(WideError):
    """The table knows this one too."""


class NarrowestError(NarrowError):
    """The table does not know this one by name."""


TABLE: problems.ProblemTable = {
    WideError: lambda error: Problem(400, "wide", str(error)),
    NarrowError: lambda error: Problem(409, "narrow", str(error)),
}


def test_members_that_are_empty_are_absent() -> None:
    """Never null; `type` is always there."""
    document = contextvars.Context().run(lambda: msgspec.to_builtins(Problem(404, "not_found", "Gone.").document()))
    assert document == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
        "detail": "Gone.",
    }


def test_faulty_parts_and_the_request_id_stand_in_it() -> None:
    """In camelCase."""
    token = logs.request_id.set("request-1")
    try:
        answer = Problem(422, "invalid_input", "x", errors=(Fault("/name", "is empty"),)).response()
    finally:
        logs.request_id.reset(token)
    assert answer.content_type == "application/problem+json"
    document = msgspec.json.decode(answer.data)
    assert document["requestId"] == "request-1"
    assert document["errors"] == [{"pointer": "/name", "detail": "is empty"}]


@pytest.mark.parametrize(
    ("error", "code"), [(WideError("x"), "wide"), (NarrowError("x"), "narrow"), (NarrowestError("x"), "narrow")]
)
def test_the_nearest_kind_in_the_table_counts(error: Exception, code: str) -> None:
    """Whatever the table's order."""
    problem = problem_for(error, TABLE)
    assert problem is not None
    assert problem.code == code


def test_an_error_outside_the_table_is_no_problem() -> None:
    """The caller decides: it becomes a bare 500."""
    assert problem_for(KeyError("x"), TABLE) is None


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_request"),
        (404, "not_found"),
        (413, "body_too_large"),
        (418, "im_a_teapot"),
        (429, "too_many_requests"),
    ],
)
def test_the_framework_s_own_errors_are_problems_without_its_words(status: int, code: str) -> None:
    """Known ones have sentences of ours, others the status' phrase."""
    app = Flask("test")
    problems.install(app, {})

    @app.get("/")
    def fail() -> str:
        abort(status, "werkzeug's own text")

    answer = app.test_client().get("/")
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert "werkzeug" not in answer.text
