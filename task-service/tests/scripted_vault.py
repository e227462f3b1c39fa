"""A vault in memory: knows the tokens that a test gives it, and is away when told so."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from task_service.application.errors import TaskError, TokenNotFoundError, VaultUnavailableError
from task_service.application.ports import AccessToken, Link
from task_service.domain.task import Subject, TokenStatus


class ScriptedVault:
    """`application.ports.OwnersVault` and `TokenSource`. script: what the next access tokens are refused with."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0
        self.script: deque[TaskError] = deque()
        self.lifetime = timedelta(minutes=5)
        self._links: dict[str, dict[UUID, Link]] = {}
        self._for_task: dict[UUID, UUID | None] = {}

    def knows(self, bearer: str, status: TokenStatus, task_id: UUID | None = None) -> UUID:
        """A new token of the person with that bearer token."""
        token_id = uuid4()
        self.says(bearer, token_id, status)
        self._for_task[token_id] = task_id
        return token_id

    def says(self, bearer: str, token_id: UUID, status: TokenStatus) -> None:
        """Change what it says of a token."""
        self._links.setdefault(bearer, {})[token_id] = Link(token_id, status)

    def link(self, persistent_token_id: UUID, bearer: str) -> Link:
        """That token of the person."""
        self._answer()
        try:
            return self._links[bearer][persistent_token_id]
        except KeyError:
            raise TokenNotFoundError from None

    def links(self, bearer: str, task_id: UUID | None = None) -> Sequence[Link]:
        """The person's tokens, newest first."""
        self._answer()
        newest_first = reversed(self._links.get(bearer, {}).values())
        return [link for link in newest_first if task_id in {None, self._for_task.get(link.persistent_token_id)}]

    def access_token(self, persistent_token_id: UUID, owner: Subject, min_valid: int) -> AccessToken:
        """A token that says whose it is."""
        self._answer()
        if self.script:
            raise self.script.popleft()
        return AccessToken(f"access of {owner.sub}", datetime.now(UTC) + self.lifetime, frozenset({"openid"}))

    def _answer(self) -> None:
        self.asked += 1
        if self.away:
            raise VaultUnavailableError
