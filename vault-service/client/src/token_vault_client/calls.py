"""The calls of the vault's API as flows: what is asked, what is cached, what is tried again. No I/O.

The clients offer every method of `Calls` under the same name: see `client.TokenVaultClient`.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from token_vault_client import wire
from token_vault_client.cache import PROCESS_CACHE, Demand, Fetched, TokenCache
from token_vault_client.credentials import Bearer, Credentials
from token_vault_client.dpop import DPoPKey, exchange
from token_vault_client.errors import (
    ConsentPending,
    GrantUnusable,
    NotAllowed,
    UnexpectedAnswer,
    VaultError,
    VaultUnavailable,
)
from token_vault_client.flow import ANSWER_SECONDS, Flow, HttpAnswer, Pause, Request, clock
from token_vault_client.model import (
    AuditRecords,
    ConsentRequest,
    FreshAccessToken,
    GrantInfo,
    IssuedTicket,
    TicketInfo,
    sha256,
)

DEFAULT_PATIENCE_SECONDS = 20.0
BATCH_SIZE = 100
MOST_PAGES = 1000
WAIT_SECONDS = 55
POLL_SECONDS = 2.0
_UNKNOWN_PARAMETER = {"invalid_input", "bad_request"}


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
        if not base_url.startswith(("https://", "http://")):
            raise ValueError(f"the vault's address is {base_url!r}: it has to begin with https:// or http://")
        self._base_url = base_url.rstrip("/") + wire.PREFIX
        self._credentials = credentials
        self._cache = cache
        self._own_tokens = cache or TokenCache()
        self._patience = patience
        self._request_id = request_id

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
        """A fresh access token, from the cache when it has one that will do.

        A service names the grant and its owner in `subject`; an owner names the grant; a ticket needs neither.
        min_valid: seconds of life that the token must have left; prefer_valid: that it should have, if the
        authorization server gives tokens that live so long; scopes: a part of the grant's; refused: the value of a
        token that an API has answered 401 to, so that the vault refreshes it although it has not expired.

        Raises NotAuthenticated, TokenNotFound, ConsentPending, GrantUnusable, NotAllowed, VaultUnavailable,
        UnexpectedAnswer.
        """
        query = {"id": persistent_token_id, "subject": subject, "scope": " ".join(sorted(scopes))}
        asked = {name: value for name, value in query.items() if value}
        demand = Demand(min_valid, prefer_valid, refused)

        def fetch(urgent: bool) -> Flow[Fetched]:
            return self._fetch(asked, demand, self._patience if urgent else 0.0)

        if self._cache is None:
            return (yield from fetch(True)).token
        key = self._key(persistent_token_id, subject, asked.get("scope", ""))
        return (yield from self._cache.obtain(key, fetch, demand))

    def access_tokens(
        self, wanted: Sequence[tuple[str, str]], *, min_valid: int = 0
    ) -> Flow[list[FreshAccessToken | VaultError]]:
        """Fresh access tokens for many pairs of persistent token id and subject: for each its token, or its error.

        For services. None spoils another; the vault is asked for a hundred at a time, and only for those that the
        cache does not have. Raises NotAuthenticated, NotAllowed, VaultUnavailable, UnexpectedAnswer for all of them.
        """
        results: dict[tuple[str, str], FreshAccessToken | VaultError] = {}
        if self._cache is not None:
            cached = {pair: self._cache.peek(self._key(*pair), Demand(min_valid)) for pair in wanted}
            results = {pair: token for pair, token in cached.items() if token is not None}
        missing = [pair for pair in dict.fromkeys(wanted) if pair not in results]
        for begin in range(0, len(missing), BATCH_SIZE):
            pairs = missing[begin : begin + BATCH_SIZE]
            results.update((yield from self._fetch_batch(pairs, min_valid)))
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
        """Ask for consent: a pending grant, and the URL where its owner grants it.

        scopes: beyond `openid`; services: client ids that may use the grant; task_id: what it is for, kept with it;
        task_ids: the same, when it is for several, up to 100; not_after: aware, when it ends; max_uses: access tokens
        that it may give; name: what it is for, for people. A service that asks a person sends `subject`, `name` and
        `return_to`, an address that the vault lists for it; the URL is then of the vault's page.

        Raises NotAuthenticated, NotAllowed, VaultUnavailable, UnexpectedAnswer.
        """
        wish = {
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
        body = yield from self._call("POST", "/offline-consent", body=_given(wish), repeatable=False)
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
                if not wait or error.code not in _UNKNOWN_PARAMETER:
                    raise
                long_poll = False  # a vault that does not know `wait`
                continue
            if grant.status == "active":
                return grant
            if grant.status != "pending":
                raise _not_granted(grant)
            if clock() >= ends:
                raise ConsentPending("consent_pending", f"nobody has answered within {seconds:.0f} s")
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
        """All grants of the caller or of that person, live ones first; only those asked for a task, or with a name.

        ids: only these, up to 100; subject: the owner, when a service looks for the grants that it may use. Every page
        is fetched. Raises NotAuthenticated, NotAllowed, VaultUnavailable, UnexpectedAnswer.
        """
        wanted = {"taskId": task_id, "ids": ",".join(ids), "subject": subject, "name": name}
        query = {member: value for member, value in wanted.items() if value}
        found: dict[str, GrantInfo] = {}  # a grant can move between pages while they are fetched
        for _ in range(MOST_PAGES):
            body = yield from self._call("GET", "/tokens", bearer=bearer, query=query)
            page, following = wire.read(wire.grants, body)
            found.update((grant.persistent_token_id, grant) for grant in page)
            if following is None:
                return list(found.values())
            query = {**query, "after": following}
        raise UnexpectedAnswer("unexpected_answer", f"the vault lists more than {MOST_PAGES} pages")

    def audit(self, persistent_token_id: str, *, limit: int = 50, before: int | None = None) -> Flow[AuditRecords]:
        """What has happened to a grant of the caller, newest first. limit: 1 to 200 lines; before: a page's `next`.

        Raises NotAuthenticated, TokenNotFound, NotAllowed, VaultUnavailable, UnexpectedAnswer.
        """
        query = {"limit": str(limit), **({"before": str(before)} if before else {})}
        body = yield from self._call("GET", f"/tokens/{_part(persistent_token_id)}/audit", query=query)
        return wire.read(wire.audit_page, body)

    def revoke(self, persistent_token_id: str, bearer: str | None = None, *, subject: str | None = None) -> Flow[None]:
        """End a grant of the caller, or of the person whose access token `bearer` is, for good; twice is once. Tokens
        that were given live until they expire.

        subject: the owner, when a service ends a grant that no other service may use. Raises NotAuthenticated,
        TokenNotFound, NotAllowed (`service_not_allowed`: others may use it), VaultUnavailable, UnexpectedAnswer.
        """
        query = {"subject": subject} if subject else None
        yield from self._call("DELETE", f"/tokens/{_part(persistent_token_id)}", bearer=bearer, query=query)

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

        name: what it is for, for people; subject: the owner, when a service makes it; scopes: a part of the grant's;
        expires_in: seconds; task_id, attempt: what it is for, 200 characters and a number from 1, given together; each
        audit line about the ticket has them. Raises NotAuthenticated, TokenNotFound, GrantUnusable, NotAllowed,
        VaultUnavailable, UnexpectedAnswer; ValueError for one of both alone.
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
        body = yield from self._call("POST", "/tickets", body=_given(members), repeatable=False)
        return wire.read(wire.new_ticket, body)

    def tickets(self, persistent_token_id: str) -> Flow[list[TicketInfo]]:
        """The tickets of a grant of the caller. Raises what `grant` raises."""
        body = yield from self._call("GET", f"/tokens/{_part(persistent_token_id)}/tickets")
        return wire.read(lambda members: [wire.ticket(entry) for entry in members["tickets"]], body)

    def extend_ticket(self, ticket_id: str, *, expires_in: int | None = None) -> Flow[TicketInfo]:
        """Move a ticket's end to `expires_in` seconds from now, for its maker or the owner.

        Raises what `grant` raises.
        """
        path = f"/tickets/{_part(ticket_id)}/extend"
        body = yield from self._call("POST", path, body=_given({"expiresIn": expires_in}))
        return wire.read(wire.ticket, body)

    def end_ticket(self, ticket_id: str) -> Flow[None]:
        """End a ticket, for its maker or the owner. Raises what `grant` raises."""
        yield from self._call("DELETE", f"/tickets/{_part(ticket_id)}")

    # how

    def _key(self, persistent_token_id: str | None, subject: str | None, scope: str = "") -> tuple[Any, ...]:
        return self._base_url, self._credentials.identity, persistent_token_id, subject, scope

    def _fetch(self, asked: Mapping[str, str], demand: Demand, patience: float) -> Flow[Fetched]:
        """Ask for a token; again without what the vault or its authorization server cannot do, where that may be."""
        min_valid, longest = max(demand.min_valid, demand.prefer_valid), False
        extra = {"min_valid": str(int(min_valid))} if min_valid else {}
        if demand.refused:
            extra["refused"] = sha256(demand.refused)
        while True:
            started = clock()
            try:
                body = yield from self._call("GET", "/access-token", query={**asked, **extra}, patience=patience)
            except NotAllowed as error:
                if error.code == "min_valid_unattainable" and min_valid > demand.min_valid:
                    min_valid, longest = demand.min_valid, True
                    extra["min_valid"] = str(int(min_valid))
                elif error.code in _UNKNOWN_PARAMETER and "refused" in extra:
                    del extra["refused"]  # a vault that does not know it
                else:
                    raise
            else:
                return _fetched(body, started, longest=longest)

    def _fetch_batch(
        self, pairs: Sequence[tuple[str, str]], min_valid: int
    ) -> Flow[dict[tuple[str, str], FreshAccessToken | VaultError]]:
        started = clock()
        tokens = [{"id": token_id, "subject": subject} for token_id, subject in pairs]
        body = yield from self._call("POST", "/access-tokens", body={"tokens": tokens, "minValid": min_valid})
        results = wire.read(lambda members: [_result(entry, started) for entry in members["results"]], body)
        if len(results) != len(pairs):
            raise UnexpectedAnswer("unexpected_answer", f"{len(results)} results for {len(pairs)} tokens")
        if self._cache is not None:
            for pair, result in zip(pairs, results, strict=True):
                if isinstance(result, Fetched):
                    self._cache.keep(self._key(*pair), result)
        found = [result.token if isinstance(result, Fetched) else result for result in results]
        return dict(zip(pairs, found, strict=True))

    def _grant(
        self, persistent_token_id: str, wait: int, bearer: str | None = None, subject: str | None = None
    ) -> Flow[GrantInfo]:
        """wait: seconds for which the vault may hold the answer back while the grant is pending."""
        body = yield from self._call(
            "GET",
            f"/tokens/{_part(persistent_token_id)}",
            bearer=bearer,
            query={**({"wait": str(wait)} if wait else {}), **({"subject": subject} if subject else {})},
            answer_seconds=wait + ANSWER_SECONDS if wait else None,
        )
        return wire.read(wire.grant, body)

    def _call(
        self,
        method: str,
        path: str,
        *,
        bearer: str | None = None,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = True,
        patience: float | None = None,
        answer_seconds: float | None = None,
    ) -> Flow[Mapping[str, Any]]:
        """The members of the answer. While the vault is unavailable, asks again after Retry-After, until `patience`
        seconds would be over; not when doing it twice would be wrong.
        """
        credentials = self._credentials if bearer is None else Bearer(bearer)
        ends = clock() + (self._patience if patience is None else patience)

        def build(token: str) -> Request:
            return wire.request(
                method,
                self._base_url + path,
                bearer=token,
                query=query,
                body=body,
                request_id=self._request_id(),
                answer_seconds=answer_seconds,
            )

        while True:
            try:
                return (yield from self._authenticated(build, credentials))
            except VaultUnavailable as error:
                pause = error.retry_after * (1.0 + 0.25 * random.random())  # noqa: S311 - spreads callers, no secret
                if not repeatable or clock() + pause > ends:
                    raise
            yield Pause(pause)

    def _authenticated(self, build: Callable[[str], Request], credentials: Credentials) -> Flow[Mapping[str, Any]]:
        """Send with the caller's token; once more with another one when that was not accepted."""
        key: DPoPKey | None = getattr(credentials, "dpop", None)
        token = yield from credentials.bearer(self._own_tokens)
        answer = yield from _send(build, token, key)
        if answer.status == 401:
            credentials.forget(self._own_tokens)  # its key may have been rotated since
            another = yield from credentials.bearer(self._own_tokens)
            if another != token:
                answer = yield from _send(build, another, key)
        if not 200 <= answer.status < 300:
            raise wire.error(answer)
        return wire.members(answer)


def _send(build: Callable[[str], Request], token: str, key: DPoPKey | None) -> Flow[HttpAnswer]:
    outcome = yield from exchange(lambda: build(token), key, token)
    if not isinstance(outcome, HttpAnswer):
        reason = outcome.reason if outcome else ""
        raise VaultUnavailable("vault_unavailable", f"the vault does not answer ({reason})")
    return outcome


def _fetched(body: Mapping[str, Any], started: float, *, longest: bool = False) -> Fetched:
    token = wire.read(wire.access_token, body)
    return Fetched(token, started, started + token.expires_in, longest)


def _result(entry: Mapping[str, Any], started: float) -> Fetched | VaultError:
    """One result of a batch."""
    if "token" in entry:
        return _fetched(entry["token"], started)
    problem = entry["problem"]
    return wire.problem(int(problem["status"]), problem, float(entry.get("retryAfter", wire.DEFAULT_RETRY_SECONDS)))


def _not_granted(grant: GrantInfo) -> GrantUnusable:
    code = grant.failure or {"revoked": "token_revoked", "expired": "token_expired"}.get(grant.status, grant.status)
    return GrantUnusable(code, f"the grant is {grant.status}")


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that say something."""
    return {name: value for name, value in members.items() if value not in (None, [])}


def _part(text: str) -> str:
    """Text as one segment of a path."""
    return quote(text, safe="")
