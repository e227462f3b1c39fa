"""Routes and their OpenAPI 3.1 description from one declaration, so that the two cannot differ.

A service makes one `Api`, declares each route with `@api.route(...)` and serves `api.document()`. Schemas come from the
`msgspec.Struct`s that parse bodies and queries and form the answers.
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

View = Callable[..., Response]
Answer = type[Output] | tuple[str, ...] | None
"""What a body is: a struct in JSON, text of one of these media types, or nothing."""
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Link:
    """A member of an answer is a parameter of other routes (OpenAPI 3.1, Link Object); `views` are their functions."""

    member: str
    parameter: str
    views: tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    """One route. `answers` maps a status to what its body is; `problems` lists codes."""

    method: str
    path: str
    view: View
    answers: Mapping[int, Answer]
    problems: Mapping[int, tuple[str, ...]]
    query: type[Input] | None = None
    body: type[Input] | None = None
    body_required: bool = True
    public: bool = False

    @property
    def shapes(self) -> list[type[msgspec.Struct]]:
        """Every struct that this route needs described."""
        return [shape for shape in (self.query, self.body, *self.answers.values()) if isinstance(shape, type)]


@dataclass
class Api:
    """A blueprint that keeps the description of its routes.

    prefix: the path below which all of them live; links: from a view's name to where one can go from its first answer;
    words: by a body's type and a member's name, the values that this installation takes there.
    """

    name: str
    title: str
    version: str
    prefix: str
    links: Mapping[str, tuple[Link, ...]] = field(default_factory=dict)
    words: Mapping[tuple[type[Input], str], Collection[str]] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.blueprint = Blueprint(self.name, __name__, url_prefix=self.prefix)

    def route(
        self,
        method: str,
        path: str,
        *,
        answers: Mapping[int, Answer],
        problems: Mapping[int, tuple[str, ...]] | None = None,
        query: type[Input] | None = None,
        body: type[Input] | None = None,
        body_required: bool = True,
        public: bool = False,
    ) -> Callable[[View], View]:
        """Declare a route below the prefix; `path` in Flask's notation. public: no bearer token is asked for."""

        def declare(view: View) -> View:
            operation = Operation(method, path, view, answers, problems or {}, query, body, body_required, public)
            self.operations.append(operation)
            self.blueprint.add_url_rule(path, view.__name__, view, methods=[method])
            return view

        return declare

    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        shapes = {shape for operation in self.operations for shape in operation.shapes} | {problems.ProblemDocument}
        ordered = sorted(shapes, key=lambda shape: shape.__name__)
        references, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
        refer = dict(zip(ordered, references, strict=True))
        for shape in ordered:
            if not issubclass(shape, Input):
                _leave_out_null(components[shape.__name__])
        for (shape, member), words in self.words.items():
            components[shape.__name__]["properties"][member]["enum"] = sorted(words)
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
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            },
        }


def _leave_out_null(schema: dict[str, Any]) -> None:
    """What a service has nothing to say of is absent from an answer, never null."""
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
        "summary": summary.rstrip("."),
        "description": description.strip(),
        "parameters": _parameters(operation, components),
        "responses": _responses(operation, refer),
        "security": [] if operation.public else [{"bearer": []}],
    }
    if operation.body is not None:
        content = {"application/json": {"schema": refer[operation.body]}}
        described["requestBody"] = {"required": operation.body_required, "content": content}
    return described


def _parameters(operation: Operation, components: Mapping[str, Any]) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(operation.path)
    ]
    if operation.query is None:
        return in_path
    schema = components[operation.query.__name__]
    required = set(schema.get("required", ()))
    return in_path + [
        {"name": name, "in": "query", "required": name in required, "schema": shape}
        for name, shape in schema.get("properties", {}).items()
    ]


def _responses(operation: Operation, refer: Mapping[type, dict[str, Any]]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, shape in operation.answers.items():
        responses[str(status)] = {"description": HTTPStatus(status).phrase}
        if isinstance(shape, tuple):
            responses[str(status)]["content"] = {media: {"schema": {"type": "string"}} for media in shape}
        elif shape is not None:
            responses[str(status)]["content"] = {"application/json": {"schema": refer[shape]}}
    implied = _implied(operation)
    for status in sorted(implied.keys() | operation.problems.keys()):
        codes = dict.fromkeys((*implied.get(status, ()), *operation.problems.get(status, ())))
        responses[str(status)] = {
            "description": "Problem; code: " + ", ".join(f"`{code}`" for code in codes),
            "content": {problems.CONTENT_TYPE: {"schema": refer[problems.ProblemDocument]}},
        }
    return responses


def _linked(link: Link) -> dict[str, Any]:
    parameters = {link.parameter: f"$response.body#/{link.member}"}
    return {f"{view}_by_{link.parameter}": {"operationId": view, "parameters": parameters} for view in link.views}


def _implied(operation: Operation) -> dict[int, tuple[str, ...]]:
    """The problems that every route of that kind can answer with; those for all of them are said before it."""
    implied: dict[int, tuple[str, ...]] = {
        413: ("body_too_large",),
        414: ("uri_too_long",),
        429: ("rate_limited",),
        503: ("service_unavailable",),
    }
    if operation.body is not None:
        implied |= {400: ("malformed_json", "bad_request"), 415: ("unsupported_media_type",)}
    if operation.body is not None or operation.query is not None:
        implied[422] = ("invalid_input",)
    if not operation.public:
        implied |= {401: ("unauthorized",), 503: ("service_unavailable", "provider_unavailable")}
    return implied
