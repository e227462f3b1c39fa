"""Exports of the audit: a bounded number at once, so that large ones leave threads to others."""

from datetime import UTC, datetime

import pytest

from service_kit.http.problems import Problem
from vault_service.domain.audit import Event, Line
from vault_service.http.export import Exports

LINE = Line(1, datetime(2026, 1, 1, tzinfo=UTC), Event.TOKEN_ISSUED, "task-service", "request-1", "ok")


@pytest.mark.parametrize("is_begun", [True, False])
def test_an_export_holds_its_place_until_it_is_closed(is_begun: bool) -> None:
    """Sent in part, or not at all because its client has left: the place is free again."""
    exports = Exports(2)
    sent = [exports.answer([LINE] * 3, kind, "audit") for kind in ("csv", "ndjson")]
    if is_begun:
        assert all(next(iter(answer.response)) for answer in sent)
    with pytest.raises(Problem) as refused:
        exports.answer([LINE], "csv", "audit")
    assert (refused.value.status, refused.value.code) == (429, "rate_limited")
    assert refused.value.headers["Retry-After"] == "5"
    sent[0].close()
    assert exports.answer([LINE], "csv", "audit").get_data().count(b"\r\n") == 2
