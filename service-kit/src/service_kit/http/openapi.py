"""Routes and their OpenAPI 3.1 description from one declaration, so that the two cannot differ.

A service makes one `Api`, declares each route with `@api.route(...)` and serves `api.document()`. Schemas come from the
`msgspec.Struct`s that parse bodies and queries and form the answers; problem codes from the service's problem table.
"""

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Blueprint, Response

from service_kit.http import problems
from service_kit.http.inputs import Input, Output
from service_kit.http.problems import ProblemTable, ProblemType, Raises

View = Callable[..., Response]
AnswerBody = type[Output] | tuple[str, ...] | None
"""What a body is: a struct in JSON, text of one of these media types, or nothing."""
Words = Mapping[tuple[type[Input], str], Collection[str]]
"""By a body's type and a member's name on the wire: the values that one installation accepts there."""
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Header:
    """A header that a route reads. pattern: of its value (ECMA-262)."""

    description: str
    pattern: str


@dataclass(frozen=True)
class Link:
    """A member of an answer is a parameter of other routes (OpenAPI 3.1, Link Object); `views` are their functions."""

    member: str
    parameter: str
    views: tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    """One route. `answers` maps a status to its body; `problems` maps each problem type to a sentence about it."""

    method: str
    path: str
    view: View
    tag: str
    answers: Mapping[int, AnswerBody]
    problems: Mapping[ProblemType, str]
    query: type[Input] | None = None
    body: type[Input] | None = None
    form: type[Input] | None = None
    public: bool = False
    headers: Mapping[str, Header] = field(default_factory=dict)

    @property
    def body_required(self) -> bool:
        """True when a request without a body is refused: the body has a member that must be given."""
        return self.body is not None and any(member.required for member in msgspec.structs.fields(self.body))

    @property
    def shapes(self) -> list[type[msgspec.Struct]]:
        """Every struct that this route needs described."""
        return [
            shape for shape in (self.query, self.body, self.form, *self.answers.values()) if isinstance(shape, type)
        ]


@dataclass
class Api:
    """A blueprint that keeps the description of its routes.

    prefix: the path below which all of them live; table: the problem table that the service answers by; raises: what
    every operation that needs a bearer token can end with; tags: from each tag to its description; links: from a view's
    name to the operations that its first answer leads to.
    """

    name: str
    title: str
    version: str
    prefix: str
    table: ProblemTable = field(default_factory=dict)
    raises: Raises = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, tuple[Link, ...]] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.blueprint = Blueprint(self.name, __name__, url_prefix=self.prefix)

    def route(  # noqa: PLR0913 - what an operation is
        self,
        method: str,
        path: str,
        *,
        tag: str,
        answers: Mapping[int, AnswerBody],
        raises: Raises = (),
        query: type[Input] | None = None,
        body: type[Input] | None = None,
        form: type[Input] | None = None,
        public: bool = False,
        headers: Mapping[str, Header] | None = None,
    ) -> Callable[[View], View]:
        """Declare a route below the prefix; `path` in Flask's notation.

        raises: the domain errors and problem types that the view can end with; body: in JSON; form: the same in
        `application/x-www-form-urlencoded`, for which the view has error answers of its own; public: no bearer token is
        needed; headers: that the view reads, by name.

        LookupError: one of them is not in the table, or the tag is not among `tags`.
        """
        if tag not in self.tags:
            raise LookupError(f"{tag} is not a tag of {self.name}")
        implied = _implied(path, has_body=body is not None, has_query=query is not None, public=public)
        found = self._problems((*implied, *(() if public else self.raises), *raises))

        def declare(view: View) -> View:
            operation = Operation(method, path, view, tag, answers, found, query, body, form, public, headers or {})
            self.operations.append(operation)
            self.blueprint.add_url_rule(path, view.__name__, view, methods=[method])
            return view

        return declare

    def _problems(self, raises: Raises) -> dict[ProblemType, str]:
        found: dict[ProblemType, str] = {}
        for error in raises:
            for kind, words in problems.types_of(error, self.table).items():
                found[kind] = words if found.get(kind, words) == words else f"{found[kind]} {words}"
        return found

    def document(self, words: Words | None = None) -> dict[str, Any]:
        """The OpenAPI document."""
        shapes = {shape for operation in self.operations for shape in operation.shapes} | {problems.ProblemDocument}
        ordered = sorted(shapes, key=lambda shape: shape.__name__)
        references, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
        refer = dict(zip(ordered, references, strict=True))
        for shape in ordered:
            if not issubclass(shape, Input):
                _leave_out_null(components[shape.__name__])
        for (shape, member), accepted in (words or {}).items():
            components[shape.__name__]["properties"][member]["enum"] = sorted(accepted)
        paths: dict[str, dict[str, Any]] = {}
        for operation in self.operations:
            template = self.prefix + _PARAMETER.sub(r"{\1}", operation.path)
            described = _describe(operation, refer, components)
            paths.setdefault(template, {})[operation.method.lower()] = described
            for link in self.links.get(operation.view.__name__, ()):
                first = described["responses"][str(min(operation.answers))]
                first.setdefault("links", {}).update(_linked(link))
        return {
            "openapi": "3.1.0",
            "info": {"title": self.title, "version": self.version, "license": {"name": "Apache-2.0"}},
            "servers": [{"url": "/"}],
            "tags": [{"name": name, "description": description} for name, description in self.tags.items()],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                    "dpop": {"type": "http", "scheme": "dpop", "description": "RFC 9449, with a proof in `DPoP`."},
                },
            },
        }


def _implied(path: str, *, has_body: bool, has_query: bool, public: bool) -> Raises:
    """The problems that every route of that kind can answer with, the gateway's included."""
    always = (problems.BODY_TOO_LARGE, problems.URI_TOO_LONG, problems.RATE_LIMITED, problems.SERVICE_UNAVAILABLE)
    of_body = (problems.MALFORMED_JSON, problems.BAD_REQUEST, problems.UNSUPPORTED_MEDIA_TYPE)
    return (
        *always,
        *((problems.NOT_FOUND,) if _PARAMETER.search(path) else ()),  # an id with a slash in it is another address
        *(of_body if has_body else ()),
        *((problems.INVALID_INPUT,) if has_body or has_query else ()),
        *(() if public else (*problems.UNACCEPTED, problems.PROVIDER_UNAVAILABLE)),
    )


def _leave_out_null(schema: dict[str, Any]) -> None:
    """Describe members without a value as absent: an answer omits them and never says null."""
    for name, shape in schema.get("properties", {}).items():
        alternatives = [other for other in shape.get("anyOf", ()) if other != {"type": "null"}]
        if "default" in shape and shape["default"] is None:
            rest = {key: value for key, value in shape.items() if key not in {"default", "anyOf"}}
            several = {"anyOf": alternatives} if len(alternatives) > 1 else {}
            schema["properties"][name] = {**rest, **(several or (alternatives[0] if alternatives else {}))}


def _describe(
    operation: Operation, refer: Mapping[type, dict[str, Any]], components: Mapping[str, Any]
) -> dict[str, Any]:
    summary, _, description = inspect.cleandoc(operation.view.__doc__ or "").partition("\n")
    described: dict[str, Any] = {
        "operationId": operation.view.__name__,
        "tags": [operation.tag],
        "summary": summary.rstrip("."),
        "description": description.strip(),
        "parameters": _parameters(operation, components),
        "responses": _responses(operation, refer),
        "security": [] if operation.public else [{"bearer": []}, {"dpop": []}],
    }
    if operation.body is not None:
        content = {"application/json": {"schema": refer[operation.body]}}
        described["requestBody"] = {"required": operation.body_required, "content": content}
    if operation.form is not None:
        content = {"application/x-www-form-urlencoded": {"schema": refer[operation.form]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameters(operation: Operation, components: Mapping[str, Any]) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(operation.path)
    ]
    in_header = [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": header.description,
            "schema": {"type": "string", "pattern": header.pattern},
        }
        for name, header in operation.headers.items()
    ]
    if operation.query is None:
        return in_path + in_header
    schema = components[operation.query.__name__]
    required = set(schema.get("required", ()))
    return (
        in_path
        + [
            {"name": name, "in": "query", "required": name in required, "schema": shape}
            for name, shape in schema.get("properties", {}).items()
        ]
        + in_header
    )


def _responses(operation: Operation, refer: Mapping[type, dict[str, Any]]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, shape in operation.answers.items():
        responses[str(status)] = {"description": HTTPStatus(status).phrase}
        if isinstance(shape, tuple):
            responses[str(status)]["content"] = {media: {"schema": {"type": "string"}} for media in shape}
        elif shape is not None:
            responses[str(status)]["content"] = {"application/json": {"schema": refer[shape]}}
    by_status: dict[int, dict[str, str]] = {}
    for kind, words in operation.problems.items():
        by_status.setdefault(kind.status, {})[kind.code] = words
    for status, codes in sorted(by_status.items()):
        problem = _problem_response(codes, refer[problems.ProblemDocument])
        other = responses.get(str(status), {}).get("content", {})
        responses[str(status)] = {**problem, "content": {**other, **problem["content"]}}
    return responses


def _problem_response(codes: Mapping[str, str], reference: dict[str, Any]) -> dict[str, Any]:
    """One status; codes: from each code that it can come with to a sentence about it."""
    code = {"type": "object", "properties": {"code": {"enum": list(codes)}}, "required": ["code"]}
    return {
        "description": "\n".join(f"- `{each}`: {words}" for each, words in codes.items()),
        "content": {problems.CONTENT_TYPE: {"schema": {"allOf": [reference, code]}}},
    }


def _linked(link: Link) -> dict[str, Any]:
    parameters = {link.parameter: f"$response.body#/{link.member}"}
    return {f"{view}_by_{link.parameter}": {"operationId": view, "parameters": parameters} for view in link.views}
