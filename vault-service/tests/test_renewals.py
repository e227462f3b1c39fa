"""Background renewals: one for each token, a few at once, with the id of the request that caused them."""

import threading
from collections.abc import Callable
from dataclasses import replace

from replica import Replica
from stack import eventually

from service_kit.process import logs
from vault_service.application.renewals import Renewals


def test_each_renewal_begins_once_and_few_at_a_time() -> None:
    """A key can begin again after `end`."""
    renewals = Renewals(2)
    assert [renewals.begin(key) for key in "aabc"] == [True, False, True, False]
    assert "a" in renewals
    assert "c" not in renewals
    renewals.end("a")
    assert renewals.begin("c")
    assert not renewals.begin("a")


def test_a_renewal_has_the_id_of_the_request_that_caused_it(
    vault: Replica, rows: Callable[..., list[tuple[object, ...]]]
) -> None:
    """Callers are served from the cache meanwhile."""
    grant_id = vault.grant()
    token = vault.issue(grant_id)
    old = replace(token, expires_at=token.expires_at - 0.8 * token.lifetime)
    vault.issuing._memory.put(grant_id, frozenset(), old)
    seen, land = [], threading.Event()

    def slow() -> None:
        seen.append(logs.request_id.get())
        land.wait()

    vault.provider.script.append(slow)
    context = logs.request_id.set("request-1")
    assert [vault.issue(grant_id) for _ in range(5)] == [old] * 5
    logs.request_id.reset(context)
    eventually(lambda: seen, "the server is asked")
    assert [vault.issue(grant_id) for _ in range(5)] == [old] * 5
    land.set()
    eventually(lambda: vault.issue(grant_id) != old, "the new token is there")
    assert seen == ["request-1"]
    assert vault.provider.refreshes == 2
