"""The login that is kept: where the refresh token lies, and when it is used."""

import json
import sys
import types
from pathlib import Path

import pytest
import scripted_answers

from token_vault import browser_login, sessions
from token_vault.oauth import Challenge, LoginServer, LoginTokens
from token_vault.output import CommandError
from token_vault.profiles import Profile
from token_vault.sessions import FILE, KEYRING, SignedInSession


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """An authorization server of prepared answers; logins are kept in a folder of the test's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with scripted_answers.serving() as prepared:
        metadata = {
            "issuer": prepared.url,
            "authorization_endpoint": f"{prepared.url}/auth",
            "token_endpoint": f"{prepared.url}/token",
            "device_authorization_endpoint": f"{prepared.url}/device",
        }
        prepared.says("/.well-known/openid-configuration", 200, metadata)
        yield prepared


@pytest.fixture
def profile(server) -> Profile:
    return Profile("test", vault="https://vault", issuer=server.url)


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """A keyring in memory in the place of the system's."""
    kept: dict[tuple[str, str], str] = {}
    module = types.ModuleType("keyring")
    module.get_password = lambda service, name: kept.get((service, name))
    module.set_password = lambda service, name, value: kept.__setitem__((service, name), value)
    module.delete_password = lambda service, name: kept.pop((service, name))
    monkeypatch.setitem(sys.modules, "keyring", module)
    return kept


@pytest.mark.parametrize("kept_in", ["", FILE, KEYRING])
def test_the_refresh_token_lies_where_it_was_asked_for(profile, keyring, kept_in):
    session = SignedInSession(profile)
    session.begin(LoginTokens("access", 300, "refresh-1"), kept_in)
    assert ("refresh-1" in session.path.read_text()) is (kept_in == FILE)
    assert list(keyring.values()) == (["refresh-1"] if kept_in == KEYRING else [])
    assert session.bearer() == "access"


@pytest.mark.parametrize("kept_in", [FILE, KEYRING])
def test_a_rotated_refresh_token_takes_the_place_of_the_old_one(server, profile, keyring, kept_in):
    session = SignedInSession(profile)
    session.begin(LoginTokens("access", 10, "refresh-1"), kept_in)
    server.says("/token", 200, {"access_token": "another", "expires_in": 300, "refresh_token": "refresh-2"})
    assert session.bearer() == "another"
    assert server.asked[-1].form == {
        "client_id": "token-vault-cli",
        "grant_type": "refresh_token",
        "refresh_token": "refresh-1",
    }
    assert "refresh-1" not in session.path.read_text() + str(keyring)
    ended = session.end()
    assert ended is not None
    assert ended.refresh_token == "refresh-2"
    assert not session.path.exists()
    assert not keyring


def test_without_a_refresh_token_a_login_ends(server, profile):
    session = SignedInSession(profile)
    session.begin(LoginTokens("access", 10), "")
    with pytest.raises(CommandError, match="your login has ended"):
        session.bearer()


def test_a_session_that_has_ended_at_the_server_is_status_3(server, profile):
    session = SignedInSession(profile)
    session.begin(LoginTokens("access", 10, "refresh-1"), FILE)
    server.says("/token", 400, {"error": "invalid_grant", "error_description": "Session not active"})
    with pytest.raises(CommandError, match="Session not active") as refused:
        session.bearer()
    assert refused.value.status == 3


def test_staying_needs_a_refresh_token(profile):
    with pytest.raises(CommandError, match="gave no refresh token"):
        SignedInSession(profile).begin(LoginTokens("access", 300), FILE)


def test_without_the_package_the_keyring_is_not_used(profile, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(CommandError, match="not installed"):
        SignedInSession(profile).begin(LoginTokens("access", 300, "refresh-1"), KEYRING)


def test_a_login_of_another_issuer_is_none(profile):
    SignedInSession(profile).begin(LoginTokens("access", 300), "")
    assert SignedInSession(Profile("test", issuer="https://elsewhere")).read() is None


def test_a_file_that_is_no_login_is_said_to_be_none(profile):
    session = SignedInSession(profile)
    session.path.parent.mkdir(parents=True, exist_ok=True)
    session.path.write_text(json.dumps({"surprise": 1}))
    with pytest.raises(CommandError, match="cannot be read"):
        session.bearer()


def test_on_a_machine_without_a_browser_the_address_and_the_other_way_are_told(server, profile, monkeypatch, capsys):
    monkeypatch.setattr(browser_login.webbrowser, "open", lambda _: False)
    monkeypatch.setattr(browser_login, "WAIT_SECONDS", 0.01)
    with pytest.raises(CommandError, match="nobody has logged in"):
        browser_login.log_in(LoginServer(profile), open_browser=True)
    told = capsys.readouterr().err
    assert f"{server.url}/auth?" in told
    assert "No browser was found. On a machine without one: token-vault login --device" in told


def test_a_device_is_waited_for_as_the_server_says(server, profile, monkeypatch):
    """RFC 8628 section 3.5: five seconds more after each `slow_down`."""
    waited: list[float] = []
    monkeypatch.setattr("token_vault.oauth.time.sleep", waited.append)
    server.says("/device", 200, {"device_code": "d", "user_code": "U", "expires_in": 600, "interval": 2})
    for error in ("authorization_pending", "slow_down", "authorization_pending"):
        server.says("/token", 400, {"error": error})
    server.says("/token", 503, {"error": "busy"})
    server.says("/token", 200, {"access_token": "access", "expires_in": 300})
    authorization_server, challenge = LoginServer(profile), Challenge()
    begun = authorization_server.begin_device(challenge)
    assert authorization_server.wait_for_device(begun, challenge.verifier).access_token == "access"
    assert waited == [2, 2, 7, 7, 7]
    sent = [asked.form for asked in server.to("/token")]
    assert {form["device_code"] for form in sent} == {"d"}
    assert server.to("/device")[0].form["code_challenge_method"] == "S256"


@pytest.mark.parametrize("error", ["access_denied", "expired_token", "invalid_grant"])
def test_a_device_that_is_refused_is_not_waited_for(server, profile, monkeypatch, error):
    monkeypatch.setattr("token_vault.oauth.time.sleep", lambda _: None)
    server.says("/token", 400, {"error": error, "error_description": "no"})
    with pytest.raises(CommandError, match="refuses: no") as refused:
        LoginServer(profile).wait_for_device({"device_code": "d", "expires_in": 600}, "v")
    assert refused.value.status == 3


def test_a_server_that_calls_itself_something_else_is_not_believed(server):
    server.queues["/.well-known/openid-configuration"] = [(200, {"issuer": "https://other"}, {})]
    with pytest.raises(CommandError, match="calls itself https://other"):
        LoginServer(Profile("x", issuer=server.url)).endpoint("token_endpoint")


@pytest.mark.parametrize("answer", [(404, b"<html>"), (404, {"code": "not_found"}), (200, [])], ids=str)
def test_what_is_no_authorization_server_is_asked_about(server, answer):
    server.queues["/.well-known/openid-configuration"] = [(*answer, {})]
    with pytest.raises(CommandError, match="is that the issuer") as refused:
        LoginServer(Profile("x", issuer=server.url)).endpoint("token_endpoint")
    assert refused.value.status == 1


def test_a_server_without_a_device_endpoint_says_so(server, profile):
    server.queues["/.well-known/openid-configuration"] = [(200, {"issuer": server.url}, {})]
    with pytest.raises(CommandError, match="has no device_authorization_endpoint"):
        LoginServer(profile).begin_device(Challenge())


def test_a_name_that_would_leave_the_folder_is_none():
    with pytest.raises(CommandError, match="no name of a profile"):
        sessions.profiles.check_name("../x")
