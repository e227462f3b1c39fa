"""Which members of requests are free text, by an API's document: a new one cannot be forgotten."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from service_kit.http.openapi import Api
from service_kit.http.text import VISIBLE

_ANYTHING = "Ein Wort, und noch eines: ü"
"""What no pattern of an identifier accepts."""


def unmarked(api: Api) -> set[str]:
    """The names of members that accept any words and are not marked as a person's text."""
    document = api.document()
    return {name for name, schema in _members(document) if _is_free(schema) and not VISIBLE.items() <= schema.items()}


def marked(api: Api) -> set[str]:
    """The names of members that are marked as a person's text."""
    return {name for name, schema in _members(api.document()) if VISIBLE.items() <= schema.items()}


def _members(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every member of every query, body and form, however deep: its name, and the schema of its text."""
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    continue  # compared with ids
                yield from _texts(parameter["name"], parameter["schema"], document)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                yield from _texts("", content["schema"], document)


def _texts(
    name: str, schema: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "string":
        yield name, schema
    for other in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _texts(name, other, document)
    if isinstance(schema.get("items"), dict):
        yield from _texts(name, schema["items"], document)
    for member, inner in schema.get("properties", {}).items():
        yield from _texts(member, inner, document)


def _is_free(schema: Mapping[str, Any]) -> bool:
    if {"enum", "const", "format"} & schema.keys():
        return False
    return "pattern" not in schema or re.search(schema["pattern"], _ANYTHING) is not None
