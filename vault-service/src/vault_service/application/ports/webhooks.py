"""Ports of `application.webhooks`."""

from collections.abc import Collection
from typing import Protocol

from vault_service.domain.webhook import Delivery, Message, Webhook


class Messages(Protocol):
    """The outbox of webhooks. A message is added by the transaction that changes its grant."""

    def set_services(self, services: Collection[str]) -> None:
        """From now on messages are made for these services only; what waits for others is removed."""
        ...

    def take_due(self) -> Message | None:
        """Lease one message that is due. It is due again when the process that took it has died."""
        ...

    def postpone(self, message: Message, seconds: float) -> None:
        """Make the message due again in so many seconds."""
        ...

    def finish(self, message: Message, outcome: Delivery) -> None:
        """Record the outcome."""
        ...


class NotDeliveredError(Exception):
    """The service has not taken the message. Its text is a word for the log."""


class Sender(Protocol):
    """Sends one message to a service."""

    def send(self, webhook: Webhook, headers: dict[str, str], body: bytes) -> int:
        """The status of the answer. Raises NotDeliveredError when there is none."""
        ...
