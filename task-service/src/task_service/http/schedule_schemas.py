"""The bodies of schedules on the wire."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from service_kit.http.inputs import LINE, Input, Output
from task_service.application.schedules import Outlook
from task_service.domain.schedule import (
    MAX_CRON_LENGTH,
    Forecast,
    Overlap,
    Rule,
    Schedule,
    ScheduleError,
    ScheduleStatus,
    StopReason,
)

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
MAX_NEXT_RUNS = 50
YEARS = range(1970, 9999)
"""Years of `runAt`, so that it is a moment in every time zone."""


class NewSchedule(Input, frozen=True, kw_only=True):
    """The schedule of a task: `runAt` or `cron`.

    cron: five fields, read in `timezone` (IANA); overlap: whether a run that is due while the task is under way is left
    out (`skip`) or waits (`queue`).
    """

    run_at: Moment | msgspec.UnsetType = msgspec.UNSET
    cron: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CRON_LENGTH, pattern=LINE)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    timezone: Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=LINE)] = "UTC"
    overlap: Overlap = Overlap.SKIP

    def rule(self) -> Rule:
        """The times of the schedule, not checked yet but for their range. Raises ScheduleError."""
        return Rule(
            run_at=None if self.run_at is msgspec.UNSET else _in_range(self.run_at),
            cron=None if self.cron is msgspec.UNSET else self.cron,
            timezone=self.timezone,
            overlap=self.overlap,
        )


class OutlookQuery(Input, frozen=True, kw_only=True):
    """runs: how many of the next runs to list."""

    runs: Annotated[int, msgspec.Meta(ge=1, le=MAX_NEXT_RUNS)] = 5


class ScheduleView(Output, frozen=True, kw_only=True):
    """A task's schedule.

    nextRunAt: while it is active; held: a run is due and waits for the one under way; lastRunAt: the time for which the
    last run was made; missedAt: the last time at which none was made; stopReason: why a stopped one cannot continue.
    """

    run_at: Moment | None = None
    cron: str | None = None
    timezone: str
    overlap: Overlap
    status: ScheduleStatus
    stop_reason: StopReason | None = None
    next_run_at: Moment | None = None
    held: bool = False
    last_run_at: Moment | None = None
    missed_at: Moment | None = None


class ScheduleAnswer(Output, frozen=True, kw_only=True):
    """A schedule as it is now. message: for people, about what they may not expect."""

    task_id: str
    schedule: ScheduleView
    message: str | None = None


class OutlookView(Output, frozen=True, kw_only=True):
    """A schedule and its outlook.

    consentForecast: whether the access that was granted lasts until the next run, `unknown` where the vault knows no
    end or does not answer; accessEndsAt: when it ends, where that is known.
    """

    task_id: str
    schedule: ScheduleView
    next_runs: list[Moment]
    consent_forecast: Forecast | None = None
    access_ends_at: Moment | None = None


class ScheduleRemoved(Output, frozen=True, kw_only=True):
    """The schedule is gone."""

    status: str
    task_id: str


def _in_range(run_at: datetime) -> datetime:
    if run_at.year not in YEARS:
        raise ScheduleError("runAt", f"is not in the years {YEARS.start} to {YEARS.stop - 1}")
    return run_at.astimezone(UTC)


def schedule_view(schedule: Schedule) -> ScheduleView:
    """The wire form of a schedule."""
    rule = schedule.rule
    return ScheduleView(
        run_at=rule.run_at,
        cron=rule.cron,
        timezone=rule.timezone,
        overlap=rule.overlap,
        status=schedule.status,
        stop_reason=schedule.stop_reason,
        next_run_at=schedule.next_run_at,
        held=schedule.held,
        last_run_at=schedule.last_run_at,
        missed_at=schedule.missed_at,
    )


def outlook_view(task_id: str, outlook: Outlook) -> OutlookView:
    """The wire form of what a schedule has ahead."""
    return OutlookView(
        task_id=task_id,
        schedule=schedule_view(outlook.schedule),
        next_runs=outlook.next_runs,
        consent_forecast=outlook.forecast,
        access_ends_at=outlook.ends_at,
    )
