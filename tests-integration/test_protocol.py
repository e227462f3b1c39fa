"""The two authorization servers answer alike: each of these was seen at Keycloak first, and holds at both.

The development server stands in for Keycloak in most other tests; what it does differently is in
`docs/divergences.md`.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

import pytest
import requests
from keycloak_admin import rotation
from person import Person, query
from protocol import ProtocolServer, Told, basic, sent_back, told
from stack import TIMEOUT, Stack

GOOD = (200, "", "")
BAD_CLIENT = (401, "unauthorized_client", "Invalid client or Invalid client credentials")
UNKNOWN_CLIENT = (401, "invalid_client", "Invalid client or Invalid client credentials")
NO_CODE = (400, "invalid_grant", "Code not valid")
BAD_VERIFIER = (400, "invalid_grant", "PKCE verification failed: Invalid code verifier")
NO_REFRESH_TOKEN = (400, "invalid_grant", "Invalid refresh token")
GONE = (400, "invalid_grant", "Offline user session not found")
DETACHED = (400, "invalid_grant", "Session doesn't have required client")
OVERUSED = (400, "invalid_grant", "Maximum allowed refresh token reuse exceeded")
TWICE = (400, "invalid_request", "duplicated parameter")
NO_CHALLENGE = {"code_challenge": None, "code_challenge_method": None}
OTHER_METHOD = "code challenge method is not matching the configured one"
CREDENTIALS = {"grant_type": "client_credentials"}
PASSWORD = {"grant_type": "password", "client_id": "dev-cli", "username": "alice"}


@pytest.fixture(scope="module")
def server(stack: Stack) -> ProtocolServer:
    """The authorization server under test."""
    return ProtocolServer(stack)


@pytest.fixture(scope="module")
def tokens(server: ProtocolServer) -> dict[str, Any]:
    """An answer to Alice's consent; no test uses its refresh token up."""
    return server.tokens(Person("alice"))


def test_what_is_announced(server: ProtocolServer) -> None:
    """Everything that the vault, the services and the page look for."""
    document = server.endpoints
    issuer = server.stack["ISSUER"]
    assert document["issuer"] == issuer
    assert {name: document[f"{name}_endpoint"].removeprefix(issuer) for name in ENDPOINTS} == ENDPOINTS
    assert document["jwks_uri"] == f"{issuer}/protocol/openid-connect/certs"
    assert document["authorization_response_iss_parameter_supported"] is True
    assert "code" in document["response_types_supported"]
    assert "S256" in document["code_challenge_methods_supported"]
    assert {"client_secret_basic", "client_secret_post"} <= set(document["token_endpoint_auth_methods_supported"])
    assert {"authorization_code", "refresh_token", "client_credentials"} <= set(document["grant_types_supported"])


ENDPOINTS = {
    "authorization": "/protocol/openid-connect/auth",
    "token": "/protocol/openid-connect/token",
    "userinfo": "/protocol/openid-connect/userinfo",
    "revocation": "/protocol/openid-connect/revoke",
    "introspection": "/protocol/openid-connect/token/introspect",
    "end_session": "/protocol/openid-connect/logout",
}


@pytest.mark.parametrize(
    "changes",
    [{"client_id": "nobody"}, {"client_id": None}, {"redirect_uri": "http://evil.example/"}, {"redirect_uri": None}],
    ids=str,
)
def test_a_doubtful_client_gets_nothing_sent(server: ProtocolServer, changes: dict[str, str | None]) -> None:
    """The person sees a page and is not redirected (RFC 6749 section 4.1.2.1)."""
    answer = server.begun(server.flow(**changes), Person("alice"))
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (400, "text/html")
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"response_type": None}, "invalid_request", "Missing parameter: response_type"),
        ({"response_type": "fish"}, "unsupported_response_type", None),
        (NO_CHALLENGE, "invalid_request", "Missing parameter: code_challenge_method"),
        ({"code_challenge_method": "plain"}, "invalid_request", f"Invalid parameter: {OTHER_METHOD}"),
        ({"code_challenge": "short"}, "invalid_request", "Invalid parameter: code_challenge"),
        ({"scope": "openid fish"}, "invalid_scope", "Invalid scopes: openid fish"),
        ({"prompt": "none"}, "login_required", None),
    ],
    ids=str,
)
def test_a_known_client_is_told(
    server: ProtocolServer, changes: dict[str, str | None], error: str, description: str | None
) -> None:
    """By a redirect with `error`, `state` and `iss` (RFC 9207)."""
    answer = server.begun(server.flow(**changes), Person("alice"))
    back = sent_back(answer)
    assert (back.get("error"), back.get("error_description")) == (error, description)
    assert (back["state"], back["iss"]) == ("the-state", server.stack["ISSUER"])
    assert "code" not in back


def test_who_says_no_is_sent_back_with_that(server: ProtocolServer) -> None:
    """With `state` and `iss`, and no word more."""
    flow = server.flow()
    back = query(Person("alice").refuse(server.address(flow), stop_at=flow.redirect_uri))
    assert back == {"error": "access_denied", "state": "the-state", "iss": server.stack["ISSUER"]}


def test_without_a_page_only_for_those_who_have_consented(server: ProtocolServer) -> None:
    """`prompt=none` (OpenID Connect Core 1.0 section 3.1.2.1) in a browser that is logged in at the page."""
    person = Person("bob")
    server.code(server.flow(scope="openid", **server.of_the_page()), person)
    strange = sent_back(server.begun(server.flow(scope="openid offline_access phone address", prompt="none"), person))
    assert (strange.get("error"), strange.get("error_description")) == ("interaction_required", None)
    server.code(server.flow(), person)
    assert set(sent_back(server.begun(server.flow(prompt="none"), person))) == {"code", "state", "session_state", "iss"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"code_verifier": "a" * 50}, (400, "invalid_grant", "PKCE verification failed: Code mismatch")),
        ({"code_verifier": "short"}, BAD_VERIFIER),
        ({"code_verifier": ""}, BAD_VERIFIER),
        ({"redirect_uri": "http://other.example/"}, (400, "invalid_grant", "Incorrect redirect_uri")),
        ({"code": "garbage"}, NO_CODE),
    ],
    ids=str,
)
def test_a_code_alone_is_worth_nothing(server: ProtocolServer, changes: dict[str, str], expected: Told) -> None:
    """Verifier and address have to fit (RFC 7636, RFC 6749 section 4.1.3)."""
    flow = server.flow()
    code = server.code(flow, Person("alice"))
    assert told(server.exchanged(flow, code, **changes)) == expected


def test_a_code_works_once(server: ProtocolServer) -> None:
    """An offline grant that it gave before outlives its replay."""
    flow = server.flow()
    code = server.code(flow, Person("alice"))
    first = server.exchanged(flow, code).json()
    assert told(server.exchanged(flow, code)) == NO_CODE
    assert told(server.refreshed(first["refresh_token"])) == GOOD


BAD_REQUESTS: dict[str, tuple[Callable[[ProtocolServer], requests.Response], Told]] = {
    "no grant type": (lambda s: s.token({}), (400, "invalid_request", "Missing form parameter: grant_type")),
    "a grant type that nobody knows": (
        lambda s: s.token({"grant_type": "fish"}),
        (400, "unsupported_grant_type", "Unsupported grant_type"),
    ),
    "grant type twice": (lambda s: s.token([("grant_type", "client_credentials")] * 2), TWICE),
    "refresh token twice": (
        lambda s: s.token([("grant_type", "refresh_token"), ("refresh_token", "a"), ("refresh_token", "b")]),
        TWICE,
    ),
    "no code": (
        lambda s: s.token({"grant_type": "authorization_code"}),
        (400, "invalid_request", "Missing parameter: code"),
    ),
    "no refresh token": (
        lambda s: s.token({"grant_type": "refresh_token"}),
        (400, "invalid_request", "No refresh token"),
    ),
    "garbage to refresh": (lambda s: s.refreshed("garbage"), NO_REFRESH_TOKEN),
    "a wrong secret": (lambda s: s.token(CREDENTIALS, (s.tasks[0], "wrong")), BAD_CLIENT),
    "a wrong secret, and garbage to refresh": (lambda s: s.refreshed("garbage", (s.vault[0], "wrong")), BAD_CLIENT),
    "no secret": (lambda s: s.post("token_endpoint", {**CREDENTIALS, "client_id": s.tasks[0]}, None), BAD_CLIENT),
    "an unknown client": (lambda s: s.token(CREDENTIALS, ("nobody", "x")), UNKNOWN_CLIENT),
    "no client": (lambda s: s.post("token_endpoint", CREDENTIALS, None), UNKNOWN_CLIENT),
    "a header that is none": (
        lambda s: s.post("token_endpoint", CREDENTIALS, None, Authorization="Basic !!!"),
        UNKNOWN_CLIENT,
    ),
    "two clients at once": (lambda s: s.token({**CREDENTIALS, "client_id": "other"}, s.tasks), UNKNOWN_CLIENT),
    "a public client's credentials": (
        lambda s: s.post("token_endpoint", {**CREDENTIALS, "client_id": s.page}, None),
        (401, "unauthorized_client", "Public client not allowed to retrieve service account"),
    ),
    "a client without a service account": (
        lambda s: s.token(CREDENTIALS, s.vault),
        (401, "unauthorized_client", "Client not enabled to retrieve service account"),
    ),
    "a scope that nobody knows": (
        lambda s: s.token({**CREDENTIALS, "scope": "fish"}, s.tasks),
        (400, "invalid_scope", "Invalid scopes: fish"),
    ),
    "a wrong password": (
        lambda s: s.post("token_endpoint", {**PASSWORD, "password": "wrong"}, None),
        (400, "invalid_grant", "Invalid user credentials"),
    ),
    "a password where none is allowed": (
        lambda s: s.token({"grant_type": "password", "username": "alice", "password": "alice"}),
        (400, "unauthorized_client", "Client not allowed for direct access grants"),
    ),
}


@pytest.mark.parametrize(("send", "expected"), BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_a_bad_request_for_tokens(
    server: ProtocolServer, send: Callable[[ProtocolServer], requests.Response], expected: Told
) -> None:
    """The status, the error and the words; and no cache keeps them (RFC 6749 section 5.2)."""
    answer = send(server)
    assert told(answer) == expected
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")


def test_both_ways_to_name_a_client(server: ProtocolServer) -> None:
    """In the header and in the body, and in both alike (RFC 6749 section 2.3.1)."""
    client, secret = server.tasks
    body = {**CREDENTIALS, "client_id": client, "client_secret": secret}
    ways = [server.token(CREDENTIALS, server.tasks), server.post("token_endpoint", body, None)]
    ways.append(server.token(body, server.tasks))
    assert [told(answer) for answer in ways] == [GOOD] * 3
    assert {key for answer in ways for key in answer.json()} == {
        "access_token", "token_type", "expires_in", "refresh_expires_in", "scope", "not-before-policy",
    }  # fmt: skip


def test_tokens_are_asked_for_by_post_and_form(server: ProtocolServer) -> None:
    """Nothing else is a request for one."""
    address, header = server.endpoints["token_endpoint"], {"Authorization": basic(*server.tasks)}
    assert requests.get(address, headers=header, timeout=TIMEOUT).status_code == 405
    no_form = (400, "invalid_request", "Missing form parameter: grant_type")
    assert told(requests.post(address, json=CREDENTIALS, headers=header, timeout=TIMEOUT)) == no_form


@pytest.mark.parametrize("kind", ["access_token", "id_token"])
def test_only_refresh_tokens_refresh(server: ProtocolServer, tokens: dict[str, Any], kind: str) -> None:
    """Not other tokens of the same answer."""
    assert told(server.refreshed(tokens[kind])) == NO_REFRESH_TOKEN


def test_a_refresh_token_is_one_clients(server: ProtocolServer, tokens: dict[str, Any]) -> None:
    """Whatever another one can prove of itself; nor may its signature be touched."""
    foreign = "Invalid refresh token. Token client and authorized client don't match"
    assert told(server.refreshed(tokens["refresh_token"], server.tasks)) == (400, "invalid_grant", foreign)
    assert told(server.refreshed(tokens["refresh_token"][:-4] + "AAAA")) == NO_REFRESH_TOKEN


def test_a_refresh_narrows_one_access_token(server: ProtocolServer) -> None:
    """The answer names all scopes; the token's own claim tells. What was not granted is passed over."""
    refresh_token = server.tokens(Person("alice"), "openid offline_access phone address")["refresh_token"]
    narrow = server.refreshed(refresh_token, scope="openid phone").json()
    granted = {"openid", "offline_access", "phone", "address", "email", "profile"}
    assert set(narrow["scope"].split()) == granted
    assert set(claims(narrow["access_token"])["scope"].split()) == {"openid", "phone", "email", "profile"}
    whole = server.refreshed(narrow["refresh_token"]).json()
    assert set(claims(whole["access_token"])["scope"].split()) == granted
    answer = server.refreshed(whole["refresh_token"], scope="openid fish")
    assert told(answer) == (400, "invalid_scope", "Invalid scopes: openid fish")
    assert told(server.refreshed(whole["refresh_token"])) == GOOD


def test_one_reuse_is_forgiven(server: ProtocolServer) -> None:
    """As the realm has it: the next one ends the grant, and says so once."""
    with rotation(server.stack, "reuse 1"):
        spent = server.tokens(Person("alice"))["refresh_token"]
        server.refreshed(spent)
        again = server.refreshed(spent)
        assert told(again) == GOOD
        assert [told(server.refreshed(spent)), told(server.refreshed(again.json()["refresh_token"]))] == [
            OVERUSED,
            DETACHED,
        ]


def test_a_grants_end(server: ProtocolServer) -> None:
    """By its refresh token, even a spent one (RFC 7009); then nothing of it works. To say it twice is no fault."""
    answer = server.tokens(Person("alice"))
    newer = server.refreshed(answer["refresh_token"]).json()
    assert told(server.post("revocation_endpoint", {"token": answer["refresh_token"]}, server.vault)) == GOOD
    assert told(server.refreshed(newer["refresh_token"])) == GONE
    assert not server.introspected(newer["access_token"])["active"]
    assert server.userinfo(newer["access_token"]).status_code == 401
    twice = server.post("revocation_endpoint", {"token": newer["refresh_token"]}, server.vault)
    assert twice.status_code == 200


def test_an_access_tokens_end(server: ProtocolServer) -> None:
    """The grant of an expired access token stays usable."""
    answer = server.tokens(Person("alice"))
    assert told(server.post("revocation_endpoint", {"token": answer["access_token"]}, server.vault)) == GOOD
    assert not server.introspected(answer["access_token"])["active"]
    assert server.userinfo(answer["access_token"]).status_code == 401
    assert told(server.refreshed(answer["refresh_token"])) == GOOD


def test_what_cannot_be_revoked(server: ProtocolServer) -> None:
    """Nothing, garbage, and what belongs to another client."""

    def revoked(form: dict[str, str], client: tuple[str, str]) -> Told:
        return told(server.post("revocation_endpoint", form, client))

    assert revoked({}, server.vault) == (400, "invalid_request", "Token not provided")
    assert revoked({"token": "garbage"}, server.vault) == (200, "invalid_token", "Invalid token")
    assert revoked({"token": "garbage"}, (server.vault[0], "wrong")) == BAD_CLIENT
    other = {"token": server.tokens(Person("alice"))["refresh_token"]}
    assert revoked(other, server.tasks) == (400, "invalid_request", "Unmatching clients")
    assert told(server.refreshed(other["token"])) == GOOD


def test_what_introspection_tells(server: ProtocolServer, tokens: dict[str, Any]) -> None:
    """RFC 7662, of a service's token to the service that it is meant for; of others not even that they are tokens."""
    access_token = server.token(CREDENTIALS, server.tasks).json()["access_token"]
    found = server.introspected(access_token)
    assert found["active"]
    assert {name: found[name] for name in ("typ", "token_type", "client_id", "azp", "aud", "username")} == {
        "typ": "Bearer", "token_type": "Bearer", "client_id": server.tasks[0], "azp": server.tasks[0],
        "aud": server.vault[0], "username": f"service-account-{server.tasks[0]}",
    }  # fmt: skip
    assert server.introspected("garbage") == {"active": False}
    assert server.introspected(tokens["refresh_token"]) == {"active": False}
    assert server.introspected(access_token, server.tasks) == {"active": False}


def test_who_may_not_introspect(server: ProtocolServer) -> None:
    """Callers that cannot authenticate are refused."""

    def asked(form: dict[str, str], client: tuple[str, str] | None) -> Told:
        return told(server.post("introspection_endpoint", form, client))

    assert asked({"token": "x"}, (server.vault[0], "wrong")) == (401, "invalid_client", "Client authentication failed.")
    assert asked({"token": "x", "client_id": server.page}, None) == (403, "invalid_request", "Client not allowed.")
    assert asked({}, server.vault) == (400, "invalid_request", "Token not provided.")


def test_userinfo(server: ProtocolServer, tokens: dict[str, Any]) -> None:
    """For access tokens with `openid`; others get a challenge and no body (RFC 6750 section 3)."""

    def challenge(token: str | None) -> tuple[int, str, bytes]:
        answer = server.userinfo(token)
        return answer.status_code, answer.headers["WWW-Authenticate"], answer.content

    person = server.userinfo(tokens["access_token"])
    assert (person.status_code, person.json()["preferred_username"]) == (200, "alice")
    bad = (401, 'Bearer realm="demo", error="invalid_token", error_description="Token verification failed"', b"")
    assert challenge(None) == (401, 'Bearer realm="demo"', b"")
    assert [challenge(token) for token in ("garbage", tokens["refresh_token"], tokens["id_token"])] == [bad] * 3
    narrow = server.tokens(Person("alice"), "offline_access")["access_token"]
    missing = 'Bearer realm="demo", error="insufficient_scope", error_description="Missing openid scope"'
    assert challenge(narrow) == (403, missing, b"")


def test_what_stands_in_the_tokens(server: ProtocolServer, tokens: dict[str, Any]) -> None:
    """The claims that the vault, the services and the page read."""
    issuer, vault = server.stack["ISSUER"], server.vault[0]
    access, identity, offline = (claims(tokens[f"{kind}_token"]) for kind in ("access", "id", "refresh"))
    assert [token["typ"] for token in (access, identity, offline)] == ["Bearer", "ID", "Offline"]
    assert {token["azp"] for token in (access, identity, offline)} == {vault}
    assert {token["iss"] for token in (access, identity, offline)} == {issuer}
    assert len({token["sub"] for token in (access, identity, offline)}) == 1
    assert len({token["sid"] for token in (access, identity, offline)} | {tokens["session_state"]}) == 1
    assert ("aud" in access, identity["aud"], offline["aud"]) == (False, vault, issuer)
    assert (identity["nonce"], access["acr"]) == ("the-nonce", "1")
    assert "exp" not in offline
    assert access["exp"] - access["iat"] == tokens["expires_in"] == 300
    assert (tokens["token_type"], tokens["refresh_expires_in"], tokens["not-before-policy"]) == ("Bearer", 0, 0)
    assert set(access["scope"].split()) == {"openid", "offline_access", "email", "profile"}
    header = _header(tokens["access_token"])
    assert (header["alg"], header["typ"], bool(header["kid"])) == ("RS256", "JWT", True)
    service = claims(server.token(CREDENTIALS, server.tasks).json()["access_token"])
    assert (service["aud"], service["azp"], service["typ"]) == (vault, server.tasks[0], "Bearer")
    assert sorted(service["resource_access"].pop(vault)["roles"]) == ["consent:request", "token:mint"]
    assert service["resource_access"] == {}
    assert not {"sid", "realm_access", "session_state"} & set(service)


@pytest.mark.parametrize("named", ["id_token_hint", "client_id"])
def test_logging_out(server: ProtocolServer, named: str) -> None:
    """OpenID Connect RP-Initiated Logout 1.0: the page's login ends, an offline grant of the same browser does not."""
    person = Person("alice")
    page = server.logged_in(person)
    offline = server.tokens(person)["refresh_token"]
    back = f"{server.stack['PUBLIC_URL']}/tasks"
    hint = {"id_token_hint": page["id_token"]} if named == "id_token_hint" else {"client_id": server.page}
    answer = person.get(server.logout_url(post_logout_redirect_uri=back, state="x", **hint))
    if named == "id_token_hint":
        assert answer.headers["Location"] == f"{back}?state=x"
        assert told(server.page_refresh(page))[:2] == (400, "invalid_grant")
    else:
        assert (answer.status_code, told(server.page_refresh(page))) == (200, GOOD), "the person is asked first"
    assert told(server.refreshed(offline)) == GOOD


@pytest.mark.parametrize(
    "parameters",
    [
        {"id_token_hint": "the page's", "post_logout_redirect_uri": "http://evil.example/"},
        {"id_token_hint": "garbage", "post_logout_redirect_uri": "the page's"},
    ],
    ids=str,
)
def test_a_logout_goes_nowhere_else(server: ProtocolServer, parameters: dict[str, str]) -> None:
    """And ends nothing when it is refused."""
    person = Person("alice")
    page = server.logged_in(person)
    own = {"id_token_hint": page["id_token"], "post_logout_redirect_uri": f"{server.stack['PUBLIC_URL']}/tasks"}
    asked = {name: own[name] if value == "the page's" else value for name, value in parameters.items()}
    answer = person.get(server.logout_url(**asked))
    assert (answer.status_code, "Location" in answer.headers) == (400, False)
    assert told(server.page_refresh(page)) == GOOD


def claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    return _part(token, 1)


def _header(token: str) -> dict[str, Any]:
    return _part(token, 0)


def _part(token: str, number: int) -> dict[str, Any]:
    part = token.split(".")[number]
    return dict(json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))))
