"""Routes and their description come from one declaration."""

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import jsonschema_rs
import msgspec
import pytest
from flask import Response
from schemathesis.specs.openapi.definitions import OPENAPI_31

from service_kit.http.app import create_app, respond
from service_kit.http.inputs import LINE, TEXT, Input, Output
from service_kit.http.openapi import Api, Link
from service_kit.http.problems import ProblemType


class TakenError(Exception):
    """The place is taken."""


class FullError(Exception):
    """There is no place left."""


class BrokenError(Exception):
    """The thing is broken."""


class Colour(Enum):
    """A word of a few."""

    RED = "red"
    BLUE = "blue"


class SubShape(Input, frozen=True, kw_only=True):
    """A nested body."""

    amount: Annotated[int, msgspec.Meta(ge=1)] = 1


class NewThing(Input, frozen=True, kw_only=True):
    """A body."""

    full_name: Annotated[str, msgspec.Meta(min_length=1, pattern=LINE)]
    notes: Annotated[str, msgspec.Meta(pattern=TEXT)] = ""
    parts: tuple[SubShape, ...] = ()


class Search(Input, frozen=True, kw_only=True):
    """A query."""

    name: Annotated[str, msgspec.Meta(max_length=5)]
    min_size: int = 0
    colour: Colour = Colour.RED
    near: int | None = None


class Thing(Output, frozen=True, kw_only=True):
    """An answer."""

    thing_id: str
    colour: Colour | None = None


TABLE = {
    TakenError: ProblemType(409, "taken"),
    FullError: ProblemType(503, "full"),
    BrokenError: ProblemType(500, "broken"),
}


@pytest.fixture
def api() -> Api:
    """Three routes."""
    links = {"make_thing": (Link("thingId", "place", ("see_thing",)),)}
    api = Api("things", "Things", "1.0", "/api/things", TABLE, (BrokenError,), {"Things": "All of them."}, links)

    @api.route("GET", "", tag="Things", answers={200: Thing, 304: None}, query=Search)
    def find_things() -> Response:
        """Find things.

        As many as there are.
        """
        return respond(Thing(thing_id="1"))

    @api.route(
        "POST",
        "/<kind>/<uuid:place>",
        tag="Things",
        answers={201: Thing},
        body=NewThing,
        raises=(TakenError, FullError),
    )
    def make_thing(kind: str, place: str) -> Response:
        """Make a thing."""
        return respond(Thing(thing_id=kind + str(place)), 201)

    @api.route("GET", "/<kind>/<uuid:place>", tag="Things", answers={200: Thing}, public=True)
    def see_thing(kind: str, place: str) -> Response:
        """See a thing."""
        return respond(Thing(thing_id=kind + str(place)))

    return api


def references(document: object) -> list[str]:
    """Every `$ref` in a document."""
    if isinstance(document, dict):
        own = [document["$ref"]] if isinstance(document.get("$ref"), str) else []
        return own + [found for value in document.values() for found in references(value)]
    if isinstance(document, list):
        return [found for value in document for found in references(value)]
    return []


def codes(response: dict[str, Any]) -> list[str]:
    """The codes with which a problem can come."""
    described = response["content"]["application/problem+json"]["schema"]["allOf"][1]
    return list(described["properties"]["code"]["enum"])


def parameters(document: dict[str, Any], path: str, method: str) -> dict[tuple[str, str], bool]:
    """The parameters of an operation, and whether each is required."""
    described = document["paths"][path][method]["parameters"]
    return {(parameter["in"], parameter["name"]): parameter["required"] for parameter in described}


def test_the_document_is_valid_openapi_3_1(api: Api) -> None:
    """By the published schema of the specification; and it is JSON."""
    document = msgspec.json.decode(msgspec.json.encode(api.document()))
    jsonschema_rs.validator_for(OPENAPI_31).validate(document)


def test_every_schema_in_it_is_valid(api: Api) -> None:
    """Patterns included, by another engine for regular expressions than Python's."""
    for schema in api.document()["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    jsonschema_rs.Draft202012Validator({"pattern": LINE}).validate("one line")
    for text in ("two\n", "\x00", "\x7f", "\u2028"):
        assert not jsonschema_rs.Draft202012Validator({"pattern": LINE}).is_valid(text)
    assert jsonschema_rs.Draft202012Validator({"pattern": TEXT}).is_valid("two\r\nlines\t")
    assert not jsonschema_rs.Draft202012Validator({"pattern": TEXT}).is_valid("bell\x07")


def test_every_reference_leads_somewhere(api: Api) -> None:
    """References of parameters are checked too."""
    document = api.document()
    for reference in references(document):
        target: Any = document
        for name in reference.removeprefix("#/").split("/"):
            target = target[name]


def test_what_is_described_is_routed(api: Api) -> None:
    """The same methods at the same addresses, both ways."""
    app = create_app("test", {})
    app.register_blueprint(api.blueprint)
    routed = {
        (rule.rule.replace("<uuid:place>", "{place}").replace("<kind>", "{kind}"), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    described = {(path, method) for path, item in api.document()["paths"].items() for method in item}
    assert described == routed
    assert app.test_client().get("/api/things").get_json() == {"thingId": "1"}


def test_names_are_those_on_the_wire(api: Api) -> None:
    """camelCase; required is what has no default."""
    document = api.document()
    schemas = document["components"]["schemas"]
    assert set(schemas["NewThing"]["properties"]) == {"fullName", "notes", "parts"}
    assert schemas["NewThing"]["required"] == ["fullName"]
    assert schemas["NewThing"]["additionalProperties"] is False
    assert parameters(document, "/api/things", "get") == {
        ("query", "name"): True,
        ("query", "minSize"): False,
        ("query", "colour"): False,
        ("query", "near"): False,
    }
    assert parameters(document, "/api/things/{kind}/{place}", "post") == {
        ("path", "kind"): True,
        ("path", "place"): True,
    }


def test_words_that_an_installation_takes_are_listed(api: Api) -> None:
    """Values that only a running service knows."""
    document = api.document({(NewThing, "notes"): {"short", "none"}})
    assert document["components"]["schemas"]["NewThing"]["properties"]["notes"]["enum"] == ["none", "short"]


def test_every_problem_that_can_come_is_described(api: Api) -> None:
    """An operation has the problems of its kind of route and its own. Two with one status are both described."""
    paths = api.document()["paths"]
    make, see = (paths["/api/things/{kind}/{place}"][method]["responses"] for method in ("post", "get"))
    assert set(make) == {"201", "400", "401", "404", "409", "413", "414", "415", "422", "429", "500", "503"}
    assert codes(make["503"]) == ["service_unavailable", "provider_unavailable", "full"]
    assert make["503"]["description"].splitlines()[-1] == "- `full`: There is no place left."
    assert set(see) == {"200", "404", "413", "414", "429", "503"}
    assert set(paths["/api/things"]["get"]["responses"]) == {
        "200",
        "304",
        "401",
        "413",
        "414",
        "422",
        "429",
        "500",
        "503",
    }


def test_an_answer_says_where_one_can_go_from_it(api: Api) -> None:
    """A link names an operation that is there, and where its parameter comes from."""
    paths = api.document()["paths"]
    answer = paths["/api/things/{kind}/{place}"]["post"]["responses"]["201"]
    assert answer["links"] == {
        "see_thing_by_place": {"operationId": "see_thing", "parameters": {"place": "$response.body#/thingId"}}
    }


def test_who_must_log_in_is_described(api: Api) -> None:
    """A public route asks for nothing."""
    item = api.document()["paths"]["/api/things/{kind}/{place}"]
    assert (item["post"]["security"], item["get"]["security"]) == ([{"bearer": []}, {"dpop": []}], [])


def test_the_view_s_docstring_is_the_description(api: Api) -> None:
    """The docstring's first line is the summary."""
    operation = api.document()["paths"]["/api/things"]["get"]
    assert (operation["operationId"], operation["summary"]) == ("find_things", "Find things")
    assert operation["description"] == "As many as there are."


def test_operations_are_grouped_by_tags_that_are_explained(api: Api) -> None:
    """A tag that nothing explains is refused when its route is declared."""
    document = api.document()
    assert document["tags"] == [{"name": "Things", "description": "All of them."}]
    assert document["paths"]["/api/things"]["get"]["tags"] == ["Things"]
    with pytest.raises(LookupError, match="Others"):
        api.route("GET", "/others", tag="Others", answers={200: Thing})


def test_an_error_that_no_table_knows_cannot_be_declared(api: Api) -> None:
    """Such an error would be answered with a bare 500."""
    with pytest.raises(LookupError, match="KeyError"):
        api.route("GET", "/others", tag="Things", answers={200: Thing}, raises=(KeyError,))


@pytest.mark.parametrize("name", ["vault", "tasks"])
def test_summaries_of_the_services_are_short(name: str) -> None:
    """A summary is a heading: eight words at most. The description has the rest."""
    document = json.loads((Path(__file__).parents[2] / "docs" / "openapi" / f"{name}.json").read_text())
    summaries = [operation["summary"] for path in document["paths"].values() for operation in path.values()]
    assert [summary for summary in summaries if len(summary.split()) > 8] == []
