"""Each kind of credentials, as the vault and the authorization server see it."""

import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from joserfc import jwk, jwt
from scripted_answers import ACCESS, OWN, token

from token_vault_client import (
    Bearer,
    ClientCredentials,
    NotAuthenticated,
    PrivateKeyJwt,
    TicketCredentials,
    TokenFile,
    VaultUnavailable,
)


@pytest.fixture
def rsa_key() -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(2048)


def test_a_client_id_and_secret_are_form_encoded(answers, make_caller):
    """RFC 6749 section 2.3.1."""
    answers.says(ACCESS, 200, token())
    credentials = ClientCredentials(f"{answers.url}/token", "a service", "s:ecret/", parameters={"scope": "vault"})
    make_caller(credentials)("access_token", "id-1", "alice")
    own = answers.to(OWN)[0]
    assert own.authorization == "Basic " + b64encode(b"a%20service:s%3Aecret%2F").decode()
    assert own.form == {"grant_type": "client_credentials", "scope": "vault"}


def test_the_token_endpoint_may_be_found_out_when_it_is_needed(answers, make_caller):
    answers.says(ACCESS, 200, token())
    asked = []

    def endpoint() -> str:
        asked.append(1)
        return f"{answers.url}/token"

    call = make_caller(ClientCredentials(endpoint, "service", "s"))
    assert not asked
    call("access_token", "id-1", "alice")
    call("access_token", "id-2", "alice")
    assert len(asked) == 1


def test_an_own_token_that_is_not_accepted_is_replaced_once(answers, make_caller):
    """The signing key was rotated, say."""
    answers.only(OWN, 200, {"access_token": "first", "expires_in": 300})
    answers.says(OWN, 200, {"access_token": "second", "expires_in": 300})
    answers.says(ACCESS, 401, {"code": "unauthorized", "detail": "no"})
    answers.says(ACCESS, 200, token())
    call = make_caller()
    assert call("access_token", "id-1", "alice").value == "secret"
    assert [asked.authorization for asked in answers.to(ACCESS)] == ["Bearer first", "Bearer second"]
    answers.only(ACCESS, 401, {"code": "unauthorized", "detail": "no"})
    with pytest.raises(NotAuthenticated):
        call("access_token", "id-2", "alice")


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (401, {"error": "invalid_client"}, NotAuthenticated, "credentials_refused"),
        (401, {"error": "unauthorized_client"}, NotAuthenticated, "credentials_refused"),
        (400, {"error": "invalid_scope"}, NotAuthenticated, "credentials_refused"),
        (400, {"error": "temporarily_unavailable"}, VaultUnavailable, "provider_unavailable"),
        (503, {"error": "invalid_client"}, VaultUnavailable, "provider_unavailable"),
        (503, b"<html>", VaultUnavailable, "provider_unavailable"),
        (200, {"access_token": 7}, VaultUnavailable, "provider_unavailable"),
        (200, b"", VaultUnavailable, "provider_unavailable"),
    ],
    ids=str,
)
def test_what_the_token_endpoint_answers_instead(answers, make_caller, status, body, kind, code):
    answers.only(OWN, status, body, Retry_After="7")
    with pytest.raises(kind) as refused:
        make_caller()("access_token", "id-1", "alice")
    assert refused.value.code == code
    if kind is VaultUnavailable:
        assert refused.value.retry_after == 7


def test_no_token_endpoint_there_is_unavailable(make_caller):
    with pytest.raises(VaultUnavailable) as refused:
        make_caller(ClientCredentials("http://127.0.0.1:9/token", "service", "s"))("access_token", "id-1", "alice")
    assert refused.value.code == "provider_unavailable"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
def test_a_signed_assertion_instead_of_a_secret(answers, make_caller, tmp_path: Path, algorithm):
    """RFC 7523 section 3: what the authorization server checks."""
    key = jwk.ECKey.generate_key("P-256") if algorithm == "ES256" else jwk.RSAKey.generate_key(2048)
    path = tmp_path / "key.pem"
    path.write_bytes(key.as_pem(private=True))
    answers.says(ACCESS, 200, token())
    endpoint = f"{answers.url}/token"
    make_caller(PrivateKeyJwt(endpoint, "service", path, algorithm=algorithm, key_id="k1"))("access_token", "i", "a")
    own = answers.to(OWN)[0]
    assert own.authorization == ""
    assert own.form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    decoded = jwt.decode(own.form["client_assertion"], key, algorithms=[algorithm])
    claims = decoded.claims
    assert decoded.header["kid"] == "k1"
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("service", "service", endpoint)
    assert 0 < claims["exp"] - claims["iat"] <= 60


def test_each_assertion_is_another(answers, make_caller, rsa_key):
    answers.only(OWN, 200, {"access_token": "own", "expires_in": 0})
    answers.says(ACCESS, 200, token())
    pem = rsa_key.as_pem(private=True).decode()
    call = make_caller(PrivateKeyJwt(f"{answers.url}/token", "service", pem, audience="https://as"))
    call("access_token", "id-1", "alice")
    call("access_token", "id-2", "alice")
    claims = [jwt.decode(own.form["client_assertion"], rsa_key).claims for own in answers.to(OWN)]
    assert claims[0]["aud"] == "https://as"
    assert claims[0]["jti"] != claims[1]["jti"]


def test_a_key_that_is_none_is_refused_at_once(tmp_path: Path):
    with pytest.raises(ValueError, match="not a PEM key for RS256"):
        PrivateKeyJwt("https://as/token", "service", "hello")
    with pytest.raises(NotAuthenticated, match="gives no credentials"):
        PrivateKeyJwt("https://as/token", "service", tmp_path / "missing")


def test_a_ticket_is_the_bearer_and_names_its_grant(answers, make_caller):
    answers.says(ACCESS, 200, token())
    assert make_caller(TicketCredentials("tvt_abc"))("access_token").value == "secret"
    assert (answers.asked[-1].authorization, answers.asked[-1].query) == ("Bearer tvt_abc", {})


def test_what_is_no_ticket_is_not_sent(answers):
    with pytest.raises(ValueError, match="begins with tvt_"):
        TicketCredentials("eyJhbGciOi")


def test_a_ticket_that_is_not_accepted_is_not_sent_twice(answers, make_caller):
    answers.says(ACCESS, 401, {"code": "unauthorized", "detail": "The ticket has expired."})
    with pytest.raises(NotAuthenticated, match="The ticket has expired"):
        make_caller(TicketCredentials("tvt_abc"))("access_token")
    assert len(answers.asked) == 1


def test_a_bearer_may_be_asked_for_each_time(answers, make_caller):
    answers.says(ACCESS, 200, token())
    tokens = iter(["a", "a", "b", "b"])
    call = make_caller(Bearer(lambda: next(tokens)))
    call("access_token", "id-1")
    call("access_token", "id-1")
    assert [asked.authorization for asked in answers.asked] == ["Bearer a", "Bearer b"]


def kubernetes_replace(folder: Path, text: str) -> None:
    """As the kubelet does: a new folder, and a symbolic link that is exchanged."""
    new = folder / f"..{len(list(folder.iterdir()))}"
    new.mkdir()
    (new / "token").write_text(text)
    (folder / "..new").symlink_to(new)
    (folder / "..new").rename(folder / "..data")
    if not (folder / "token").is_symlink():
        (folder / "token").symlink_to(folder / "..data" / "token")


def plain_replace(folder: Path, text: str) -> None:
    """Written beside and renamed."""
    (folder / "draft").write_text(text + "\n")
    (folder / "draft").rename(folder / "token")


@pytest.mark.parametrize("replace", [kubernetes_replace, plain_replace])
def test_a_token_file_is_read_again_when_it_has_changed(
    answers, make_caller, tmp_path: Path, replace: Callable[[Path, str], None]
):
    answers.says(ACCESS, 200, token())
    replace(tmp_path, "first")
    call = make_caller(TokenFile(tmp_path / "token"))
    call("access_token", "id-1")
    call("access_token", "id-1")
    replace(tmp_path, "second")
    call("access_token", "id-1")
    assert [asked.authorization for asked in answers.asked] == ["Bearer first", "Bearer second"]


def test_a_token_file_that_was_not_accepted_is_read_again(answers, make_caller, tmp_path: Path):
    path = tmp_path / "token"
    path.write_text("first")
    credentials = TokenFile(path)

    def decide(asked):
        if asked.authorization == "Bearer first":
            times = path.stat()
            path.write_text("other")  # as long, and the time set back: it looks the same
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            return 401, {"code": "unauthorized", "detail": "no"}, {}
        return 200, token(), {}

    answers.decides(ACCESS, decide)
    assert make_caller(credentials)("access_token", "id-1").value == "secret"


@pytest.mark.parametrize(
    "content", [None, b"", b" \n", b"\xff\xfe", b"x" * 70_000], ids=["none", "0", "1", "bin", "big"]
)
def test_a_token_file_that_is_of_no_use_is_named(make_caller, tmp_path: Path, content):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NotAuthenticated) as refused:
        make_caller(TokenFile(path))("access_token", "id-1")
    assert refused.value.code == "credentials_unreadable"
    assert str(path) in str(refused.value)


def test_joserfc_is_needed_for_assertions_only():
    program = "import sys; sys.modules['joserfc'] = None; sys.modules['httpx'] = None; import token_vault_client"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
