"""Problem documents (RFC 9457)."""

import contextvars

import msgspec
import pytest
from flask import Flask
from werkzeug.exceptions import abort

from service_kit.http import problems
from service_kit.http.problems import Fault, ProblemType, answer_for, problem_for, types_of
from service_kit.process import logs


class WideError(Exception):
    """The table knows it."""


class NarrowError(WideError):
    """The table knows this one too."""


class NarrowestError(NarrowError):
    """The table does not know this one by name."""


class ReasonedError(Exception):
    """An error whose reason decides about its problem."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__("not shown")
        self.reason = reason
        self.retry_after = retry_after


TABLE: problems.ProblemTable = {
    WideError: ProblemType(400, "wide"),
    NarrowError: ProblemType(409, "narrow"),
    ReasonedError: {
        "full": ProblemType(503, "full", "It is full.", 4.2),
        "gone": ProblemType(410, "gone", "It is gone."),
    },
}


def test_members_that_are_empty_are_absent() -> None:
    """Never null; `type` is always there."""
    document = contextvars.Context().run(lambda: msgspec.to_builtins(problems.NOT_FOUND.problem("Gone.").document()))
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
        answer = problems.INVALID_INPUT.problem("x", errors=(Fault("/name", "is empty"),)).response()
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


def test_the_reason_of_an_error_chooses_among_its_types() -> None:
    """The type's sentence is the detail; the error's own wait precedes the type's."""
    full, gone, waits = (
        problem_for(error, TABLE)
        for error in (ReasonedError("full"), ReasonedError("gone"), ReasonedError("full", retry_after=0.1))
    )
    assert full is not None
    assert gone is not None
    assert waits is not None
    assert (full.status, full.code, full.detail, full.headers) == (503, "full", "It is full.", {"Retry-After": "5"})
    assert (gone.status, gone.code, gone.detail, gone.headers) == (410, "gone", "It is gone.", {})
    assert waits.headers == {"Retry-After": "1"}


def test_an_error_outside_the_table_is_no_problem() -> None:
    """An answer needs one: it is a bare 500, without the error's words."""
    assert problem_for(KeyError("x"), TABLE) is None
    answer = answer_for(KeyError("secret"), TABLE)
    assert (answer.status, answer.code) == (500, "internal_error")
    assert "secret" not in answer.detail


def test_a_problem_answers_for_itself() -> None:
    """The edge raises it as it is."""
    problem = problems.FORBIDDEN.problem()
    assert answer_for(problem, TABLE) is problem


def test_the_types_of_an_error_come_with_their_sentences() -> None:
    """The error's first line, or the type's own."""
    assert types_of(NarrowestError, TABLE) == {TABLE[NarrowError]: "The table does not know this one by name."}
    assert [kind.code for kind in types_of(ReasonedError, TABLE)] == ["full", "gone"]
    assert types_of(problems.FORBIDDEN, TABLE) == {problems.FORBIDDEN: problems.FORBIDDEN.detail}
    with pytest.raises(LookupError, match="KeyError"):
        types_of(KeyError, TABLE)


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
