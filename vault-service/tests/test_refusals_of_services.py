"""Refusals as named services write them, by their documentation and public reports: `docs/servers.md` has the table."""

from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from stand_in_server import StandIn, stand_in
from test_answer_shapes import OLD, provider, refreshed

from vault_service.application.breaker import Breaker
from vault_service.application.provider_errors import (
    BusyError,
    GrantRefusedError,
    ProviderError,
    RefusedForNowError,
    UncertainError,
    VaultClientRefusedError,
)
from vault_service.domain.grant import Failure


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    """One server for all rows."""
    with stand_in() as running:
        yield running


def error(word: str, text: str | None = None, **more: Any) -> dict[str, Any]:
    """The members of RFC 6749 section 5.2."""
    return {"error": word, **({} if text is None else {"error_description": text}), **more}


DEAD_TOKENS = [
    ("github, form", 200, b"error=bad_refresh_token&error_description=The+refresh+token+passed+is+incorrect"),
    ("slack", 200, {"ok": False, "error": "invalid_refresh_token"}),
    ("slack, revoked", 200, {"ok": False, "error": "token_revoked"}),
    ("entra", 400, error("invalid_grant", "AADSTS700082: …", error_codes=[700082], suberror="token_expired")),
    ("entra, sign-in", 400, error("invalid_grant", "AADSTS50076: …", error_codes=[50076], suberror="basic_action")),
    ("salesforce", 400, error("invalid_grant", "expired access/refresh token")),
    ("zoom", 400, error("invalid_request", reason="Invalid refresh token.")),
    ("quickbooks", 400, error("invalid_grant", "Incorrect or invalid refresh token")),
    ("atlassian", 403, error("unauthorized_client", "refresh_token is invalid")),
    ("atlassian, renamed", 400, error("unauthorized_client", "Unknown or invalid refresh token.")),
    (
        "linkedin",
        400,
        error("invalid_request", "The provided authorization grant or refresh token is invalid, expired or revoked"),
    ),
    ("apple", 400, error("invalid_grant", "The token has expired or has been revoked.")),
    ("twitch", 400, {"status": 400, "message": "Invalid refresh token"}),
    ("twitch, with the phrase", 400, {"error": "Bad Request", "status": 400, "message": "Invalid refresh token"}),
    ("twitch, 401", 401, {"status": 401, "message": "Invalid refresh token"}),
    (
        "strava",
        400,
        {
            "message": "Bad Request",
            "errors": [{"resource": "RefreshToken", "field": "refresh_token", "code": "invalid"}],
        },
    ),
    ("dropbox", 400, error("invalid_grant", "refresh token is invalid or revoked")),
    ("box", 400, error("invalid_grant", "Refresh token has expired")),
    ("hubspot", 400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or unknown refresh token"}),
    ("discord", 400, error("invalid_grant")),
    ("spotify", 400, error("invalid_grant", "Refresh token revoked")),
    ("notion", 400, {"object": "error", "status": 400, "code": "invalid_grant", "message": "…"}),
    ("xero", 400, error("invalid_grant")),
    ("docusign", 400, error("invalid_grant", "expired_client_token")),
    (
        "google, reauth",
        400,
        error("invalid_grant", "reauth related error (invalid_rapt)", error_subtype="invalid_rapt"),
    ),
    ("okta", 400, error("invalid_grant", "The refresh token is invalid or expired.")),
    ("auth0", 403, error("invalid_grant", "Unknown or invalid refresh token.")),
    ("cognito", 400, {"__type": "NotAuthorizedException", "message": "Refresh Token has expired"}),
    (
        "fitbit",
        400,
        {"errors": [{"errorType": "invalid_grant", "message": "Refresh token invalid: …"}], "success": False},
    ),
    ("fitbit, 401", 401, {"errors": [{"errorType": "invalid_grant", "message": "…"}], "success": False}),
    ("supabase", 400, {"code": 400, "error_code": "x", "msg": "Invalid Refresh Token: Refresh Token Not Found"}),
    ("wechat", 200, {"errcode": 40030, "errmsg": "invalid refresh_token"}),
    ("lark", 200, {"code": 20026, "msg": "refresh token is invalid"}),
    ("a sentence", 400, error("Invalid refresh token")),
    ("names in capitals", 400, {"Error": "invalid_grant"}),
]


@pytest.mark.parametrize(("status", "body"), [row[1:] for row in DEAD_TOKENS], ids=[row[0] for row in DEAD_TOKENS])
def test_a_dead_token_is_refused_at_once_and_pauses_nobody(server: StandIn, status: int, body: object) -> None:
    """Whatever the server calls it; a probe of the client would get the same answer."""
    server.says(status, body)
    sent = len(server.forms)
    guarded = Breaker(provider(server), lambda _: None)
    with pytest.raises(GrantRefusedError) as refused:
        guarded.refresh(OLD, None, monotonic())
    assert refused.value.detail.status == status
    assert guarded.paused_for() == 0
    assert len(server.forms) == sent + 1


OTHERS: list[tuple[str, int, object, type[ProviderError]]] = [
    ("twitch, client", 403, {"status": 403, "message": "invalid client secret"}, VaultClientRefusedError),
    ("twitch, client id", 400, {"status": 400, "message": "invalid client"}, VaultClientRefusedError),
    (
        "strava, client",
        401,
        {"message": "Authorization Error", "errors": [{"resource": "Application", "field": "", "code": "invalid"}]},
        VaultClientRefusedError,
    ),
    ("reddit, client", 401, {"message": "Unauthorized", "error": 401}, VaultClientRefusedError),
    ("spring, client", 401, error("Unauthorized", status=401, path="/oauth/token"), VaultClientRefusedError),
    ("google, client", 401, error("deleted_client", "The OAuth client was deleted."), VaultClientRefusedError),
    ("entra, client", 401, error("invalid_client", "AADSTS7000222: … secret keys … expired"), VaultClientRefusedError),
    (
        "auth0, client",
        403,
        error("unauthorized_client", "Grant type 'refresh_token' not allowed for the client."),
        VaultClientRefusedError,
    ),
    (
        "ory, client",
        400,
        error("unauthorized_client", "The client is not allowed to use authorization grant 'refresh_token'."),
        VaultClientRefusedError,
    ),
    (
        "keycloak, client",
        401,
        error("unauthorized_client", "Invalid client or Invalid client credentials"),
        VaultClientRefusedError,
    ),
    ("reddit", 400, {"message": "Bad Request", "error": 400}, RefusedForNowError),
    ("forgerock", 400, {"code": 400, "reason": "Bad Request", "message": "…"}, RefusedForNowError),
    ("our mistake", 400, error("invalid_request", "Bad request: refresh token missing"), RefusedForNowError),
    (
        "entra, interaction",
        400,
        error("interaction_required", "AADSTS50079", suberror="basic_action"),
        RefusedForNowError,
    ),
    ("google, policy", 400, error("admin_policy_enforced"), RefusedForNowError),
    ("facebook", 400, {"error": {"message": "…", "type": "OAuthException", "code": 190}}, RefusedForNowError),
    ("dropbox, tagged", 400, {"error_summary": "other/..", "error": {".tag": "other"}}, RefusedForNowError),
    ("okta, limit", 429, {"errorCode": "E0000047", "errorSummary": "API call exceeded rate limit"}, BusyError),
    ("discord, limit", 429, {"message": "You are being rate limited.", "retry_after": 0.6, "global": False}, BusyError),
    ("hubspot, limit", 429, {"status": "error", "message": "…", "errorType": "RATE_LIMIT"}, BusyError),
    ("entra, later", 400, error("temporarily_unavailable", "AADSTS90033"), BusyError),
    ("salesforce, retry", 400, error("unknown_error", "retry your request"), UncertainError),
    ("maintenance", 200, {"status": "maintenance"}, UncertainError),
    ("trouble that names a token", 500, {"message": "refresh token store not found"}, UncertainError),
]


@pytest.mark.parametrize(("status", "body", "kind"), [row[1:] for row in OTHERS], ids=[row[0] for row in OTHERS])
def test_other_answers_are_not_final(server: StandIn, status: int, body: object, kind: type[ProviderError]) -> None:
    """They are about the client, about the moment, or unclear."""
    server.says(status, body)
    with pytest.raises(ProviderError) as failed:
        refreshed(server)
    assert type(failed.value) is kind


def test_a_word_may_repeat_the_name_of_the_grant_type_but_no_token(server: StandIn) -> None:
    """`refresh_token` is sent in each refresh and is no secret."""
    server.says(400, error("refresh_token_odd"))
    with pytest.raises(RefusedForNowError) as refused:
        refreshed(server)
    assert refused.value.word == "refresh_token_odd"
    server.says(400, error(f"x_{OLD.value}"))
    with pytest.raises(RefusedForNowError) as hidden:
        refreshed(server)
    assert hidden.value.word == "unreadable"


def test_what_only_a_text_says_is_told_as_such(server: StandIn) -> None:
    """The owner and the operator see why the grant has failed, and not the text."""
    server.says(400, {"status": 400, "message": "Invalid refresh token"})
    with pytest.raises(GrantRefusedError) as refused:
        refreshed(server)
    assert refused.value.failure is Failure.REAUTHORIZATION_REQUIRED
    assert refused.value.detail.check == "error_text"


@pytest.mark.parametrize("body", [error("BAD_REFRESH_TOKEN"), {"message": "Unknown refresh token"}], ids=str)
def test_a_revocation_of_a_token_that_is_unknown_has_ended(server: StandIn, body: object) -> None:
    """It is not sent again."""
    server.says(400, body, "/revocation")
    with pytest.raises(GrantRefusedError):
        provider(server).revoke(OLD)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (-2, 0),
        (-1, None),
        (-2_592_000, 0),
        ("-5", 0),
        (-0.5, 0),
        (0, None),
        ("0", None),
        (None, None),
        ("-", None),
        (7, 7),
    ],
)
def test_a_refresh_life_of_less_than_nothing_is_over_and_zero_has_no_end(
    server: StandIn, told: object, seconds: float | None
) -> None:
    """Keycloak says 0 for an offline token without an end, and less when its longest life has passed."""
    server.says(200, {"access_token": "a", "expires_in": 300, "refresh_token": "r", "refresh_expires_in": told})
    assert refreshed(server).refresh_expires_in == seconds
