"""A service that asks for what it may not have: from outside, for others, without end."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import requests
from consenting_issuer import PERSON, ConsentingIssuer
from replica import ALICE, Replica
from served_vault import API, ServedVault

from service_kit.postgres.clock import DatabaseClock
from service_kit.process.settings import SettingsError
from vault_service import config
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.grants.owned_grants import PostgresOwnedGrants
from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.application.errors import ServiceNotAllowedError
from vault_service.application.refusals import LINES_A_MINUTE, RecordRefusals
from vault_service.domain.grant import DefaultLimits, Subject

Rows = Callable[..., list[tuple[object, ...]]]
GATEWAY = {"X-Gateway": "public"}


def code(answer: requests.Response) -> tuple[int, str]:
    """Status and code of a problem, or the status and nothing."""
    return answer.status_code, answer.json().get("code", "")


@pytest.mark.process
def test_the_gateway_gives_services_no_access_tokens(served: ServedVault, issuer: ConsentingIssuer) -> None:
    """Neither one, nor many, nor a ticket; cached or not. Inside the network, by ticket, or for the owner it does."""
    owner, service = issuer.bearer("dev-cli"), issuer.bearer("task-service", "service-account")
    token_id = served.grant(owner)
    bearer = {"Authorization": f"Bearer {service}"}
    query = {"id": token_id, "subject": PERSON}
    one = f"{served.url}{API}/access-token"
    item = {"id": token_id, "subject": PERSON}
    for _ in range(3):
        assert requests.get(one, query, headers=bearer, timeout=30).status_code == 200
        assert code(requests.get(one, query, headers={**bearer, **GATEWAY}, timeout=30)) == (403, "public_mint_refused")
    many = requests.post(
        f"{served.url}{API}/access-tokens", json={"tokens": [item]}, headers={**bearer, **GATEWAY}, timeout=30
    )
    assert code(many) == (403, "public_mint_refused")
    ticket = {**item, "name": "cron"}
    made = requests.post(f"{served.url}{API}/tickets", json=ticket, headers={**bearer, **GATEWAY}, timeout=30)
    assert code(made) == (403, "public_mint_refused")
    made = requests.post(f"{served.url}{API}/tickets", json=ticket, headers=bearer, timeout=30)
    holder = {"Authorization": f"Bearer {made.json()['ticket']}"}
    assert requests.get(one, headers={**holder, **GATEWAY}, timeout=30).status_code == 200
    as_owner = {"Authorization": f"Bearer {owner}", **GATEWAY}
    assert requests.get(one, {"id": token_id}, headers=as_owner, timeout=30).status_code == 200


@pytest.mark.process
def test_refusals_are_in_the_owners_audit(served: ServedVault, issuer: ConsentingIssuer) -> None:
    """The line is in the audit of the grant's owner, independent of the named subject."""
    owner, other = (
        issuer.bearer("dev-cli"),
        issuer.bearer("other-service", "service-account", resource_access={"token-vault": {"roles": ["token:mint"]}}),
    )
    token_id = served.grant(owner)
    bearer = {"Authorization": f"Bearer {other}"}
    for subject in (PERSON, "somebody-else"):
        query = {"id": token_id, "subject": subject}
        assert requests.get(f"{served.url}{API}/access-token", query, headers=bearer, timeout=30).status_code >= 400
    audit = requests.get(
        f"{served.url}{API}/tokens/{token_id}/audit", headers={"Authorization": f"Bearer {owner}"}, timeout=30
    )
    lines = [line for line in audit.json()["lines"] if line["event"] == "token.refused"]
    assert {line["actor"] for line in lines} == {"other-service"}
    assert len(lines) == 2


def test_refusals_are_recorded_within_bounds(vault: Replica, rows: Rows) -> None:
    """Some a minute for each client; the next minute tells how many were left out."""
    now = [0.0]
    database, _ = vault.databases
    telemetry = PrometheusTelemetry()
    owned = vault.manage._grants
    assert isinstance(owned, PostgresOwnedGrants)
    audit = AuditLog(database, vault.keyring)
    refusals = RecordRefusals(owned, audit, DatabaseClock(database), telemetry, lambda: now[0])
    grant_id = vault.grant()

    def refuse(times: int, client: str = "stolen") -> None:
        for _ in range(times):
            refusals.note(client, grant_id, Subject(ALICE.issuer, "mallory"), "request-9", ServiceNotAllowedError())

    refuse(500)
    refuse(1, "another")
    counted = "select actor, count(*) from audit where event = 'token.refused' group by 1 order by 1"
    assert rows(counted) == [("another", 1), ("stolen", LINES_A_MINUTE)]
    now[0] = 61.0
    refuse(1)
    assert rows("select reason, subject from audit where event = 'token.refused' order by id desc limit 1") == [
        (f"{500 - LINES_A_MINUTE} more were not recorded", ALICE.sub)
    ]
    refusals.note("stolen", uuid4(), Subject(ALICE.issuer, "mallory"), "request-9", ServiceNotAllowedError())
    assert rows("select subject from audit order by id desc limit 1") == [("mallory",)]


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("days=365", DefaultLimits(365)),
        ("uses=10", DefaultLimits(None, 10)),
        ("days=1, uses=2", DefaultLimits(1, 2)),
        ("none", DefaultLimits()),
        ("", DefaultLimits()),
    ],
)
def test_default_limits_are_read(text: str, limits: DefaultLimits) -> None:
    """Words in any order."""
    assert config.limits(text) == limits
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert limits.end(now) == (None if limits.days is None else now + timedelta(days=limits.days))


@pytest.mark.parametrize("text", ["365", "days", "days=0", "hours=1", "days=x"])
def test_nonsense_is_no_limit(text: str) -> None:
    """The service does not start with it."""
    with pytest.raises((ValueError, SettingsError)):
        config.limits(text)


@pytest.mark.process
def test_a_grant_ends_by_default(served: ServedVault, issuer: ConsentingIssuer) -> None:
    """After a year, unless its owner says otherwise."""
    owner = {"Authorization": f"Bearer {issuer.bearer('dev-cli')}"}
    consents, tokens = f"{served.url}{API}/offline-consent", f"{served.url}{API}/tokens"
    made = requests.post(consents, headers=owner, timeout=30).json()["persistentTokenId"]
    ends = datetime.fromisoformat(requests.get(f"{tokens}/{made}", headers=owner, timeout=30).json()["notAfter"])
    assert abs(ends - datetime.now(UTC) - timedelta(days=365)) < timedelta(minutes=5)
