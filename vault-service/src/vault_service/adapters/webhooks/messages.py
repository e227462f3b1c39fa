"""The outbox of webhooks: `application.ports.webhooks.Messages`."""

from collections.abc import Collection

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.domain.grant import Subject
from vault_service.domain.webhook import Delivery, Message

_QUERIES = queries.load(__package__, "messages.sql")


class PostgresMessages:
    """Messages as rows; a trigger on `grants` adds them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set_services(self, services: Collection[str]) -> None:
        """Let messages be made for these services only."""
        with self._database.transaction() as connection:
            for query in ("forget_services", "add_services", "forget_messages"):
                connection.execute(_QUERIES[query], {"services": sorted(services)})

    def take_due(self) -> Message | None:
        """Lease one message that is due."""
        row = self._database.one(_QUERIES["take_due"], {})
        if row is None:
            return None
        message_id, service, event, grant_id, issuer, subject, name, task_id, failure, ends_at, created_at, done = row
        return Message(
            id=message_id,
            service=service,
            event=event,
            grant_id=grant_id,
            owner=Subject(issuer, subject),
            name=name,
            task_id=task_id,
            failure=failure,
            ends_at=ends_at,
            created_at=created_at,
            attempts=done,
        )

    def postpone(self, message: Message, seconds: float) -> None:
        """Make the message due again in so many seconds."""
        self._database.one(_QUERIES["postpone"], {"id": message.id, "seconds": seconds})

    def backlog(self) -> tuple[int, float]:
        """The number of messages that wait, and for how many seconds the oldest has waited."""
        row = self._database.one(_QUERIES["backlog"], {})
        return (0, 0.0) if row is None else (row[0], row[1])

    def finish(self, message: Message, outcome: Delivery) -> None:
        """Record the outcome."""
        self._database.one(_QUERIES["done"], {"id": message.id, "outcome": outcome.value})
