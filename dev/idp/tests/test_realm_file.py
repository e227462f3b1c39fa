"""Reading the realm file."""

import json

import pytest

from dev_idp import realm_file
from dev_idp.realm import uri_matches


def test_the_projects_realm_file_is_understood(rendered):
    realm = realm_file.load(rendered)
    assert realm.clients.keys() == {
        "task-ui",
        "token-vault",
        "task-service",
        "jupyterhub",
        "token-vault-cli",
        "dev-cli",
    }
    assert realm.users.keys() == {"alice", "bob", "service-account-task-service", "service-account-jupyterhub"}
    assert (realm.lifetimes.rotate, realm.lifetimes.max_reuse, realm.lifetimes.access_token) == (True, 1, 300)
    assert realm.clients["token-vault"].consent_required
    assert "offline_access" in realm.clients["token-vault"].optional_scopes
    assert "offline_access" not in realm.clients["task-ui"].optional_scopes
    assert realm.clients["dev-cli"].audiences == ("token-vault", "task-service")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"realm": "${REALM}"}', "still has the placeholder ${REALM}"),
        ("{", "is not a realm file"),
        ("[]", "is not a realm file"),
        ('{"realm": "x"}', "is not a realm file"),
    ],
)
def test_a_useless_file_is_refused_with_one_line(tmp_path, text, reason):
    path = tmp_path / "realm.json"
    path.write_text(text)
    with pytest.raises(realm_file.RealmError) as refused:
        realm_file.load(path)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(realm_file.RealmError, match="cannot read"):
        realm_file.load(tmp_path / "nowhere.json")


def test_a_plus_stands_for_the_redirect_uris(rendered):
    document = json.loads(rendered.read_text())
    ui = next(client for client in document["clients"] if client["clientId"] == "task-ui")
    ui["webOrigins"] = ["+"]
    ui["attributes"]["post.logout.redirect.uris"] = "+"
    rendered.write_text(json.dumps(document))
    client = realm_file.load(rendered).clients["task-ui"]
    assert client.web_origins == ("http://localhost:3000",)
    assert client.post_logout_uris == ("http://localhost:3000/*",)


def test_a_client_without_a_service_account_entry_has_one_all_the_same(rendered):
    document = json.loads(rendered.read_text())
    document["users"] = [user for user in document["users"] if "serviceAccountClientId" not in user]
    rendered.write_text(json.dumps(document))
    assert realm_file.load(rendered).service_account("task-service").username == "service-account-task-service"


@pytest.mark.parametrize(
    ("uri", "matches"),
    [
        ("http://h/app/", True),
        ("http://h/app/x?y=1", True),
        ("http://h/app", True),
        ("http://h/application", False),
        ("http://h/app/../admin", False),
        ("http://h/app/#fragment", False),
        ("http://h.evil/app/", False),
        ("http://h/exact", True),
        ("http://h/exact/", False),
        ("http://h/exact?x", False),
    ],
)
def test_redirect_uris_match_exactly_or_below_a_wildcard(uri, matches):
    assert uri_matches(uri, ("http://h/app/*", "http://h/exact")) is matches
