"""Every call of both clients against a real HTTP server that gives prepared answers."""

import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from scripted_answers import ACCESS, BATCH, CONSENT, GRANT, TICKETS, TOKENS, Answers, token

import token_vault_client as client
from token_vault_client import wire
from token_vault_client.aio import AsyncTokenVaultClient
from token_vault_client.calls import Calls

FIRST = datetime(2026, 1, 1, tzinfo=timezone.utc)


def test_both_clients_offer_every_call():
    calls = {name for name in vars(Calls) if not name.startswith("_")}
    for kind in (client.TokenVaultClient, AsyncTokenVaultClient):
        assert calls <= vars(kind).keys()
        assert all(vars(kind)[name].__doc__ == vars(Calls)[name].__doc__ for name in calls)


def test_an_access_token_is_asked_for_in_the_services_name_and_for_the_owner(answers, call):
    answers.says(ACCESS, 200, token())
    found = call("access_token", "id-1", "alice", min_valid=60, scopes={"profile", "openid"})
    assert (found.value, found.expires_at, found.scopes) == ("secret", FIRST, {"openid", "profile"})
    asked = answers.asked[-1]
    assert (asked.path, asked.authorization, asked.request_id) == (ACCESS, "Bearer own", "request-1")
    assert asked.query == {"id": "id-1", "subject": "alice", "min_valid": "60", "scope": "openid profile"}


def test_secrets_do_not_print(answers, call):
    answers.says(ACCESS, 200, token())
    answers.says(
        CONSENT, 200, {"consentUrl": "https://secret", "persistentTokenId": "id-1", "expiresAt": FIRST.isoformat()}
    )
    ticket = {"ticketId": "t-1", "ticket": "tvt_secret", "name": "cron", "expiresAt": FIRST.isoformat()}
    answers.says(TICKETS, 201, ticket)
    printed = (
        f"{call('access_token', 'id-1', 'alice')} {call('request_consent')!r} {call('create_ticket', 'id-1', 'cron')!r}"
    )
    assert "secret" not in printed


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "token_not_found", client.TokenNotFound),
        (409, "consent_pending", client.ConsentPending),
        (409, "consent_denied", client.GrantUnusable),
        (410, "token_revoked", client.GrantUnusable),
        (401, "unauthorized", client.NotAuthenticated),
        (403, "service_not_allowed", client.NotAllowed),
        (400, "invalid_scope", client.NotAllowed),
        (422, "min_valid_unattainable", client.NotAllowed),
        (503, "provider_unavailable", client.VaultUnavailable),
        (429, "rate_limited", client.VaultUnavailable),
        (500, "internal_error", client.VaultUnavailable),
        (418, "teapot", client.UnexpectedAnswer),
    ],
)
def test_problems_become_errors_that_say_what_to_do(answers, call, status, code, kind):
    answers.says(ACCESS, status, {"code": code, "detail": "Words.", "requestId": "r-7"}, Retry_After="7")
    with pytest.raises(kind) as refused:
        call("access_token", "id-1", "alice")
    error = refused.value
    assert (error.code, error.detail, error.request_id) == (code, "Words.", "r-7")
    assert str(error) == f"Words ({code}, request r-7). {error.advice}"
    assert error.advice
    if isinstance(error, client.VaultUnavailable):
        assert error.retry_after == 7.0


def test_what_was_wrong_with_a_request_is_named(answers, call):
    errors = [{"pointer": "/maxUses", "detail": "is less than 1"}]
    answers.says(CONSENT, 422, {"code": "invalid_input", "detail": "Some members are wrong.", "errors": errors})
    with pytest.raises(client.NotAllowed, match=r"Some members are wrong; /maxUses: is less than 1 "):
        call("request_consent", max_uses=0)
    answers.only(CONSENT, 422, {"code": "invalid_input", "detail": "/maxUses: is less than 1", "errors": errors})
    with pytest.raises(client.NotAllowed, match=r"^/maxUses: is less than 1 \("):
        call("request_consent", max_uses=0)


@pytest.mark.parametrize(
    "body",
    [b"<html>", [], {}, token(expiresAt="soon"), token(scope=None), token(accessToken=""), token(expiresIn="x")],
    ids=str,
)
def test_what_is_no_vaults_answer_is_a_clear_error(answers, call, body):
    answers.says(ACCESS, 200, body)
    with pytest.raises(client.UnexpectedAnswer):
        call("access_token", "id-1", "alice")


def test_redirects_are_not_followed(answers, call):
    answers.says(ACCESS, 302, {}, Location=f"{answers.url}/elsewhere")
    with pytest.raises(client.UnexpectedAnswer):
        call("access_token", "id-1", "alice")
    assert not answers.to("/elsewhere")


def test_nobody_there_is_unavailable(make_caller):
    with pytest.raises(client.VaultUnavailable) as refused:
        make_caller(client.Bearer("b"), "http://127.0.0.1:9")("access_token", "id-1")
    assert refused.value.code == "vault_unavailable"


@pytest.mark.parametrize("address", ["vault.example.org", "ftp://vault", ""])
def test_an_address_that_is_no_http_address_is_refused_at_once(make_caller, address):
    with pytest.raises(ValueError, match="has to begin with https://"):
        make_caller(client.Bearer("b"), address)


def test_an_unavailable_vault_is_asked_again_after_its_retry_after(answers, make_caller):
    answers.says(ACCESS, 503, {"code": "provider_unavailable", "detail": "Later."}, Retry_After="0")
    answers.says(ACCESS, 429, {"code": "rate_limited", "detail": "Later."}, Retry_After="0")
    answers.says(ACCESS, 200, token())
    assert make_caller(patience=10)("access_token", "id-1", "alice").value == "secret"
    assert len(answers.to(ACCESS)) == 3


def test_patience_has_an_end(answers, make_caller):
    answers.says(ACCESS, 503, {"code": "provider_unavailable", "detail": "Later."}, Retry_After="30")
    with pytest.raises(client.VaultUnavailable):
        make_caller(patience=10)("access_token", "id-1", "alice")
    assert len(answers.to(ACCESS)) == 1


def test_what_would_happen_twice_is_not_asked_again(answers, make_caller):
    answers.says(CONSENT, 503, {"code": "audit_unavailable", "detail": "Later."}, Retry_After="0")
    with pytest.raises(client.VaultUnavailable):
        make_caller(patience=10)("request_consent")
    assert len(answers.to(CONSENT)) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "9"}, 9.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:09 GMT", "date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 9.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:00 GMT", "date": "Thu, 01 Jan 2026 00:00:09 GMT"}, 0.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:09 GMT"}, 2.0),
        ({"retry-after": "-1"}, 2.0),
        ({"retry-after": "9" * 400}, 2.0),
        ({}, 2.0),
    ],
)
def test_retry_after_is_a_number_or_a_date_that_counts_from_the_answers_own(headers, seconds):
    assert wire.retry_after(headers) == seconds


def test_a_life_that_is_only_preferred_is_no_error_when_it_cannot_be_had(answers, call):
    answers.says(ACCESS, 422, {"code": "min_valid_unattainable", "detail": "Too long."})
    answers.says(ACCESS, 200, token())
    assert call("access_token", "id-1", "alice", min_valid=5, prefer_valid=4000).value == "secret"
    assert [asked.query["min_valid"] for asked in answers.to(ACCESS)] == ["4000", "5"]
    call("access_token", "id-1", "alice", min_valid=5, prefer_valid=4000)
    assert len(answers.to(ACCESS)) == 2


def test_a_life_that_is_demanded_is_an_error_when_it_cannot_be_had(answers, call):
    answers.says(ACCESS, 422, {"code": "min_valid_unattainable", "detail": "Too long."})
    with pytest.raises(client.NotAllowed):
        call("access_token", "id-1", "alice", min_valid=4000, prefer_valid=4000)
    assert len(answers.to(ACCESS)) == 1


def test_a_refused_token_is_named_by_its_hash(answers, call):
    answers.says(ACCESS, 200, token("first"))
    answers.says(ACCESS, 200, token("second"))
    first = call("access_token", "id-1", "alice")
    assert call("access_token", "id-1", "alice", refused=first.value).value == "second"
    digest = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"  # sha256sum of `first`
    assert answers.asked[-1].query["refused"] == digest
    assert call("access_token", "id-1", "alice", refused="first").value == "second"
    assert len(answers.to(ACCESS)) == 2


@pytest.mark.parametrize(("status", "code"), [(422, "invalid_input"), (400, "bad_request")])
def test_a_vault_that_does_not_know_refused_is_asked_without(answers, call, status, code):
    answers.says(ACCESS, status, {"code": code, "detail": "Unknown parameter."})
    answers.says(ACCESS, 200, token())
    assert call("access_token", "id-1", "alice", refused="bad").value == "secret"
    assert ["refused" in asked.query for asked in answers.to(ACCESS)] == [True, False]


def test_many_tokens_at_once_each_with_its_own_outcome(answers, call):
    gone = {"status": 404, "code": "token_not_found", "detail": "There is no such token.", "title": "Not Found"}
    away = {"status": 503, "code": "provider_unavailable", "detail": "Later.", "title": "Service Unavailable"}
    results = [
        {"id": "id-1", "token": token()},
        {"id": "id-2", "problem": gone},
        {"id": "id-3", "problem": away, "retryAfter": 7},
    ]
    answers.says(BATCH, 200, {"results": results})
    found, missing, later = call("access_tokens", [("id-1", "alice"), ("id-2", "alice"), ("id-3", "bob")])
    assert found.value == "secret"
    assert isinstance(missing, client.TokenNotFound)
    assert isinstance(later, client.VaultUnavailable)
    assert later.retry_after == 7
    answers.only(BATCH, 200, {"results": [{"id": "id-2", "problem": gone}]})
    assert [getattr(one, "value", None) for one in call("access_tokens", [("id-1", "alice"), ("id-2", "alice")])] == [
        "secret",
        None,
    ]
    assert answers.asked[-1].json["tokens"] == [{"id": "id-2", "subject": "alice"}]
    answers.only(BATCH, 200, {"results": [{"id": "id-2"}]})
    with pytest.raises(client.UnexpectedAnswer):
        call("access_tokens", [("id-2", "alice")])
    answers.only(BATCH, 200, {"results": []})
    with pytest.raises(client.UnexpectedAnswer, match="0 results for 1"):
        call("access_tokens", [("id-2", "alice")])


def test_more_than_a_hundred_tokens_are_asked_for_in_slices(answers, call):
    def each(asked):
        return 200, {"results": [{"id": t["id"], "token": token(t["id"])} for t in asked.json["tokens"]]}, {}

    answers.decides(BATCH, each)
    wanted = [(f"id-{number}", "alice") for number in range(230)]
    assert [found.value for found in call("access_tokens", wanted)] == [token_id for token_id, _ in wanted]
    assert [len(asked.json["tokens"]) for asked in answers.to(BATCH)] == [100, 100, 30]


def test_the_owners_view_is_asked_for_with_the_owners_token(answers, call):
    answers.says(TOKENS, 200, {"tokens": [GRANT]})
    answers.says(f"{TOKENS}/id-1", 200, GRANT)
    assert call("grants", "owners-token", task_id="task-1") == [call("grant", "id-1", "owners-token")]
    assert {asked.authorization for asked in answers.asked} == {"Bearer owners-token"}
    assert answers.asked[0].query == {"taskId": "task-1"}
    call("grants", "owners-token", ids=["id-1", "id-2"])
    assert answers.asked[-1].query == {"ids": "id-1,id-2"}


def test_a_consent_is_asked_for_with_what_was_given_only(answers, call):
    answers.says(
        CONSENT, 200, {"consentUrl": "https://as", "persistentTokenId": "id-1", "expiresAt": FIRST.isoformat()}
    )
    asked = call("request_consent", scopes={"phone"}, services=["s"], task_id="cron", not_after=FIRST, max_uses=3)
    assert (asked.url, asked.persistent_token_id, asked.expires_at) == ("https://as", "id-1", FIRST)
    wish = {"scopes": ["phone"], "services": ["s"], "taskId": "cron", "notAfter": FIRST.isoformat(), "maxUses": 3}
    assert answers.asked[-1].json == wish
    call("request_consent", task_ids=("task-1", "task-2"))
    assert answers.asked[-1].json == {"taskIds": ["task-1", "task-2"]}


def test_a_grant_says_what_it_was_asked_for(answers, call):
    answers.says(f"{TOKENS}/id-1", 200, GRANT)
    answers.says(f"{TOKENS}/id-2", 200, {**GRANT, "taskIds": ["task-1", "task-2"]})
    answers.says(f"{TOKENS}/id-3", 200, {key: value for key, value in GRANT.items() if key != "taskId"})
    asked = [call("grant", token_id, "owners-token").task_ids for token_id in ("id-1", "id-2", "id-3")]
    assert asked == [("task-1",), ("task-1", "task-2"), ()]


def test_a_service_asks_a_person_and_finds_the_grant_again(answers, call):
    answers.says(
        CONSENT, 200, {"consentUrl": "https://vault", "persistentTokenId": "id-1", "expiresAt": FIRST.isoformat()}
    )
    answers.says(TOKENS, 200, {"tokens": [{**GRANT, "name": "Notebook"}]})
    answers.says(f"{TOKENS}/id-1", 200, {**GRANT, "name": "Notebook"})
    call("request_consent", subject="alice", name="Notebook", return_to="https://hub/")
    assert answers.asked[-1].json == {"subject": "alice", "name": "Notebook", "returnTo": "https://hub/"}
    (found,) = call("grants", subject="alice", name="Notebook")
    assert found.name == "Notebook"
    assert answers.asked[-1].query == {"subject": "alice", "name": "Notebook"}
    assert call("grant", "id-1", subject="alice") == found
    assert answers.asked[-1].query == {"subject": "alice"}
    assert call("wait_for_consent", "id-1", subject="alice") == found
    assert answers.asked[-1].query == {"wait": "55", "subject": "alice"}


def test_waiting_for_consent_ends_with_the_answer(answers, call):
    answers.says(f"{TOKENS}/id-1", 200, {**GRANT, "status": "pending"})
    answers.says(f"{TOKENS}/id-1", 200, GRANT)
    assert call("wait_for_consent", "id-1").status == "active"
    assert answers.asked[-1].query == {"wait": "55"}


def test_a_vault_that_does_not_know_wait_is_polled(answers, call):
    answers.says(f"{TOKENS}/id-1", 422, {"code": "invalid_input", "detail": "Unknown parameter."})
    answers.says(f"{TOKENS}/id-1", 200, GRANT)
    assert call("wait_for_consent", "id-1").status == "active"
    assert answers.asked[-1].query == {}


@pytest.mark.parametrize(
    ("members", "code"),
    [({"status": "failed", "failure": "consent_denied"}, "consent_denied"), ({"status": "revoked"}, "token_revoked")],
)
def test_a_consent_that_is_not_given_says_why(answers, call, members, code):
    answers.says(f"{TOKENS}/id-1", 200, {**GRANT, **members})
    with pytest.raises(client.GrantUnusable) as refused:
        call("wait_for_consent", "id-1")
    assert refused.value.code == code


def test_waiting_for_consent_has_an_end(answers, call):
    answers.says(f"{TOKENS}/id-1", 200, {**GRANT, "status": "pending"})
    with pytest.raises(client.ConsentPending, match="the owner has not answered within 0 s"):
        call("wait_for_consent", "id-1", seconds=0.2)


def test_audit_and_revocation(answers, call):
    line = {"at": "2026-01-01T00:00:00.123456Z", "event": "used", "actor": "cli", "outcome": "ok", "requestId": "r"}
    answers.says(f"{TOKENS}/id-1/audit", 200, {"lines": [line], "next": 7})
    answers.says(f"{TOKENS}/id-1", 200, {"status": "revoked", "persistentTokenId": "id-1"})
    page = call("audit", "id-1", limit=5, before=9)
    assert (page.lines[0].event, page.lines[0].at.microsecond, page.next) == ("used", 123456, 7)
    assert answers.asked[-1].query == {"limit": "5", "before": "9"}
    assert call("revoke", "id-1") is None
    assert (answers.asked[-1].method, answers.asked[-1].query) == ("DELETE", {})
    assert call("revoke", "id-1", subject="sub-1") is None
    assert (answers.asked[-1].method, answers.asked[-1].query) == ("DELETE", {"subject": "sub-1"})


def test_tickets_are_made_listed_extended_and_ended(answers, call):
    """Against the ticket API as it is designed; the vault's own tests hold the other side."""
    work = {"taskId": "task-1", "attempt": 7}
    info = {
        "ticketId": "t-1",
        "name": "cron",
        "scopes": ["openid"],
        "expiresAt": FIRST.isoformat(),
        "maxUses": 5,
        **work,
    }
    answers.says(TICKETS, 201, {**info, "ticket": "tvt_x"})
    answers.says(f"{TOKENS}/id-1/tickets", 200, {"tickets": [info]})
    answers.says(f"{TICKETS}/t-1/extend", 200, info)
    answers.says(f"{TICKETS}/t-1", 200, {"status": "ended"})
    limits = {"scopes": ["openid"], "max_uses": 5, "expires_in": 60}
    made = call("create_ticket", "id-1", "cron", subject="alice", task_id="task-1", attempt=7, **limits)
    wish = {
        "id": "id-1",
        "name": "cron",
        "subject": "alice",
        "scopes": ["openid"],
        "maxUses": 5,
        "expiresIn": 60,
        **work,
    }
    assert answers.asked[-1].json == wish
    assert made.value == "tvt_x"
    assert (made.info.task_id, made.info.attempt) == ("task-1", 7)
    with pytest.raises(ValueError, match="together"):
        call("create_ticket", "id-1", "cron", task_id="task-1")
    assert call("tickets", "id-1") == [made.info] == [call("extend_ticket", "t-1", expires_in=60)]
    assert answers.asked[-1].json == {"expiresIn": 60}
    assert call("end_ticket", "t-1") is None


def test_ids_cannot_change_the_path(answers, call):
    answers.says(f"{TOKENS}/..%2Fx", 200, GRANT)
    assert call("grant", "../x").persistent_token_id == "id-1"


def test_nothing_is_read_from_the_environment(answers: Answers, tmp_path: Path):
    """A `.netrc` would replace the bearer token; a proxy would see it."""
    (tmp_path / "netrc").write_text("default login somebody password else\n")
    answers.says(ACCESS, 200, token())
    program = """
import asyncio, sys
from token_vault_client import *
from token_vault_client.aio import AsyncTokenVaultClient
url = sys.argv[1]
service = ClientCredentials(url + "/token", "service", "s")
TokenVaultClient(url, service, cache=None).access_token("id-1", "alice")
async def main():
    async with AsyncTokenVaultClient(url, service, cache=None) as vault:
        await vault.access_token("id-1", "alice")
asyncio.run(main())
"""
    proxies = {
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }
    environ: dict[str, Any] = {**os.environ, **proxies, "NETRC": str(tmp_path / "netrc")}
    subprocess.run([sys.executable, "-c", program, answers.url], env=environ, check=True, timeout=60)
    assert [asked.authorization.split()[0] for asked in answers.asked] == ["Basic", "Bearer", "Basic", "Bearer"]


def test_all_pages_of_grants_are_fetched(answers, call):
    """One that moves between two pages comes once."""

    def page(asked):
        numbers = {None: (1, 2), "b": (2, 3), "c": (4,)}[asked.query.get("after")]
        following = {None: {"next": "b"}, "b": {"next": "c"}, "c": {}}[asked.query.get("after")]
        return 200, {"tokens": [{**GRANT, "persistentTokenId": f"id-{number}"} for number in numbers], **following}, {}

    answers.decides(TOKENS, page)
    assert [grant.persistent_token_id for grant in call("grants")] == ["id-1", "id-2", "id-3", "id-4"]


def test_pages_without_end_are_an_error(answers, call, monkeypatch):
    """A list without an end cannot block the caller."""
    monkeypatch.setattr("token_vault_client.calls.MOST_PAGES", 3)
    answers.says(TOKENS, 200, {"tokens": [GRANT], "next": "again"})
    with pytest.raises(client.UnexpectedAnswer, match="more than 3 pages"):
        call("grants")
