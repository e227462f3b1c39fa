"""Wires the background work: housekeeping, and the checkpoints of the audit."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from service_kit.postgres.database import Database
from service_kit.process import logs
from vault_service.adapters.audit.checkpoints import BATCH_LINES, CheckpointWriter
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.jobs.background import Background, Job, every
from vault_service.adapters.jobs.cleaning import Cleaning
from vault_service.adapters.jobs.keep_alive import KeepAlive
from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.adapters.postgres.clock import DatabaseClock
from vault_service.adapters.webhooks.messages import PostgresMessages
from vault_service.adapters.webhooks.sender import WebhookSender
from vault_service.application.check_siblings import CheckSiblings
from vault_service.application.deliver import DeliverRevocations
from vault_service.application.expire import ExpireGrants
from vault_service.application.ports.provider import Provider
from vault_service.application.webhooks import DeliverWebhooks
from vault_service.bootstrap.grants import GrantStores
from vault_service.config import VaultSettings

HOUSEKEEPING_SECONDS = 5.0
CHECKPOINT_SECONDS = 1.0
KEYS_SECONDS = 60.0
CLOCK_SECONDS = 60.0
EXPIRY_SECONDS = 60.0
CLEANING_SECONDS = 3600.0
KEEP_ALIVE_SECONDS = 60.0
WEBHOOK_SECONDS = 1.0
CONFIGURE_SECONDS = 60.0

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class BackgroundWork:
    """The background threads of one process. refreshes: those that nobody waits for; webhooks: wait for receivers."""

    housekeeping: Background
    checkpoints: Background
    refreshes: Background
    webhooks: Background

    @classmethod
    def of(
        cls,
        settings: VaultSettings,
        database: Database,
        keyring: Keyring,
        clock: DatabaseClock,
        stores: GrantStores,
        providers: Mapping[str, Provider],
        telemetry: PrometheusTelemetry,
        siblings: CheckSiblings,
    ) -> "BackgroundWork":
        """Wire the jobs; nothing starts here."""
        expire = ExpireGrants(stores.expiring, clock, settings.grant_days)
        jobs: list[Job] = [
            partial(_replay, stores),
            partial(_deliver, DeliverRevocations(stores.outbox, providers, clock)),
            partial(_measure, stores, telemetry),
            every(KEYS_SECONDS, keyring.load),
            every(CLOCK_SECONDS, clock.read),
            every(EXPIRY_SECONDS, expire.expire_ended),
            every(CLEANING_SECONDS, expire.expire_forgotten),
            every(CLEANING_SECONDS, partial(_clean, Cleaning(database, settings.grant_days))),
        ]
        keep = KeepAlive(database, settings.expiring_notice)
        told = {client: service.webhook for client, service in settings.services.by_client.items() if service.webhook}
        sender = WebhookSender(settings.egress.ca_bundle)
        webhooks = DeliverWebhooks(PostgresMessages(database), told, sender, clock)
        writer = CheckpointWriter(database, keyring, clock)
        checkpoint_jobs = [partial(_write_checkpoint, writer), partial(_measure_lag, writer, telemetry)]
        return cls(
            housekeeping=Background("housekeeping", jobs, _report, HOUSEKEEPING_SECONDS),
            checkpoints=Background("checkpoints", checkpoint_jobs, _report, CHECKPOINT_SECONDS),
            refreshes=Background(
                "refreshes",
                [
                    every(KEEP_ALIVE_SECONDS, keep.schedule),
                    every(KEEP_ALIVE_SECONDS, keep.announce),
                    siblings.check_one,
                ],
                _report,
                HOUSEKEEPING_SECONDS,
            ),
            webhooks=Background(
                "webhooks",
                [every(CONFIGURE_SECONDS, webhooks.configure), partial(_tell, webhooks)],
                _report,
                WEBHOOK_SECONDS,
            ),
        )


# Each job returns True when there is more to do at once.


def _replay(stores: GrantStores) -> bool:
    stores.refreshes.replay_spool()
    return False


def _deliver(deliver: DeliverRevocations) -> bool:
    delivery = deliver.deliver_one()
    if delivery is None:
        return False
    log.info(
        "grant.revocation_sent",
        grant=str(delivery.grant_id),
        outcome=delivery.outcome.value,
        attempts=delivery.attempts,
    )
    return True


def _tell(webhooks: DeliverWebhooks) -> bool:
    attempt = webhooks.deliver_one()
    if attempt is None:
        return False
    log.info(
        "webhook.sent",
        message=str(attempt.message_id),
        to=attempt.service,
        type=attempt.event,
        outcome=attempt.outcome.value,
        said=attempt.said,
        attempts=attempt.attempts,
    )
    return True


def _measure(stores: GrantStores, telemetry: PrometheusTelemetry) -> bool:
    telemetry.spooled(stores.spool.pending())  # first: it must be measured while the database is unreachable
    telemetry.backlog(*stores.outbox.backlog())
    return False


def _clean(cleaning: Cleaning) -> None:
    removed = cleaning.clean()
    if any(removed.values()):
        log.info("vault.cleaned", **removed)


def _write_checkpoint(writer: CheckpointWriter) -> bool:
    checkpoint = writer.write_next()
    if checkpoint is None:
        return False
    log.info("audit.checkpoint_written", checkpoint=checkpoint.reference, lines=checkpoint.lines)
    return checkpoint.lines == BATCH_LINES


def _measure_lag(writer: CheckpointWriter, telemetry: PrometheusTelemetry) -> bool:
    telemetry.uncovered(writer.lag())
    return False


def _report(error: Exception) -> None:
    log.warning("background.failed", reason=type(error).__name__)
