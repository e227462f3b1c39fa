"""Wires the background work: housekeeping, checkpoints of the audit, unasked refreshes, webhooks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from service_kit.outbound.session import Session
from service_kit.postgres.clock import DatabaseClock
from service_kit.postgres.database import Database
from service_kit.process import logs
from vault_service.adapters.audit.checkpoints import BATCH_LINES, CheckpointWriter
from vault_service.adapters.audit.kept import CheckpointKeeper, KeptFile
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.audit.own_lines import OwnLines
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.jobs.background import Background, Job, every, once
from vault_service.adapters.jobs.cleaning import Cleaning
from vault_service.adapters.jobs.expiring import AnnounceEnds
from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.adapters.webhooks.messages import PostgresMessages
from vault_service.adapters.webhooks.sender import WebhookSender
from vault_service.application.check_due import CheckDue
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
KEEPING_SECONDS = 10.0
WEBHOOK_TIMEOUT = (2.0, 3.0)
REFRESHES_SECONDS = 2.0
WEBHOOK_SECONDS = 1.0
BACKLOG_SECONDS = 15.0

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class BackgroundWork:
    """The background threads of one process.

    refreshes: those that nobody waits for; webhooks: wait for receivers.
    """

    housekeeping: Background
    checkpoints: Background
    refreshes: Background
    webhooks: Background

    @classmethod
    def of(  # noqa: PLR0913, PLR0917 - what the jobs work with
        cls,
        settings: VaultSettings,
        database: Database,
        keyring: Keyring,
        clock: DatabaseClock,
        stores: GrantStores,
        providers: Mapping[str, Provider],
        telemetry: PrometheusTelemetry,
        audit: AuditLog,
        checks: Sequence[CheckDue],
        more: Sequence[Job],
    ) -> "BackgroundWork":
        """Wire the jobs; nothing starts here. more: jobs for the housekeeping."""
        expire = ExpireGrants(stores.expiring, clock, settings.grant_days)
        jobs: list[Job] = [
            partial(_replay, stores),
            partial(_deliver, DeliverRevocations(stores.outbox, providers, clock)),
            *more,
            partial(_measure, stores, telemetry),
            every(KEYS_SECONDS, keyring.load),
            every(CLOCK_SECONDS, clock.read),
            every(EXPIRY_SECONDS, expire.expire_ended),
            every(EXPIRY_SECONDS, AnnounceEnds(database, settings.expiring_notice).announce),
            every(CLEANING_SECONDS, expire.expire_forgotten),
            every(CLEANING_SECONDS, partial(_clean, Cleaning(database, settings.grant_days))),
        ]
        writer = CheckpointWriter(database, keyring, clock)
        own = OwnLines(database, keyring, audit.writer)
        keeper = CheckpointKeeper(KeptFile(settings.checkpoint_file), audit.writer, _webhook(settings))
        checkpoint_jobs: list[Job] = [
            partial(_write_checkpoint, writer, keeper),
            partial(_measure_lag, writer, own, telemetry),
            every(KEEPING_SECONDS, keeper.keep),
        ]
        return cls(
            housekeeping=Background("housekeeping", jobs, _report, HOUSEKEEPING_SECONDS),
            checkpoints=Background("checkpoints", checkpoint_jobs, _report, CHECKPOINT_SECONDS),
            refreshes=Background("refreshes", [check.check_one for check in checks], _report, REFRESHES_SECONDS),
            webhooks=Background(
                "webhooks", _webhook_jobs(settings, database, clock, telemetry), _report, WEBHOOK_SECONDS
            ),
        )

    @property
    def threads(self) -> tuple[Background, ...]:
        """All of them."""
        return self.housekeeping, self.checkpoints, self.refreshes, self.webhooks


def _webhook_jobs(
    settings: VaultSettings, database: Database, clock: DatabaseClock, telemetry: PrometheusTelemetry
) -> list[Job]:
    told = {client: service.webhook for client, service in settings.services.by_client.items() if service.webhook}
    messages = PostgresMessages(database)
    webhooks = DeliverWebhooks(messages, told, WebhookSender(settings.egress.ca_bundle), clock)
    return [
        once(webhooks.configure),
        partial(_tell, webhooks, telemetry),
        every(BACKLOG_SECONDS, lambda: telemetry.webhook_backlog(*messages.backlog())),
    ]


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


def _tell(webhooks: DeliverWebhooks, telemetry: PrometheusTelemetry) -> bool:
    attempt = webhooks.deliver_one()
    if attempt is None:
        return False
    telemetry.told(attempt.outcome.value)
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


def _webhook(settings: VaultSettings) -> Callable[[Mapping[str, object]], None] | None:
    if settings.checkpoint_webhook is None:
        return None
    url, session = settings.checkpoint_webhook.reveal(), Session(pool_size=1, egress=settings.egress)

    def post(document: Mapping[str, object]) -> None:
        session.post(url, json=document, timeout=WEBHOOK_TIMEOUT).raise_for_status()

    return post


def _write_checkpoint(writer: CheckpointWriter, keeper: CheckpointKeeper) -> bool:
    checkpoint = writer.write_next()
    if checkpoint is None:
        return False
    keeper.reference = checkpoint.reference
    log.info("audit.checkpoint_written", checkpoint=checkpoint.reference, lines=checkpoint.lines)
    return checkpoint.lines == BATCH_LINES


def _measure_lag(writer: CheckpointWriter, own: OwnLines, telemetry: PrometheusTelemetry) -> bool:
    telemetry.uncovered(max(writer.lag(), own.lag()))
    return False


def _report(error: Exception) -> None:
    log.warning("background.failed", reason=type(error).__name__)
