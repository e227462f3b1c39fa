"""The owner's list has pages, live grants first, and a person's unanswered requests are limited."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from uuid import UUID

import pytest
from replica import ALICE, Replica, wish

from vault_service.application.errors import TooManyPendingConsentsError
from vault_service.application.ports.manage import GrantFilter
from vault_service.domain.grant import Grant, Status
from vault_service.domain.grant_page import GrantPosition

Rows = Callable[..., list[tuple[object, ...]]]
COPIES = """
    insert into grants (id, issuer, subject, provider, token_type, status, failure, scopes, services,
                        consent_expires_at, created_at)
    select gen_random_uuid(), issuer, subject, provider, token_type, 'failed', 'consent_denied', scopes, services,
           consent_expires_at, now()
    from grants, generate_series(1, %s)
    limit %s
    returning 1
"""


def pages(vault: Replica, limit: int) -> Iterator[list[Grant]]:
    """The owner's grants, page by page."""
    after = None
    for _ in count():
        page, after = vault.manage.of_owner(ALICE, GrantFilter(), after, limit)
        yield list(page)
        if after is None:
            return


def test_the_oldest_active_grant_is_on_the_first_page_of_many(vault: Replica, rows: Rows) -> None:
    """1,500 grants that are newer and of no use do not hide it."""
    oldest = vault.grant()
    rows(COPIES, 1500, 1500)
    first, following = vault.manage.of_owner(ALICE, GrantFilter(), None, 1000)
    assert first[0].id == oldest
    assert following is not None
    found = [grant.id for page in pages(vault, 400) for grant in page]
    assert len(found) == len(set(found)) == 1501


def test_pages_are_in_order_and_complete(vault: Replica, rows: Rows) -> None:
    """Active, pending, failed and ended, each newest first; also where times are equal."""
    for _ in range(4):
        vault.grant()
    revoked = vault.grant()
    vault.manage.revoke(revoked, ALICE, "task-ui", "request-3")
    pending = vault.consent.request(wish()).grant_id
    rows(COPIES, 3, 3)
    whole = next(pages(vault, 100))
    assert [grant.status for grant in whole] == [
        *[Status.ACTIVE] * 4,
        Status.PENDING,
        *[Status.FAILED] * 3,
        Status.REVOKED,
    ]
    assert whole[4].id == pending
    for limit in range(1, 10):
        assert [grant for page in pages(vault, limit) for grant in page] == whole


@pytest.mark.parametrize("text", ["", "x", "!!", "MS4yLjM", "OS4wLjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMA"])
def test_a_position_that_no_answer_has_given_is_refused(text: str) -> None:
    """Also one that decodes."""
    with pytest.raises(ValueError, match=r"position|values|badly|invalid"):
        GrantPosition.parse(text)


def test_a_position_is_read_as_it_was_written(vault: Replica) -> None:
    """To the microsecond."""
    grant = vault.manage.find(vault.grant(), ALICE)
    assert GrantPosition.parse(str(GrantPosition.of(grant))) == GrantPosition(1, grant.created_at, grant.id)


def test_unanswered_requests_of_a_person_are_limited(vault: Replica, rows: Rows) -> None:
    """Exactly, also when they come at once; others are not affected, and an expired one makes room."""
    vault.consents._most_pending = 5
    waits: list[float] = []

    def request(_: int) -> UUID | None:
        try:
            return vault.consent.request(wish()).grant_id
        except TooManyPendingConsentsError as error:
            waits.append(error.retry_after)
            return None

    with ThreadPoolExecutor(8) as pool:
        assert sum(made is not None for made in pool.map(request, range(20))) == 5
    assert len(waits) == 15
    assert all(0 < wait <= 600 for wait in waits)
    other = replace(ALICE, sub="bob-sub")
    assert vault.consent.request(replace(wish(), owner=other)).grant_id
    rows(
        "update grants set consent_expires_at = now() where id = (select min(id::text)::uuid from grants"
        " where subject = 'alice-sub') returning 1"
    )
    assert request(0) is not None
