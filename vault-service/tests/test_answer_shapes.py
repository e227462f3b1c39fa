"""The shapes of answers that authorization servers really give: each member of each answer in every way that it can be
odd, every status, and what each means for the token that was sent. `docs/servers.md` has the table.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic, time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stand_in_server import StandIn, stand_in
from test_provider_servers import jwt

from service_kit.tokens.issuer import Issuer
from vault_service.adapters.provider.accounts import EndpointAccounts, IdTokenAccounts
from vault_service.adapters.provider.answers import members_of, read_tokens
from vault_service.adapters.provider.authorization_server import AuthorizationServer, ClientRegistration
from vault_service.adapters.provider.client_authentication import BasicSecret, PostedSecret
from vault_service.adapters.provider.dialect import Dialect
from vault_service.adapters.provider.discovery import Discovery
from vault_service.adapters.provider.endpoints import Addresses, ConfiguredEndpoints, DiscoveredEndpoints
from vault_service.adapters.provider.limited_session import LimitedSession
from vault_service.adapters.provider.token_endpoint import TokenEndpoint
from vault_service.application.ports.provider import TokenAnswer
from vault_service.application.provider_errors import (
    BusyError,
    GrantRefusedError,
    ProviderError,
    RefusedForNowError,
    RevocationRefusedError,
    UncertainError,
    UnusableAnswerError,
    VaultClientRefusedError,
)
from vault_service.domain.grant import UNREADABLE, RefreshToken, Subject

OLD = RefreshToken("the-old-refresh-token")
GOOD: dict[str, Any] = {
    "access_token": "access-1",
    "token_type": "Bearer",
    "expires_in": 300,
    "refresh_token": "rotated-1",
    "refresh_expires_in": 3600,
    "scope": "openid read",
    "id_token": None,
    "session_state": "session-1",
}
ODD: list[Any] = [None, "", " ", 0, -1, 1.5, True, [], {}, [None], {"a": {"b": []}}, "x" * 100_000, "\0", "\ud800", "ä"]


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    """One server for all rows."""
    with stand_in() as running:
        yield running


def provider(server: StandIn, dialect: Dialect | None = None, **client: Any) -> AuthorizationServer:
    """The vault's client at that server."""
    session = LimitedSession()
    endpoint = TokenEndpoint(session, BasicSecret("token-vault", "s3cret-value"), dialect)
    usual = {"name": "test", "issuer": server.url, "client_id": "token-vault", "redirect_uri": "https://v.example/cb"}
    issuer = Issuer(server.url)
    return AuthorizationServer(
        ClientRegistration(**{**usual, **client}),
        DiscoveredEndpoints(issuer, Discovery("test", issuer)),
        endpoint,
        IdTokenAccounts(issuer, "token-vault", None, 60),
        dialect,
    )


def refreshed(server: StandIn, dialect: Dialect | None = None) -> TokenAnswer:
    """One refresh."""
    return provider(server, dialect).refresh(OLD, None, monotonic())


# nothing that was obtained is thrown away


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
@pytest.mark.parametrize(
    "member", [*sorted(GOOD.keys() - {"refresh_token"}), "unknown", "error_description", "error_uri"]
)
def test_an_odd_member_never_loses_the_rotated_token(server: StandIn, member: str, odd: Any) -> None:
    """The rest of the answer is read. Where the access token cannot be used, the refresh token is kept."""
    server.says(200, {**GOOD, member: odd})
    try:
        answer = refreshed(server)
    except UnusableAnswerError as unusable:
        found, is_usable = unusable.obtained, False
    else:
        found, is_usable = answer.obtained, True
        assert answer.expires_in > 0
        assert answer.access_token
    assert is_usable or member in {"access_token", "token_type"}
    assert found is not None
    assert found.token.value == "rotated-1"


@pytest.mark.parametrize(
    "nothing", [None, "", " ", "\n", "null", "undefined", 0, True, [], {}, [None], "\ud800"], ids=repr
)
def test_an_odd_refresh_token_does_not_replace_the_old_one(server: StandIn, nothing: Any) -> None:
    """The access token is used. The refresh token that was sent stays."""
    server.says(200, {**GOOD, "refresh_token": nothing})
    answer = refreshed(server)
    assert (answer.access_token, answer.refresh_token) == ("access-1", None)


@pytest.mark.parametrize("member", sorted(GOOD.keys() - {"access_token"}))
def test_an_absent_member_is_no_fault(server: StandIn, member: str) -> None:
    """Only the access token is needed. Without a new refresh token the old one stays."""
    server.says(200, {name: value for name, value in GOOD.items() if name != member})
    answer = refreshed(server)
    assert answer.access_token == "access-1"
    assert answer.scopes == (None if member == "scope" else {"openid", "read"})


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (json.dumps(GOOD).encode("utf-8-sig"), "rotated-1"),
        (json.dumps(GOOD).encode("utf-16"), "rotated-1"),
        (json.dumps(GOOD).encode("utf-32"), "rotated-1"),
        (json.dumps({**GOOD, "name": "Zoë"}, ensure_ascii=False).encode("latin-1"), "rotated-1"),
        (b'{"refresh_token": "a", "refresh_token": "rotated-1", "access_token": "x"}', "rotated-1"),
        (b"access_token=x&refresh_token=rotated-1&scope=repo%2Cgist&token_type=bearer", "rotated-1"),
        (json.dumps(GOOD).replace("300", "9" * 5000).encode(), "rotated-1"),
        (json.dumps(GOOD).replace("300", "NaN").encode(), "rotated-1"),
        (json.dumps(GOOD).replace("300", "1e400").encode(), "rotated-1"),
        (json.dumps({**GOOD, "refresh_token": "rotated-1\0"}).encode(), "rotated-1\0"),
        (b'{"refresh_token": "rotated-1", "refresh_token": null, "access_token": "x"}', "rotated-1"),
        (
            b'{"refresh_token": "rotated-1", "refresh_token": "", "access_token": "x", "access_token": null}',
            "rotated-1",
        ),
        (json.dumps([GOOD]).encode(), "rotated-1"),
        (json.dumps(json.dumps(GOOD)).encode(), "rotated-1"),
    ],
    ids=[
        *("bom", "utf-16", "utf-32", "latin-1", "doubled", "form", "huge", "nan", "infinite", "nul"),
        *("doubled by null", "doubled by nothing", "list of one", "json in a string"),
    ],
)
def test_answers_in_other_encodings_are_read(server: StandIn, body: bytes, kept: str) -> None:
    """JSON in any Unicode encoding, Latin-1 in a text, a form, numbers beyond every limit."""
    server.says(200, body)
    assert refreshed(server).refresh_token == RefreshToken(kept)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(GOOD).encode()[:-1],
        b'{"refresh_token": "rotated-1", "x": ' + b"[" * 100_000,
        json.dumps({**GOOD, "access_token": "two words"}).encode(),
        json.dumps({**GOOD, "token_type": "mac"}).encode(),
        json.dumps({**GOOD, "error": "invalid_grant"}).encode(),
        b"\xef\xbb\xbf" + json.dumps(GOOD).encode()[:-1],
        b"refresh_token=rotated-1&token_type=bearer",
        json.dumps({**GOOD, "access_token": "null"}).encode(),
        json.dumps({**GOOD, "token_type": "DPoP"}).encode(),
        json.dumps(GOOD).encode() + b"<!-- served in 3 ms -->",
    ],
    ids=[
        *("cut", "deep", "unsendable", "mac", "error beside tokens", "cut after bom", "form without access token"),
        *("null as text", "dpop", "something after it"),
    ],
)
def test_a_success_that_cannot_be_used_keeps_its_refresh_token(server: StandIn, body: bytes) -> None:
    """The answer's refresh token is the only one that is left."""
    server.says(200, body)
    with pytest.raises(UnusableAnswerError) as unusable:
        refreshed(server)
    assert unusable.value.obtained is not None
    assert unusable.value.obtained.token.value == "rotated-1"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(GOOD.keys() - {"refresh_token"})) | st.text(), JSON, max_size=8))
def test_whatever_else_an_answer_holds_its_refresh_token_is_found(members: dict[str, Any]) -> None:
    """Any JSON beside it."""
    body = json.dumps({**members, "refresh_token": "rotated-1"}).encode()
    try:
        answer = read_tokens(body, members_of(body), Dialect())
    except UnusableAnswerError as unusable:
        found = unusable.obtained
    else:
        found = answer.obtained if answer else None
    assert found is not None
    assert found.token.value == "rotated-1"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_raises_nothing_unexpected(body: bytes) -> None:
    """Any bytes: tokens, none, or an answer that cannot be used."""
    with suppress(UnusableAnswerError):
        read_tokens(body, members_of(body), Dialect())


# a refusal is a refusal


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500, 503])
@pytest.mark.parametrize("word", ["invalid_grant", "INVALID_GRANT", " invalid_grant ", "bad_refresh_token"])
@pytest.mark.parametrize("description", [None, 5, {"a": 1}, ["x"], "\ud800", "x" * 50_000, "Token is not active"])
def test_a_known_word_is_final_whatever_stands_beside_it(
    server: StandIn, status: int, word: str, description: Any
) -> None:
    """Neither the status nor a member beside it decides."""
    server.says(status, {"error": word, "error_description": description, "error_uri": description})
    with pytest.raises(GrantRefusedError) as refused:
        refreshed(server)
    assert refused.value.detail.status == status
    assert refused.value.detail.error == word.strip().lower()


@pytest.mark.parametrize(
    ("status", "body", "word"),
    [
        (400, {"error": "interaction_required"}, "interaction_required"),
        (400, {"error": "login_required"}, "login_required"),
        (403, {"error": "access_denied"}, "access_denied"),
        (401, {"error": "invalid_token"}, "invalid_token"),
        (400, {"error": "something_new"}, "something_new"),
        (200, {"error": "something_new"}, "something_new"),
        (200, {"ok": False}, "not_ok"),
        (400, {"error": {"code": "expired_session", "message": "x"}}, "expired_session"),
        (400, {"error": ["no_session"]}, "no_session"),
        (400, {"errorCode": "E0000011"}, "e0000011"),
        (400, {"error": 4711}, "4711"),
        (400, {"error": "words with\nspaces"}, "unreadable"),
        (400, {"error": OLD.value}, "unreadable"),
        (400, b"error=interaction_required", "interaction_required"),
        (400, b"<html>", "http_400"),
        (400, None, "http_400"),
        (403, {}, "http_403"),
    ],
    ids=str,
)
def test_other_words_are_refusals_that_are_counted(server: StandIn, status: int, body: object, word: str) -> None:
    """`domain.refusal` says when they are final. A word that repeats the token is not told."""
    server.says(status, body)
    with pytest.raises(RefusedForNowError) as refused:
        refreshed(server)
    assert refused.value.word == word


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, None, BusyError),
        (503, b"<html>", BusyError),
        (400, {"error": "temporarily_unavailable"}, BusyError),
        (400, {"error": "slow_down"}, BusyError),
        (200, {"error": "ratelimited", "ok": False}, BusyError),
        (400, {"error": "server_error"}, UncertainError),
        (500, {"error": "something_new"}, UncertainError),
        (400, {"error": "unauthorized_client"}, VaultClientRefusedError),
        (401, {"error": "invalid_client"}, VaultClientRefusedError),
        (401, b"", VaultClientRefusedError),
        (200, b"", UncertainError),
        (200, b"<html>welcome</html>", UncertainError),
        (200, b"[]", UncertainError),
        (200, {"error": None}, UncertainError),
    ],
    ids=str,
)
def test_later_words_and_silence_are_no_refusals(
    server: StandIn, status: int, body: object, kind: type[ProviderError]
) -> None:
    """The grant stays active."""
    server.says(status, body)
    with pytest.raises(kind):
        refreshed(server)


@pytest.mark.parametrize("body", [None, b"<html>", {"x": 1}, [1]], ids=["none", "html", "object", "list"])
@pytest.mark.parametrize(
    "status", [*range(101, 105), *range(200, 227), *range(300, 309), *range(400, 452), *range(500, 512), 599]
)
def test_every_status_is_a_provider_error(server: StandIn, status: int, body: object) -> None:
    """Without tokens none is a success, none is followed elsewhere, and none is final at once."""
    server.says(status, body, Location=f"{server.url}/elsewhere", Retry_After="7")
    with pytest.raises(ProviderError) as failed:
        refreshed(server)
    assert not isinstance(failed.value, GrantRefusedError)
    assert failed.value.detail.status in {status, None}
    assert isinstance(failed.value, BusyError) is (status in {429, 503})


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        *(("7", 7, 7), ("0", 1, 1), ("9" * 4000, 300, 300), ("", 5, 5), ("-3", 5, 5), ("soon", 5, 5)),
        *(("Fri, 31 Dec 2100 23:59:59 GMT", 300, 300), ("Fri, 31 Dec 1999 23:59:59 GMT", 1, 1)),
    ],
)
def test_retry_after_counts_within_bounds(server: StandIn, header: str, least: float, most: float) -> None:
    """Seconds or a date (RFC 9110 section 10.2.3)."""
    server.says(429, None, Retry_After=header)
    with pytest.raises(BusyError) as busy:
        refreshed(server)
    assert least <= busy.value.retry_after <= most


# absent is not empty


@pytest.mark.parametrize(
    ("scope", "dialect", "scopes"),
    [
        ("a b", Dialect(), {"a", "b"}),
        ("a,b", Dialect(), {"a", "b"}),
        (" a,  b ", Dialect(), {"a", "b"}),
        (["a", "b", 5], Dialect(), {"a", "b"}),
        ("", Dialect(), set()),
        ("a,b", Dialect(scope_delimiter=" "), {"a,b"}),
        ("https://x.example/a b", Dialect(scope_names={"https://x.example/a": "a"}), {"a", "b"}),
        (None, Dialect(), None),
        (5, Dialect(), None),
        ({"a": 1}, Dialect(), None),
        ([5], Dialect(), None),
    ],
)
def test_scopes_in_every_notation(server: StandIn, scope: Any, dialect: Dialect, scopes: set[str] | None) -> None:
    """None: the server does not tell them."""
    server.says(200, {**GOOD, "scope": scope})
    assert refreshed(server, dialect).scopes == scopes


@pytest.mark.parametrize("told", ["3599", 3599, 3599.0, "3599.0", " 3599 "])
def test_a_life_may_be_a_text_or_a_float(server: StandIn, told: Any) -> None:
    """Entra writes "3599"."""
    server.says(200, {**GOOD, "expires_in": told, "refresh_expires_in": told})
    answer = refreshed(server)
    assert 3590 < answer.expires_in <= 3599
    assert answer.refresh_expires_in == 3599


@pytest.mark.parametrize("name", ["refresh_expires_in", "refresh_token_expires_in", "x_refresh_token_expires_in"])
def test_the_refresh_tokens_life_has_several_names(server: StandIn, name: str) -> None:
    """Keycloak's, GitHub's, Intuit's."""
    server.says(200, {"access_token": "a", name: 777})
    assert refreshed(server).refresh_expires_in == 777


@pytest.mark.parametrize("told", [None, 0, -1, "soon", [], True])
def test_without_a_life_the_tokens_own_end_counts_or_else_the_setting(server: StandIn, told: Any) -> None:
    """`expires_in` is only recommended (RFC 6749 section 5.1)."""
    server.says(200, {**GOOD, "expires_in": told, "access_token": jwt(exp=time() + 1000)})
    assert 980 < refreshed(server).expires_in <= 1000
    ahead = time() + 90  # the server's clock
    server.says(200, {**GOOD, "expires_in": told, "access_token": jwt(iat=ahead, exp=ahead + 300)})
    assert 280 < refreshed(server).expires_in <= 300
    server.says(200, {**GOOD, "expires_in": told})
    assert 1790 < refreshed(server, Dialect(access_lifetime=1800)).expires_in <= 1800


@pytest.mark.parametrize("told", [300_000, 1_900_000_000, "1900000000", 1e300, "Infinity"])
def test_a_life_that_cannot_be_true_is_not_believed(server: StandIn, told: Any) -> None:
    """Milliseconds, or the moment of the end: else a dead token would be handed out for years."""
    server.says(200, {**GOOD, "expires_in": told, "access_token": jwt(exp=time() + 300)})
    assert 280 < refreshed(server).expires_in <= 360
    if float(told) > 1e9:
        server.says(200, {**GOOD, "expires_in": told})
        assert refreshed(server, Dialect(access_lifetime=120)).expires_in <= 120


def test_a_clock_that_is_ahead_does_not_shorten_lives_much(server: StandIn) -> None:
    """The told life counts when the token seems to have ended already."""
    server.says(200, {**GOOD, "access_token": jwt(exp=time() - 100)})
    assert 290 < refreshed(server).expires_in <= 300


# identity, claim by claim


@pytest.mark.parametrize("scope", [["openid"], {"a": 1}, 5, None, "openid"])
@pytest.mark.parametrize("beside", ["scope", "aud", "realm_access", "exp", "azp2"])
def test_no_claim_hides_the_subject(server: StandIn, scope: Any, beside: str) -> None:
    """The subject is read whatever the other claims look like."""
    server.says(200, {**GOOD, "access_token": jwt(sub="mallory", **{beside: scope})})
    identity = refreshed(server).identity
    assert identity is not None
    assert identity.sub == "mallory"


@pytest.mark.parametrize("sub", [None, [], {}, True, 1.5, "", "a\0b", ["alice"]])
def test_a_subject_that_cannot_be_read_equals_nobody(server: StandIn, sub: Any) -> None:
    """A comparison without a result is a refusal."""
    server.says(200, {**GOOD, "access_token": jwt(sub=sub)})
    identity = refreshed(server).identity
    assert identity is not None
    assert identity.sub == UNREADABLE


# revocation ends


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, None, None),
        (204, None, None),
        (202, b"<html>", None),
        (400, {"error": "invalid_token"}, GrantRefusedError),
        (400, {"error": "invalid_grant"}, GrantRefusedError),
        (200, {"error": "invalid_token"}, GrantRefusedError),
        (400, {"error": "unsupported_token_type"}, RevocationRefusedError),
        (400, None, RevocationRefusedError),
        (404, b"<html>", RevocationRefusedError),
        (405, None, RevocationRefusedError),
        (401, {"error": "invalid_client"}, VaultClientRefusedError),
        (429, None, BusyError),
        (500, None, UncertainError),
        (503, None, UncertainError),
        (302, None, UncertainError),
    ],
    ids=str,
)
def test_what_an_answer_to_a_revocation_means(
    server: StandIn, status: int, body: object, kind: type[ProviderError] | None
) -> None:
    """RFC 7009 section 2.2, and what servers make of it."""
    server.says(status, body, "/revocation")
    if kind is None:
        provider(server).revoke(OLD)
    else:
        with pytest.raises(kind):
            provider(server).revoke(OLD)


# the client, and servers without OpenID Connect


@pytest.mark.parametrize(
    ("status", "body", "refuses"),
    [
        (400, {"error": "invalid_grant"}, False),
        (400, {"error": "something_new"}, False),
        (401, {"error": "invalid_client"}, True),
        (401, None, True),
        (500, None, None),
        (429, None, None),
    ],
    ids=str,
)
def test_the_client_is_probed_with_a_token_that_cannot_exist(
    server: StandIn, status: int, body: object, refuses: bool | None
) -> None:
    """Not with anybody's token."""
    server.says(status, body)
    assert provider(server).refuses_client() is refuses
    assert server.forms[-1]["refresh_token"].startswith("probe-")


def plain(server: StandIn, pointer: str) -> AuthorizationServer:
    """The vault's client at a server without OpenID Connect, where it posts its secret."""
    endpoint = TokenEndpoint(LimitedSession(), PostedSecret("app", "s3cret-value"))
    addresses = Addresses(authorization=f"{server.url}/auth", token=f"{server.url}/token", revocation=None)
    client = ClientRegistration(
        name="plain", issuer=server.url, client_id="app", redirect_uri="https://v.example/cb", has_id_tokens=False
    )
    accounts = EndpointAccounts(server.url, endpoint, f"{server.url}/user", pointer)
    return AuthorizationServer(client, ConfiguredEndpoints(addresses), endpoint, accounts)


@pytest.mark.parametrize(
    ("document", "pointer", "name"),
    [
        ({"id": 4711, "login": "octocat"}, "/id", "4711"),
        ({"account_id": "5b10"}, "/account_id", "5b10"),
        ({"authed_user": {"id": "U1"}}, "/authed_user/id", "U1"),
        ({"a/b": ["x", "y"]}, "/a~1b/1", "y"),
    ],
)
def test_an_account_comes_from_the_configured_endpoint(
    server: StandIn, document: object, pointer: str, name: str
) -> None:
    """GitHub, Atlassian, Slack; RFC 6901's escapes."""
    server.says(200, GOOD)
    server.says(200, document, "/user")
    account, answer = plain(server, pointer).redeem("code", "verifier", "nonce")
    assert account == Subject(server.url, name)
    assert answer.refresh_token == RefreshToken("rotated-1")
    assert server.forms[-1]["client_secret"] == "s3cret-value"
    assert server.authorizations[-1] is None


@pytest.mark.parametrize(
    ("status", "document"),
    [(200, {}), (200, {"id": None}), (200, {"id": ""}), (200, b"x"), (403, {"id": 1}), (302, None)],
)
def test_without_an_account_the_obtained_token_is_told_for_revocation(
    server: StandIn, status: int, document: object
) -> None:
    """The code was redeemed: its refresh token lives."""
    server.says(200, GOOD)
    server.says(status, document, "/user")
    with pytest.raises(UnusableAnswerError) as unusable:
        plain(server, "/id").redeem("code", "verifier", "nonce")
    assert unusable.value.obtained is not None


@pytest.mark.parametrize("id_token", [None, "", "x", 5, [], "a.b.c", "x" * 200_000])
def test_a_code_whose_id_token_is_refused_has_its_token_told_for_revocation(server: StandIn, id_token: Any) -> None:
    """The same with OpenID Connect."""
    server.says(200, {**GOOD, "id_token": id_token})
    with pytest.raises(UnusableAnswerError) as unusable:
        provider(server).redeem("code", "verifier", "nonce")
    assert unusable.value.obtained is not None
    assert (unusable.value.detail.check or "").startswith("id_token:")


# tokens of named services


@pytest.mark.parametrize(
    "claims",
    [
        {"scp": "read write", "appid": "app-1"},
        {"scp": ["read", "write"], "cid": "app-1"},
        {"scope": "read write", "client_id": "app-1"},
    ],
    ids=["entra", "okta", "rfc 9068"],
)
def test_scopes_and_client_of_an_access_token_have_several_names(server: StandIn, claims: dict[str, Any]) -> None:
    """The claims of the token count before the members of the answer."""
    server.says(200, {**GOOD, "access_token": jwt(iss="i", sub="s", **claims)})
    answer = refreshed(server)
    assert answer.scopes == {"read", "write"}
    assert answer.identity is not None
    assert answer.identity.client == "app-1"


def test_the_tokens_of_a_person_may_stand_below_a_member(server: StandIn) -> None:
    """Slack puts them at `/authed_user`, with the type `user` and with commas."""
    theirs = {
        "id": "U1",
        "access_token": "person",
        "token_type": "user",
        "refresh_token": "rotated-2",
        "scope": "read,write",
    }
    server.says(200, {"ok": True, "access_token": "bot", "token_type": "bot", "authed_user": theirs})
    dialect = Dialect(tokens_at="/authed_user", bearer_words=frozenset({"user"}), scope_delimiter=",")
    answer = refreshed(server, dialect)
    assert (answer.access_token, answer.refresh_token) == ("person", RefreshToken("rotated-2"))
    assert answer.scopes == {"read", "write"}
    with pytest.raises(UnusableAnswerError):
        refreshed(server, Dialect(tokens_at="/authed_user"))
