"""Checks that the API's document describes an answer: its status and, for a problem, its code."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

DOCUMENTS = Path(__file__).parent.parent / "docs" / "openapi"
OF_THE_GATEWAY = {(400, "bad_request"), (408, "request_timeout"), (431, "header_too_large")}
"""What the gateway answers to a request that is no HTTP, came too late, or has a head that is too long."""


def _operations() -> list[tuple[str, "re.Pattern[str]", dict[str, Any]]]:
    """Method, pattern of the path, and responses by status; paths without parameters come first."""
    found = []
    for document in sorted(DOCUMENTS.glob("*.json")):
        for path, item in json.loads(document.read_text(encoding="utf-8"))["paths"].items():
            pattern = re.compile(re.sub(r"\\?\{\w+\\?\}", "[^/]+", re.escape(path)))
            found += [(method.upper(), pattern, operation["responses"]) for method, operation in item.items()]
    return found


_OPERATIONS = _operations()


def check(method: str, path: str, answer: requests.Response) -> None:
    """Fails when the request is for a described operation and its answer is not described."""
    path = urlsplit(path).path
    responses = next((each for verb, known, each in _OPERATIONS if verb == method and known.fullmatch(path)), None)
    if responses is None:
        return
    code = _code(answer)
    if (answer.status_code, code) in OF_THE_GATEWAY:
        return
    described = responses.get(str(answer.status_code))
    assert described is not None, f"{method} {path} does not describe {answer.status_code} {code}"
    if code is not None:
        schemas = described["content"]["application/problem+json"]["schema"]["allOf"]
        assert code in schemas[1]["properties"]["code"]["enum"], f"{method} {path} does not describe {code}"


def _code(answer: requests.Response) -> str | None:
    if answer.headers.get("Content-Type") != "application/problem+json" or not answer.content:
        return None
    return str(answer.json()["code"])
