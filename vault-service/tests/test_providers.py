"""Several authorization servers: the file that names them, their terms, and whose token it is."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import replica
from replica import ALICE, Replica, answer, wish
from scripted_provider import SCOPES, ScriptedProvider

from service_kit.process.settings import SettingsError
from vault_service import config, provider_file
from vault_service.application.errors import ConsentError, GrantUnusableError, ProviderUnavailableError
from vault_service.application.provider_errors import RevocationNotOfferedError
from vault_service.domain.grant import UNREADABLE, Failure, Status, TokenIdentity, TokenType
from vault_service.domain.terms import Expiry, Terms

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "deploy" / "providers.example.toml"
Rows = Callable[..., list[tuple[object, ...]]]

MINIMAL = """
default = "main"
[providers.main]
issuer = "https://issuer.example/realms/demo"
client_id = "token-vault"
client_secret_file = "secret"
"""


def write(folder: Path, content: str) -> Path:
    """A providers file with its secret beside it."""
    (folder / "secret").write_text("s3cret-value\n")
    (folder / "secret").chmod(0o400)
    path = folder / "providers.toml"
    path.write_text(content)
    return path


# the file


def test_a_minimal_file_means_what_the_single_settings_mean(tmp_path: Path) -> None:
    """Both token types, `prompt=consent`, and no expiry rules of the vault."""
    providers = provider_file.read(write(tmp_path, MINIMAL))
    main = providers.by_name["main"]
    assert providers.default == "main"
    assert main.client.secret is not None
    assert main.client.secret.reveal() == "s3cret-value"
    assert main.terms == Terms(issuer="https://issuer.example/realms/demo")
    assert dict(main.authorization_parameters) == {"prompt": "consent"}
    assert str(providers) == "main"


def test_the_example_file_can_be_read(tmp_path: Path) -> None:
    """The file that operators copy is valid, and its fields are known."""
    for name in ("vault_client_secret", "corp_client_secret"):
        (tmp_path / name).write_text("s")
        (tmp_path / name).chmod(0o400)
    path = tmp_path / "providers.toml"
    path.write_text(EXAMPLE.read_text())
    providers = provider_file.read(path)
    corp = providers.by_name["corp"]
    assert corp.terms.expiry[TokenType.OFFLINE] == Expiry(idle=180 * 86400, maximum=365 * 86400)
    assert corp.terms.offline_scope is None
    assert dict(corp.authorization_parameters) == {"access_type": "offline", "prompt": "consent"}
    assert not corp.revokes


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("issuer =", "issuers ="), "provider main: Object contains unknown field `issuers`"),
        (("client_id =", "#"), "provider main: Object missing required field `client_id`"),
        (
            ('"https://issuer.example/realms/demo"', '"ftp://x"'),
            "provider main: issuer: is not an absolute http(s) URL",
        ),
        (('"secret"', '"nowhere"'), "provider main: client_secret_file: cannot read"),
        (('"secret"', '"empty"'), "empty is empty"),
        (("client_secret_file", "client_secret"), "provider main: Object"),
        (("[providers.main]", "[providers.main]\nscopes = ['a b']"), "provider main: Expected `str` matching regex"),
        (("[providers.main]", "[providers.main]\ntoken_types = ['offlin']"), "$.token_types"),
        (("[providers.main]", "[providers.main]\ntoken_types = []"), "$.token_types"),
        (("[providers.main]", "[providers.main]\noffline = {idle = '30'}"), "$.offline.idle"),
        (
            ("[providers.main]", "[providers.main]\nauthorization_parameters = {state = 'x'}"),
            "state is set by the vault",
        ),
        (('default = "main"', 'default = "man"'), "default: is none of the providers main"),
        (("[providers.main]", "[providers.Main]"), "provider 'Main': a name is"),
        (("[providers.main]", "[providers.main"), "is not TOML"),
        (('default = "main"', ""), "missing required field `default`"),
    ],
    ids=str,
)
def test_a_faulty_file_is_told_in_one_line(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    """The line names file, provider and field, and shows no value."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "empty").chmod(0o400)
    path = write(tmp_path, MINIMAL.replace(*change))
    with pytest.raises(ValueError, match=r"providers\.toml") as refused:
        provider_file.read(path)
    assert told in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert "s3cret-value" not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", '"saml"'),
        ("internal_url", '"keycloak:8080"'),
        ("authorization_endpoint", '"https://x.example/a"'),
        ("token_endpoint", '"https://x.example/t"'),
        ("revocation_endpoint", '"https://x.example/r"'),
        ("account_endpoint", '"https://x.example/u"'),
        ("account_pointer", '"id"'),
        ("account_pointer", '"/id"'),
        ("client_authentication", '"tls_client_auth"'),
        ("client_key_file", '"secret"'),
        ("client_key_id", '"a b"'),
        ("client_key_algorithm", '"HS256"'),
        ("client_assertion_audience", '""'),
        ("algorithm", '"none"'),
        ("algorithm", '"HS256"'),
        ("clock_skew", "60"),
        ("access_lifetime", '"1 h"'),
        ("offline_scope", '"a b"'),
        ("unavoidable_scopes", '["a b"]'),
        ("narrows", '"no"'),
        ("scope_delimiter", '";"'),
        ("scope_names", '{"a b" = "c"}'),
        ("bearer_words", '["User"]'),
        ("tokens_at", '"authed_user"'),
        ("refusals", '["no session"]'),
        ("later", '"wait"'),
        ("revoke", '"no"'),
        ("ca_bundle", '"nowhere.pem"'),
        ("ca_bundle", '"secret"'),
        ("proxy", '"proxy.example:3128"'),
    ],
)
def test_a_wrong_value_is_told_with_file_provider_and_field(tmp_path: Path, field: str, value: str) -> None:
    """In one line."""
    path = write(tmp_path, f"{MINIMAL}{field} = {value}\n")
    with pytest.raises(ValueError, match="provider main") as refused:
        provider_file.read(path)
    line = str(refused.value)
    assert line.startswith(f"{path}: provider main: ")
    assert field in line.removeprefix(f"{path}: provider main: ")
    assert len(line.splitlines()) == 1
    assert "s3cret-value" not in line


PLAIN = """
default = "main"
[providers.main]
kind = "oauth2"
issuer = "https://github.example"
client_id = "app"
client_secret_file = "secret"
authorization_endpoint = "https://github.example/authorize"
token_endpoint = "https://github.example/token"
account_endpoint = "https://api.github.example/user"
account_pointer = "/id"
"""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        *(
            ((f"{name} =", f"# {name} ="), f'{name}: is not set, and kind = "oauth2" needs it')
            for name in ("authorization_endpoint", "token_endpoint", "account_endpoint", "account_pointer")
        ),
        (("https://github.example/authorize", "http://x.example"), "authorization_endpoint: is not https"),
        (("https://github.example/token", "http://x.example"), "token_endpoint: is not https"),
        (("https://api.github.example/user", "http://x.example"), "account_endpoint: is not https"),
        (('"https://github.example"', '"http://github.example"'), "issuer: is not https"),
        (('"app"', '"app"\nrevocation_endpoint = "http://x.example"'), "revocation_endpoint: is not https"),
        (('"app"', '"app"\ninternal_url = "http://x.example"'), "internal_url: is of no use"),
        (('"app"', '"app"\nclient_authentication = "none"'), "client_secret_file: is of no use with none"),
        (('"app"', '"app"\nclient_authentication = "private_key_jwt"'), "client_secret_file: is of no use"),
        (("client_secret_file", "client_key_file"), "client_secret_file: is not set"),
        (
            ("client_secret_file", 'client_authentication = "private_key_jwt"\nclient_key_file'),
            "client_key_file: is not a private key in PEM",
        ),
    ],
    ids=str,
)
def test_fields_that_do_not_go_together_are_told(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    """The fields of a server without OpenID Connect, and of a client's authentication."""
    assert provider_file.read(write(tmp_path, PLAIN)).by_name["main"].plain is not None
    path = write(tmp_path, PLAIN.replace(*change))
    with pytest.raises(ValueError, match="provider main") as refused:
        provider_file.read(path)
    assert str(refused.value).startswith(f"{path}: provider main: {told}")
    assert len(str(refused.value).splitlines()) == 1
    assert "s3cret-value" not in str(refused.value)


def environ(tmp_path: Path, **more: str) -> dict[str, str]:
    """Settings without a client secret."""
    key = tmp_path / "root.key"
    key.write_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    key.chmod(0o400)
    return {
        "VAULT_DATABASE_URL": "postgresql://vault@127.0.0.1:9/vault",
        "VAULT_ROOT_KEY_FILE": str(key),
        "PUBLIC_URL": "http://localhost:3000",
        "ISSUER": "https://issuer.example/realms/demo",
        **more,
    }


def test_without_a_file_the_issuer_is_the_provider_default(tmp_path: Path) -> None:
    """The issuer is the provider `default`."""
    providers = config.read(environ(tmp_path, VAULT_CLIENT_SECRET="s")).providers
    assert (providers.default, list(providers.by_name)) == ("default", ["default"])
    assert providers.by_name["default"].terms.issuer == "https://issuer.example/realms/demo"


def test_without_a_file_the_client_needs_its_secret(tmp_path: Path) -> None:
    """With a file it does not."""
    with pytest.raises(SettingsError, match="VAULT_CLIENT_SECRET: is not set"):
        config.read(environ(tmp_path))
    path = write(tmp_path, MINIMAL)
    assert config.read(environ(tmp_path, VAULT_PROVIDERS_FILE=str(path))).providers.default == "main"


def test_a_faulty_file_stops_the_start(tmp_path: Path) -> None:
    """The message names the setting."""
    path = write(tmp_path, MINIMAL.replace("issuer =", "issuers ="))
    with pytest.raises(SettingsError, match=r"VAULT_PROVIDERS_FILE: .*providers.toml: provider main: .*`issuers`"):
        config.read(environ(tmp_path, VAULT_PROVIDERS_FILE=str(path)))
    with pytest.raises(SettingsError, match="VAULT_PROVIDERS_FILE: cannot read"):
        config.read(environ(tmp_path, VAULT_PROVIDERS_FILE=str(tmp_path / "nowhere.toml")))


# scopes and ends


def test_an_offline_token_needs_its_scope_and_a_refresh_token_must_not_have_it() -> None:
    """Whatever scopes are requested."""
    terms = Terms(issuer="https://issuer.example", scopes=frozenset({"calendar"}))
    assert terms.scopes_for(TokenType.OFFLINE, frozenset()) == {"openid", "calendar", "offline_access"}
    assert terms.scopes_for(TokenType.REFRESH, frozenset({"offline_access"})) == {"openid", "calendar"}
    google = replace(terms, offline_scope=None)
    assert google.scopes_for(TokenType.OFFLINE, frozenset()) == {"openid", "calendar"}
    assert google.is_as_requested(TokenType.OFFLINE, frozenset({"openid"}), is_session_bound=False)
    assert not terms.is_as_requested(TokenType.OFFLINE, frozenset({"openid"}), is_session_bound=True)
    assert terms.is_as_requested(TokenType.OFFLINE, frozenset({"openid"}), is_session_bound=False)
    assert terms.is_as_requested(TokenType.REFRESH, frozenset({"openid"}), is_session_bound=False)
    assert not terms.is_as_requested(TokenType.REFRESH, frozenset({"offline_access"}), is_session_bound=False)


def test_a_refresh_token_that_would_outlive_the_login_is_refused(vault: Replica) -> None:
    """The server granted more than requested: the token is revoked, not kept."""
    started = vault.consent.request(replace(wish(), token_type=TokenType.REFRESH))
    with pytest.raises(ConsentError) as refused:
        vault.consent.complete(answer(started.state, vault.provider))
    assert refused.value.code == "provider_error"
    vault.deliver.deliver_one()
    assert vault.provider.revoked == ["refresh-1"]


@pytest.mark.parametrize(
    ("said", "rules", "token_type", "seconds"),
    [
        (None, Expiry(), TokenType.OFFLINE, None),
        (None, Expiry(idle=600), TokenType.OFFLINE, 600),
        (900.0, Expiry(idle=600), TokenType.OFFLINE, 900),
        (900.0, Expiry(idle=600, maximum=300), TokenType.OFFLINE, 300),
        (None, Expiry(maximum=300), TokenType.REFRESH, 300),
    ],
    ids=str,
)
def test_a_grant_ends_by_the_servers_word_and_our_rules(
    database_url: str,
    provider: ScriptedProvider,
    said: float | None,
    rules: Expiry,
    token_type: TokenType,
    seconds: float | None,
) -> None:
    """The server's answer overrides the rule for idle tokens; nothing overrides the longest life."""
    provider.refresh_expires_in = said
    provider.granted = SCOPES if token_type is TokenType.OFFLINE else SCOPES - {"offline_access"}
    vault = replica.create(
        database_url, provider, terms={"default": Terms(issuer=provider.issuer, expiry={token_type: rules})}
    )
    try:
        started = vault.consent.request(replace(wish(), token_type=token_type))
        vault.consent.complete(answer(started.state, provider))
        expires_at = vault.manage.find(started.grant_id, ALICE).expires_at
    finally:
        vault.close()
    if seconds is None:
        assert expires_at is None
    else:
        assert expires_at is not None
        assert abs(expires_at - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(seconds=60)


def test_refreshing_moves_the_idle_end_and_never_the_last_one(
    database_url: str, provider: ScriptedProvider, rows: Rows
) -> None:
    """The grant ends an hour after its last refresh, and two hours after its consent at the latest."""
    rules = {TokenType.OFFLINE: Expiry(idle=3600, maximum=7200)}
    vault = replica.create(database_url, provider, terms={"default": Terms(issuer=provider.issuer, expiry=rules)})
    try:
        grant_id = vault.grant()
        rows(
            "update grants set activated_at = activated_at - interval '90 minutes',"
            " expires_at = now() + interval '1 minute' returning 1"
        )
        vault.issue(grant_id, scopes=frozenset({"openid"}))
        assert rows("select expires_at = activated_at + interval '2 hours' from grants") == [(True,)]
        rows("update grants set expires_at = now() - interval '1 second' returning 1")
        assert vault.manage.find(grant_id, ALICE).status is Status.EXPIRED
        for scopes in ({"openid"}, {"email"}):  # cached, and to be refreshed
            with pytest.raises(GrantUnusableError) as over:
                vault.issue(grant_id, scopes=frozenset(scopes))
            assert over.value.reason is Failure.TOKEN_EXPIRED
    finally:
        vault.close()


# whose token it is


def test_a_consent_that_was_not_bound_never_takes_an_account_elsewhere(two: Replica) -> None:
    """For example when the provider's issuer changed meanwhile: the token is revoked, not kept."""
    started = two.consent.request(wish())
    assert started.browser_secret is None
    with pytest.raises(ConsentError) as refused:
        two.consent.complete(answer(started.state, two.provider))
    assert refused.value.code == "wrong_user"
    two.deliver.deliver_one()
    assert two.provider.revoked == ["refresh-1"]


SAME = TokenIdentity(ALICE.issuer, ALICE.sub, "token-vault")


@pytest.mark.parametrize(
    ("identity", "person"),
    [
        (SAME._replace(issuer="https://other.example"), None),
        (SAME._replace(sub="bob-sub"), None),
        (SAME._replace(client="another-client"), None),
        (SAME, TokenIdentity(ALICE.issuer, "bob-sub", "")),
        (None, TokenIdentity("https://other.example", ALICE.sub, "")),
        (SAME._replace(sub=UNREADABLE), None),
        (SAME, TokenIdentity(ALICE.issuer, UNREADABLE, "")),
    ],
    ids=str,
)
def test_a_refresh_that_brings_somebody_elses_token_fails_the_grant(
    vault: Replica, identity: TokenIdentity | None, person: TokenIdentity | None, rows: Rows
) -> None:
    """The token is neither returned nor cached, and no further request is sent."""
    vault.provider.identity, vault.provider.claimed_person = SAME, TokenIdentity(ALICE.issuer, ALICE.sub, "")
    grant_id = vault.grant()
    vault.provider.identity, vault.provider.claimed_person = identity, person
    for _ in range(2):
        with pytest.raises(GrantUnusableError) as refused:
            vault.issue(grant_id)
        assert refused.value.reason is Failure.WRONG_USER
    assert vault.provider.refreshes == 1
    assert rows("select event, outcome from audit order by id desc limit 1") == [("grant.failed", "wrong_user")]


@pytest.mark.parametrize(
    ("first", "later"),
    [(SAME, SAME), (SAME, None), (None, SAME), (SAME, SAME._replace(sub="", client=""))],
    ids=str,
)
def test_missing_claims_are_not_compared(
    vault: Replica, first: TokenIdentity | None, later: TokenIdentity | None
) -> None:
    """Opaque tokens, and JWTs without these claims, are accepted."""
    vault.provider.identity = first
    grant_id = vault.grant()
    vault.provider.identity = later
    assert vault.issue(grant_id).value


# providers that are gone, or cannot revoke


def test_a_grant_of_a_provider_that_is_no_longer_configured(
    two: Replica, new_replica: Callable[[], Replica], provider: ScriptedProvider
) -> None:
    """Such a grant cannot be refreshed, other grants work, and its owner can revoke it."""
    started = two.consent.request(replace(wish(), provider="corp"))
    bound = started.browser_secret
    two.confirm(two.consent.complete(answer(started.state, provider, browser_secret=bound, provider="corp")))
    provider.person = ALICE
    vault = new_replica()
    with pytest.raises(ProviderUnavailableError, match="not configured"):
        vault.issue(started.grant_id)
    assert vault.issue(vault.grant()).value
    vault.manage.revoke(started.grant_id, ALICE, "task-ui", "request-9")
    delivery = vault.deliver.deliver_one()
    assert delivery is not None
    assert delivery.outcome == "postponed"


def test_a_server_that_revokes_nothing_is_recorded_as_such(vault: Replica, rows: Rows) -> None:
    """The audit records `not_offered`."""
    grant_id = vault.grant()
    vault.provider.refuses_to_revoke = RevocationNotOfferedError()
    vault.manage.revoke(grant_id, ALICE, "task-ui", "request-9")
    vault.deliver.deliver_one()
    assert rows("select outcome from audit where event = 'revocation.sent'") == [("not_offered",)]
