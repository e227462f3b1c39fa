"""Many active grants, without a browser for each: 10,000 in about a minute.

The development authorization server issues them in bulk. The vault's own code stores them in its database, and shares
their access tokens in Redis: the adapters and the sealing of the product, wired in this process with the stack's
settings.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from faults.world import Granted, World, claims_of
from vault_service import config
from vault_service.adapters.cache.access_tokens import RedisAccessTokens, connect_redis
from vault_service.adapters.grants.consents import PostgresConsents
from vault_service.adapters.grants.outbox import Outbox
from vault_service.application.consent import ConsentOptions, pending_grant
from vault_service.application.ports.provider import TokenAnswer
from vault_service.application.ports.runtime import SharedToken
from vault_service.bootstrap.foundation import Foundation
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import AccessToken, Limits, RefreshToken, Subject, TokenType
from vault_service.domain.terms import Terms

AT_ONCE = 500
"""So many grants are asked of the authorization server in one request."""
CLIENT = "task-ui"
REQUEST = "bulk"


class BulkGrant(NamedTuple):
    """A grant that the vault has stored, and its first access token, which is not shared yet."""

    granted: Granted
    first: SharedToken


class BulkGrants:
    """Makes grants of the caller in a world."""

    def __init__(self, world: World, base: Foundation, shared: RedisAccessTokens) -> None:
        self._world = world
        self._clock = base.clock
        self._shared = shared
        outbox = Outbox(base.database, base.sealer, base.audit)
        self._consents = PostgresConsents(base.database, base.sealer, base.audit, outbox, assumed_idle=None)
        self._provider = base.settings.providers.default
        self._terms: Terms = base.settings.providers.by_name[self._provider].terms
        claims = claims_of(world.bearer)
        self._owner, self._username = Subject(claims["iss"], claims["sub"]), claims["preferred_username"]

    def now(self) -> float:
        """Unix time of the database."""
        return self._clock.now().timestamp()

    def add(self, number: int) -> list[BulkGrant]:
        """So many active grants. None of them has a cached token."""
        made: list[BulkGrant] = []
        while len(made) < number:
            made += map(self._stored, self._issued(min(AT_ONCE, number - len(made))))
        return made

    def share(self, grants: list[BulkGrant], expires_at: Callable[[], float]) -> None:
        """Share the first access token of each, as after a consent. expires_at: Unix time, for each anew."""
        for grant in grants:
            token, terms = grant.first
            ending = AccessToken(token.value, expires_at(), token.lifetime, token.scopes)
            self._shared.put(UUID(grant.granted.id), frozenset(), SharedToken(ending, terms))

    def _issued(self, number: int) -> list[dict[str, Any]]:
        """Grants of the authorization server."""
        scopes = self._terms.scopes_for(TokenType.OFFLINE, frozenset())
        asked = {"clientId": self._world.stack["VAULT_CLIENT_ID"], "scope": " ".join(scopes), "number": number}
        answer = self._world.stack.control("POST", "/grants", {**asked, "username": self._username})
        return list(answer.json()["grants"])

    def _stored(self, issued: dict[str, Any]) -> BulkGrant:
        """The steps of a consent, without its questions."""
        now = self._clock.now()
        options = ConsentOptions(
            owner=self._owner,
            client=CLIENT,
            request_id=REQUEST,
            browser_bound=False,
            provider=self._provider,
            token_type=TokenType.OFFLINE,
            task_ids=(),
            scopes=frozenset(),
            limits=Limits(services=frozenset()),
        )
        pending = pending_grant(options, self._terms, uuid4(), now + timedelta(minutes=1))
        asked = Entry(Event.CONSENT_REQUESTED, pending.id, self._owner, CLIENT, REQUEST, now)
        assert self._consents.add_question(pending, 1, asked)
        answer = TokenAnswer(
            access_token=issued["accessToken"],
            expires_in=issued["expiresIn"],
            scopes=frozenset(issued["scope"].split()),
            refresh_token=RefreshToken(issued["refreshToken"]),
            refresh_expires_in=None,
            session=issued["sid"],
        )
        scopes = self._terms.granted(TokenType.OFFLINE, answer.scopes, pending.scopes)
        given = Entry(Event.CONSENT_GRANTED, pending.id, self._owner, CLIENT, REQUEST, now)
        terms = self._consents.activate(pending.id, self._owner, answer, scopes, given)
        assert terms is not None
        lifetime = float(answer.expires_in)
        token = AccessToken(answer.access_token, now.timestamp() + lifetime, lifetime, scopes)
        return BulkGrant(Granted(str(pending.id), issued["sid"]), SharedToken(token, terms))


@contextmanager
def bulk_grants(world: World) -> Iterator[BulkGrants]:
    """The vault's code, on the stack's database and Redis; its connections are closed afterwards."""
    base = Foundation.of(config.read(world.stack.values))
    assert base.settings.redis_url is not None
    client = connect_redis(base.settings.redis_url.reveal())
    shared = RedisAccessTokens(client, base.sealer, base.clock.now, base.telemetry, _failed)
    try:
        yield BulkGrants(world, base, shared)
    finally:
        client.close()
        base.database.close()
        base.lock_database.close()


def _failed(error: Exception) -> None:
    raise error
