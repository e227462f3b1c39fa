"""Tells services what happens to the grants that they may use: from the outbox, signed, again with growing delays.

A message may arrive twice, and later than a newer one. It names a grant and never holds a token: a receiver asks the
vault for the state.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from vault_service.application.ports.runtime import Clock
from vault_service.application.ports.webhooks import Messages, NotDeliveredError, Sender
from vault_service.domain.webhook import LAST_ATTEMPT, Delivery, Message, Webhook, delay_after, signature

GONE = 410


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One attempt, for the log. said: the status, or why there is none."""

    message_id: UUID
    service: str
    event: str
    outcome: Delivery
    said: str
    attempts: int


class DeliverWebhooks:
    """A background job. Several replicas may run it at once: each takes other messages."""

    def __init__(self, messages: Messages, webhooks: Mapping[str, Webhook], sender: Sender, clock: Clock) -> None:
        """webhooks: by service."""
        self._messages = messages
        self._webhooks = webhooks
        self._sender = sender
        self._clock = clock

    def configure(self) -> None:
        """Let messages be made for the services that have a webhook. Raises StorageUnavailableError."""
        self._messages.set_services(self._webhooks.keys())

    def deliver_one(self) -> DeliveryAttempt | None:
        """Send one message that is due; None when there is none. Raises StorageUnavailableError."""
        message = self._messages.take_due()
        if message is None:
            return None
        outcome, said = self._send(message)
        if outcome is Delivery.POSTPONED and message.attempts >= LAST_ATTEMPT:
            outcome = Delivery.GIVEN_UP
        if outcome is Delivery.POSTPONED:
            self._messages.postpone(message, delay_after(message.attempts))
        else:
            self._messages.finish(message, outcome)
        return DeliveryAttempt(message.id, message.service, message.event, outcome, said, message.attempts)

    def _send(self, message: Message) -> tuple[Delivery, str]:
        webhook = self._webhooks.get(message.service)
        if webhook is None:  # another replica has another configuration
            return Delivery.POSTPONED, "not_configured"
        body, now = body_of(message), int(self._clock.now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": str(message.id),
            "webhook-timestamp": str(now),
            "webhook-signature": signature(webhook.secret, str(message.id), now, body),
        }
        try:
            status = self._sender.send(webhook, headers, body)
        except NotDeliveredError as error:
            return Delivery.POSTPONED, str(error)
        if 200 <= status < 300:
            return Delivery.DELIVERED, str(status)
        return (Delivery.GONE if status == GONE else Delivery.POSTPONED), str(status)


def body_of(message: Message) -> bytes:
    """The body: `type`, `timestamp` of what has happened, and `data` about the grant."""
    data: dict[str, Any] = {
        "persistentTokenId": str(message.grant_id),
        "issuer": message.owner.issuer,
        "subject": message.owner.sub,
        "name": message.name,
        "taskId": message.task_id,
        "failure": message.failure,
        "endsAt": _moment(message.ends_at) if message.ends_at else None,
    }
    known = {name: value for name, value in data.items() if value is not None}
    document = {"type": message.event, "timestamp": _moment(message.created_at), "data": known}
    return json.dumps(document, separators=(",", ":")).encode()


def _moment(at: datetime) -> str:
    """RFC 3339 in UTC."""
    return at.isoformat().replace("+00:00", "Z")
