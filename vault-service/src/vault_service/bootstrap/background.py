"""Wires the background work: housekeeping, checkpoints of the audit, unasked refreshes, webhooks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from service_kit.outbound.session import Session
from service_kit.process import logs
from vault_service.adapters.audit.checkpoints import BATCH_LINES, CheckpointWriter
from vault_service.adapters.audit.kept import CheckpointKeeper, KeptFile
from vault_service.adapters.audit.own_lines import OwnLines
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
from vault_service.bootstrap.foundation import Foundation
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

    refreshes: those for which no caller waits; webhooks: wait for receivers.
    """

    housekeeping: Background
    checkpoints: Background
    refreshes: Background
    webhooks: Background

    @classmethod
    def of(
        cls,
        base: Foundation,
        stores: GrantStores,
        providers: Mapping[str, Provider],
        checks: Sequence[CheckDue],
        more: Sequence[Job],
    ) -> "BackgroundWork":
        """Wire the jobs; nothing starts here. more: jobs for the housekeeping."""
        housekeeping = [*_delivery_jobs(base, stores, providers), *more, *_housekeeping_jobs(base, stores)]
        refreshes = [check.check_one for check in checks]
        return cls(
            housekeeping=Background("housekeeping", housekeeping, _report, HOUSEKEEPING_SECONDS),
            checkpoints=Background("checkpoints", _checkpoint_jobs(base), _report, CHECKPOINT_SECONDS),
            refreshes=Background("refreshes", refreshes, _report, REFRESHES_SECONDS),
            webhooks=Background("webhooks", _webhook_jobs(base), _report, WEBHOOK_SECONDS),
        )

    @property
    def threads(self) -> tuple[Background, ...]:
        """All of them."""
        return self.housekeeping, self.checkpoints, self.refreshes, self.webhooks


def _delivery_jobs(base: Foundation, stores: GrantStores, providers: Mapping[str, Provider]) -> list[Job]:
    return [
        partial(_replay, stores),
        partial(_deliver, DeliverRevocations(stores.outbox, providers, base.clock)),
    ]


def _housekeeping_jobs(base: Foundation, stores: GrantStores) -> list[Job]:
    settings, database = base.settings, base.database
    expire = ExpireGrants(stores.expiring, base.clock, settings.grant_days)
    return [
        partial(_measure, stores, base.telemetry),
        every(KEYS_SECONDS, base.keyring.load),
        every(CLOCK_SECONDS, base.clock.read),
        every(EXPIRY_SECONDS, expire.expire_ended),
        every(EXPIRY_SECONDS, AnnounceEnds(database, settings.expiring_notice).announce),
        every(CLEANING_SECONDS, expire.expire_forgotten),
        every(CLEANING_SECONDS, partial(_clean, Cleaning(database, settings.grant_days))),
    ]


def _checkpoint_jobs(base: Foundation) -> list[Job]:
    settings, writer_of_lines = base.settings, base.audit.writer
    writer = CheckpointWriter(base.database, base.keyring, base.clock)
    own = OwnLines(base.database, base.keyring, writer_of_lines)
    keeper = CheckpointKeeper(KeptFile(settings.checkpoint_file), writer_of_lines, _webhook(settings))
    return [
        partial(_write_checkpoint, writer, keeper),
        partial(_measure_lag, writer, own, base.telemetry),
        every(KEEPING_SECONDS, keeper.keep),
    ]


def _webhook_jobs(base: Foundation) -> list[Job]:
    settings, telemetry = base.settings, base.telemetry
    told = {client: service.webhook for client, service in settings.services.by_client.items() if service.webhook}
    messages = PostgresMessages(base.database)
    webhooks = DeliverWebhooks(messages, told, WebhookSender(settings.egress.ca_bundle), base.clock)
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
