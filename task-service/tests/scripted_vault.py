"""A vault in memory. It knows the tokens that a test gives it, and does not answer while `unavailable`."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from task_service.application.errors import TaskError, TokenNotFoundError, VaultUnavailableError
from task_service.application.ports.vault import AttemptTicket, LinkedGrant, OwnerToken
from task_service.domain.attempt import Attempt, AttemptKey
from task_service.domain.owner import Owner
from task_service.domain.task import TokenStatus


class ScriptedVault:
    """`application.ports.OwnersVault` and `TicketVault`.

    script: what the next access tokens are refused with; tickets: the usable ones; made, extended, revoked: what was
    asked for; shared: tokens that other services may use too.
    """

    def __init__(self) -> None:
        self.unavailable = False
        self.asked = self.tokens_asked = 0
        self.script: deque[TaskError] = deque()
        self.lifetime = timedelta(minutes=5)
        self.clock_ahead = timedelta()
        self.tickets: dict[UUID, Attempt] = {}
        self.revoked: list[UUID] = []
        self.shared: set[UUID] = set()
        self.made: list[tuple[AttemptKey, int]] = []
        self.extended: list[tuple[UUID, int]] = []
        self._grants: dict[Owner, dict[UUID, LinkedGrant]] = {}
        self._for_tasks: dict[UUID, frozenset[UUID]] = {}

    def knows(self, owner: Owner, status: TokenStatus, *task_ids: UUID) -> UUID:
        """A new token of the person, asked for these tasks."""
        token_id = uuid4()
        self._for_tasks[token_id] = frozenset(task_ids)
        self.says(owner, token_id, status)
        return token_id

    def says(self, owner: Owner, token_id: UUID, status: TokenStatus, ends_at: datetime | None = None) -> None:
        """Change what it says of a token."""
        self._grants.setdefault(owner, {})[token_id] = LinkedGrant(
            token_id, status, ends_at, self._for_tasks.get(token_id, frozenset())
        )

    def grant(self, persistent_token_id: UUID, owner: Owner) -> LinkedGrant:
        """That token of the person."""
        self._answer()
        try:
            return self._grants[owner][persistent_token_id]
        except KeyError:
            raise TokenNotFoundError from None

    def grants(self, owner: Owner, task_id: UUID | None = None) -> Sequence[LinkedGrant]:
        """The person's tokens, newest first."""
        self._answer()
        newest_first = reversed(self._grants.get(owner, {}).values())
        return [grant for grant in newest_first if task_id is None or task_id in grant.task_ids]

    def revoke(self, persistent_token_id: UUID, owner: Owner) -> bool:
        """The token can no longer be used."""
        is_over = self.grant(persistent_token_id, owner).status is TokenStatus.FAILED
        if persistent_token_id in self.shared:
            return False
        if not is_over:
            self.revoked.append(persistent_token_id)
        self.says(owner, persistent_token_id, TokenStatus.FAILED)
        return True

    def linked(self, owner: Owner, ids: Sequence[UUID]) -> Sequence[LinkedGrant]:
        """The tokens among these that are the person's."""
        self._answer()
        return [grant for grant in self._grants.get(owner, {}).values() if grant.persistent_token_id in ids]

    def open(self, attempt: Attempt, seconds: int) -> AttemptTicket:
        """A ticket that lives for `seconds`, unless it is ended."""
        self._answer()
        ticket = AttemptTicket(uuid4(), f"ticket of {attempt.owner.sub}")
        self.tickets[ticket.id] = attempt
        self.made.append((attempt.key, seconds))
        return ticket

    def extend(self, ticket_id: UUID, seconds: int) -> None:
        """Note it."""
        self._answer()
        self.extended.append((ticket_id, seconds))

    def end(self, ticket_id: UUID) -> None:
        """The ticket is usable no longer."""
        self._answer()
        self.tickets.pop(ticket_id, None)

    def access_token(self, ticket: AttemptTicket) -> OwnerToken:
        """A token that says whose it is."""
        self.tokens_asked += 1
        self._answer()
        if self.script:
            raise self.script.popleft()
        owner = self.tickets[ticket.id].owner
        at = datetime.now(UTC) + self.clock_ahead + self.lifetime
        return OwnerToken(f"access of {owner.sub}", at, frozenset({"openid"}), self.lifetime.total_seconds())

    def _answer(self) -> None:
        self.asked += 1
        if self.unavailable:
            raise VaultUnavailableError


class Userinfo:
    """`application.ports.UserinfoSource`: takes the `sub` from a `ScriptedVault`'s token."""

    def who(self, token: OwnerToken) -> tuple[str, str]:
        """Whose it is, and the name before `-sub`."""
        sub = token.value.removeprefix("access of ")
        return sub, sub.removesuffix("-sub")
