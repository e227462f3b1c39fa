"""The calls of the vault's API as flows: each request, its caching and its answer. No I/O.

The clients offer every method of `Calls` under the same name: see `client.TokenVaultClient`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from token_vault_client import wire
from token_vault_client.cache import PROCESS_CACHE, Demand, Fetched, TokenCache
from token_vault_client.caller import VaultCaller
from token_vault_client.credentials import Credentials
from token_vault_client.errors import (
    UNKNOWN_PARAMETER,
    ConsentPending,
    GrantUnusable,
    NotAllowed,
    UnexpectedAnswer,
    VaultError,
)
from token_vault_client.fetching import BATCH_SIZE, TokenFetcher
from token_vault_client.flow import ANSWER_SECONDS, Flow, Pause, clock
from token_vault_client.model import (
    AuditRecords,
    ConsentRequest,
    FreshAccessToken,
    GrantInfo,
    IssuedTicket,
    TicketInfo,
)

DEFAULT_PATIENCE_SECONDS = 20.0
MOST_PAGES = 1000
WAIT_SECONDS = 55
POLL_SECONDS = 2.0


class Calls:
    """The calls to one vault with one caller's credentials."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        cache: TokenCache | None = PROCESS_CACHE,
        patience: float = DEFAULT_PATIENCE_SECONDS,
        request_id: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._vault = VaultCaller(base_url, credentials, cache or TokenCache(), patience, request_id)
        self._fetcher = TokenFetcher(self._vault, cache)
        self._cache = cache

    def access_token(
        self,
        persistent_token_id: str | None = None,
        subject: str | None = None,
        *,
        min_valid: int = 0,
        prefer_valid: int = 0,
        scopes: Iterable[str] = (),
        refused: str = "",
    ) -> Flow[FreshAccessToken]:
        """A fresh access token, from the cache if it has a suitable one.

        A service names the grant, and its owner in `subject`. An owner names the grant. A ticket needs neither.
        min_valid: seconds of life that the token must have left. prefer_valid: seconds that it should have left, if the
        authorization server gives such tokens. scopes: a part of the grant's. refused: a token that an API has answered
        with 401; the vault does not give it again, although it has not expired.

        Raises NotAuthenticated, TokenNotFound, ConsentPending, GrantUnusable, NotAllowed, VaultUnavailable,
        UnexpectedAnswer.
        """
        query = {"id": persistent_token_id, "subject": subject, "scope": " ".join(sorted(scopes))}
        asked = {name: value for name, value in query.items() if value}
        demand = Demand(min_valid, prefer_valid, refused)

        def fetch(urgent: bool) -> Flow[Fetched]:
            return self._fetcher.fetch(asked, demand, self._vault.patience if urgent else 0.0)

        if self._cache is None:
            return (yield from fetch(True)).token
        key = self._fetcher.key(persistent_token_id, subject, asked.get("scope", ""))
        return (yield from self._cache.obtain(key, fetch, demand))

    def access_tokens(
        self, wanted: Sequence[tuple[str, str]], *, min_valid: int = 0
    ) -> Flow[list[FreshAccessToken | VaultError]]:
        """Fresh access tokens for many pairs of persistent token id and subject: for each its token, or its error.

        For services. An error of one pair does not affect the others. The vault is asked for a hundred tokens at a
        time, and only for those that the cache does not have. Raises NotAuthenticated, NotAllowed, VaultUnavailable,
        UnexpectedAnswer for all.
        """
        results: dict[tuple[str, str], FreshAccessToken | VaultError] = {}
        if self._cache is not None:
            cached = {pair: self._cache.peek(self._fetcher.key(*pair), Demand(min_valid)) for pair in wanted}
            results = {pair: token for pair, token in cached.items() if token is not None}
        missing = [pair for pair in dict.fromkeys(wanted) if pair not in results]
        for begin in range(0, len(missing), BATCH_SIZE):
            pairs = missing[begin : begin + BATCH_SIZE]
            results.update((yield from self._fetcher.fetch_batch(pairs, min_valid)))
        return [results[pair] for pair in wanted]

    def request_consent(  # noqa: PLR0913 - the members of the request
        self,
        *,
        scopes: Iterable[str] = (),
        services: Iterable[str] = (),
        task_id: str | None = None,
        task_ids: Iterable[str] = (),
        provider: str | None = None,
        token_type: str | None = None,
        not_after: datetime | None = None,
        max_uses: int | None = None,
        subject: str | None = None,
        name: str | None = None,
        return_to: str | None = None,
    ) -> Flow[ConsentRequest]:
        """Request consent. Returns a pending grant, and the URL where its owner grants it.

        scopes: beyond `openid`. services: client ids that may use the grant. task_id: its purpose, stored with the
        grant; task_ids: up to 100 of them. not_after: the end of the grant, aware. max_uses: number of access tokens.
        name: the purpose, for people. A service that asks a person sends `subject`, `name` and `return_to`, an address
        that the vault lists for this service. The URL then leads to the vault's page.

        Raises NotAuthenticated, NotAllowed, VaultUnavailable, UnexpectedAnswer.
        """
        members = {
            "scopes": sorted(scopes),
            "services": sorted(services),
            "taskId": task_id,
            "taskIds": list(task_ids),
            "provider": provider,
            "tokenType": token_type,
            "notAfter": not_after.isoformat() if not_after else None,
            "maxUses": max_uses,
            "subject": subject,
            "name": name,
            "returnTo": return_to,
        }
        body = yield from self._vault.call("POST", "/offline-consent", body=_given(members), repeatable=False)
        return wire.read(wire.consent, body)

    def wait_for_consent(
        self, persistent_token_id: str, *, subject: str | None = None, seconds: float = 600.0
    ) -> Flow[GrantInfo]:
        """Wait until the owner has answered; the active grant. subject: the owner, when a service waits.

        Raises GrantUnusable when consent was not given, with `code` saying why; ConsentPending after `seconds`.
        """
        ends, long_poll = clock() + seconds, True
        while True:
            started = clock()
            wait = int(min(WAIT_SECONDS, max(ends - started, 0.0))) if long_poll else 0
            try:
                grant = yield from self._grant(persistent_token_id, wait, subject=subject)
            except NotAllowed as error:
                if not wait or error.code not in UNKNOWN_PARAMETER:
                    raise
                long_poll = False  # a vault that does not know `wait`
                continue
            if grant.status == "active":
                return grant
            if grant.status != "pending":
                raise _not_granted(grant)
            if clock() >= ends:
                raise ConsentPending("consent_pending", f"the owner has not answered within {seconds:.0f} s")
            pause = POLL_SECONDS - (clock() - started)
            yield Pause(max(min(pause, ends - clock()), 0.0))

    def grant(
        self, persistent_token_id: str, bearer: str | None = None, *, subject: str | None = None
    ) -> Flow[GrantInfo]:
        """One grant of the caller, or of the person whose access token `bearer` is.

        subject: the owner, when a service looks at a grant that it may use. Raises NotAuthenticated, TokenNotFound,
        NotAllowed, VaultUnavailable, UnexpectedAnswer.
        """
        return (yield from self._grant(persistent_token_id, 0, bearer, subject))

    def grants(
        self,
        bearer: str | None = None,
        *,
        task_id: str | None = None,
        ids: Sequence[str] = (),
        subject: str | None = None,
        name: str | None = None,
    ) -> Flow[list[GrantInfo]]:
        """All grants of the caller, or of the person whose access token `bearer` is, live ones first.

        Filters: task_id, name, and up to 100 ids. subject: the owner, when a service looks for the grants that it may
        use. All pages are fetched. Raises NotAuthenticated, NotAllowed, VaultUnavailable, UnexpectedAnswer.
        """
        wanted = {"taskId": task_id, "ids": ",".join(ids), "subject": subject, "name": name}
        query = {member: value for member, value in wanted.items() if value}
        found: dict[str, GrantInfo] = {}  # a grant can move between pages while they are fetched
        for _ in range(MOST_PAGES):
            body = yield from self._vault.call("GET", "/tokens", bearer=bearer, query=query)
            page, following = wire.read(wire.grants, body)
            found.update((grant.persistent_token_id, grant) for grant in page)
            if following is None:
                return list(found.values())
            query = {**query, "after": following}
        raise UnexpectedAnswer("unexpected_answer", f"the vault lists more than {MOST_PAGES} pages")

    def audit(self, persistent_token_id: str, *, limit: int = 50, before: int | None = None) -> Flow[AuditRecords]:
        """The audit of a grant of the caller, newest first. limit: 1 to 200 lines; before: a page's `next`.

        Raises NotAuthenticated, TokenNotFound, NotAllowed, VaultUnavailable, UnexpectedAnswer.
        """
        query = {"limit": str(limit), **({"before": str(before)} if before else {})}
        body = yield from self._vault.call("GET", f"/tokens/{_part(persistent_token_id)}/audit", query=query)
        return wire.read(wire.audit_page, body)

    def revoke(self, persistent_token_id: str, bearer: str | None = None, *, subject: str | None = None) -> Flow[None]:
        """Revoke a grant of the caller, or of the person whose access token `bearer` is. Idempotent.

        Access tokens that were given before stay valid until they expire. subject: the owner, when a service ends a
        grant that no other service may use. Raises NotAuthenticated, TokenNotFound, NotAllowed (`service_not_allowed`:
        others may use it), VaultUnavailable, UnexpectedAnswer.
        """
        query = {"subject": subject} if subject else None
        yield from self._vault.call("DELETE", f"/tokens/{_part(persistent_token_id)}", bearer=bearer, query=query)

    def create_ticket(
        self,
        persistent_token_id: str,
        name: str,
        *,
        subject: str | None = None,
        scopes: Iterable[str] = (),
        max_uses: int | None = None,
        expires_in: int | None = None,
        task_id: str | None = None,
        attempt: int | None = None,
    ) -> Flow[IssuedTicket]:
        """Make a ticket: a credential for one grant, for a place that holds no other. Its value is shown this once.

        name: the purpose, for people. subject: the owner, when a service makes the ticket. scopes: a part of the
        grant's. expires_in: seconds. task_id, attempt: the work that the ticket is for, up to 200 characters and a
        number from 1; each audit line about the ticket has them. Raises NotAuthenticated, TokenNotFound, GrantUnusable,
        NotAllowed, VaultUnavailable, UnexpectedAnswer; ValueError when only one of task_id and attempt is given.
        """
        if (task_id is None) != (attempt is None):
            raise ValueError("task_id and attempt are given together")
        members = {
            "id": persistent_token_id,
            "name": name,
            "subject": subject,
            "taskId": task_id,
            "attempt": attempt,
            "scopes": sorted(scopes),
            "maxUses": max_uses,
            "expiresIn": expires_in,
        }
        body = yield from self._vault.call("POST", "/tickets", body=_given(members), repeatable=False)
        return wire.read(wire.new_ticket, body)

    def tickets(self, persistent_token_id: str) -> Flow[list[TicketInfo]]:
        """The tickets of a grant of the caller. Raises what `grant` raises."""
        body = yield from self._vault.call("GET", f"/tokens/{_part(persistent_token_id)}/tickets")
        return wire.read(lambda members: [wire.ticket(entry) for entry in members["tickets"]], body)

    def extend_ticket(self, ticket_id: str, *, expires_in: int | None = None) -> Flow[TicketInfo]:
        """Move a ticket's end to `expires_in` seconds from now, for its maker or the owner.

        Raises what `grant` raises.
        """
        path = f"/tickets/{_part(ticket_id)}/extend"
        body = yield from self._vault.call("POST", path, body=_given({"expiresIn": expires_in}))
        return wire.read(wire.ticket, body)

    def end_ticket(self, ticket_id: str) -> Flow[None]:
        """End a ticket, for its maker or the owner. Raises what `grant` raises."""
        yield from self._vault.call("DELETE", f"/tickets/{_part(ticket_id)}")

    def _grant(
        self, persistent_token_id: str, wait: int, bearer: str | None = None, subject: str | None = None
    ) -> Flow[GrantInfo]:
        """One grant. wait: seconds for which the vault may delay the answer while the grant is pending."""
        body = yield from self._vault.call(
            "GET",
            f"/tokens/{_part(persistent_token_id)}",
            bearer=bearer,
            query={**({"wait": str(wait)} if wait else {}), **({"subject": subject} if subject else {})},
            answer_seconds=wait + ANSWER_SECONDS if wait else None,
        )
        return wire.read(wire.grant, body)


def _not_granted(grant: GrantInfo) -> GrantUnusable:
    code = grant.failure or {"revoked": "token_revoked", "expired": "token_expired"}.get(grant.status, grant.status)
    return GrantUnusable(code, f"the grant is {grant.status}")


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that say something."""
    return {name: value for name, value in members.items() if value not in (None, [])}


def _part(text: str) -> str:
    """Text as one segment of a path."""
    return quote(text, safe="")
