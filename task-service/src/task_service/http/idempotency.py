"""`Idempotency-Key`: a request that changes something is sent again without doing it twice.

The header is that of the IETF's draft `draft-ietf-httpapi-idempotency-key-header`, with or without its quotes. The
answer is stored with the deed, in one transaction, for VALID_HOURS. Answers that have changed nothing are not stored.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Request, Response

from service_kit.http import problems
from service_kit.http.openapi import Header
from task_service.application.errors import AlreadyDoneError
from task_service.application.ports.tasks import ReceiptStore
from task_service.domain.owner import Owner
from task_service.domain.receipt import Receipt, fingerprint

HEADER = "Idempotency-Key"
_PATTERN = r'"?([A-Za-z0-9._~:/+=-]{1,200})"?'
HEADERS = {
    HEADER: Header(
        "A key of your choice. The same request with the same key does the same thing once, for 24 hours.",
        f"^{_PATTERN}$",
    )
}
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(_PATTERN)


def receipt_of(request: Request, body: msgspec.Struct, render: Callable[[Any], msgspec.Struct]) -> Receipt | None:
    """The receipt under the request's key; None without the header. render: the answer, from the deed's result.

    Problem: 400 `bad_request` for a key of another form.
    """
    given = request.headers.get(HEADER)
    if given is None:
        return None
    match = _KEY.fullmatch(given)
    if match is None:
        raise problems.BAD_REQUEST.problem(f"{HEADER} is not 1 to 200 of the characters A-Z a-z 0-9 . _ ~ : / + = -")
    asked = fingerprint(request.method.encode(), request.path.encode(), msgspec.json.encode(body))
    return Receipt(match[1], asked, lambda result: msgspec.json.encode(render(result)))


def once(
    receipts: ReceiptStore,
    owner: Owner,
    receipt: Receipt | None,
    deed: Callable[[], msgspec.Struct],
    status: int = HTTPStatus.OK,
    headers: Callable[[bytes], dict[str, str]] = lambda _: {},
) -> Response:
    """Answer with what the deed gives, or with what it gave before under the same key.

    headers: of the answer, from its body. Raises KeyReusedError, and what the deed raises.
    """
    stored = receipts.answer(owner, receipt) if receipt else None
    replayed = stored is not None
    try:
        content = msgspec.json.encode(deed()) if stored is None else stored
    except AlreadyDoneError as done:
        content, replayed = done.answer, True
    more = {REPLAYED: "true"} if replayed else {}
    sent = {"Cache-Control": "no-store", **headers(content), **more}
    return Response(content, status, sent, content_type="application/json")
