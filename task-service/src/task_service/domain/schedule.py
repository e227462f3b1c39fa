"""Schedules of tasks (R28): once at a time, or by a cron expression in a time zone.

Cron expressions have five fields and mean what Debian's cron means by them (`cronsim`). When clocks are put forward, a
run whose time does not exist is made right after the gap. When they are put back, a run at a fixed time is made once,
and an hourly or more frequent one runs through both hours.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from task_service.domain.status import UNDER_WAY, TaskStatus
from task_service.domain.token import TokenStatus

CRON_FIELDS = 5
MAX_CRON_LENGTH = 100


class ScheduleError(Exception):
    """A schedule that cannot be. member: which part of it, as on the wire."""

    def __init__(self, member: str, detail: str) -> None:
        super().__init__(detail)
        self.member = member


class Overlap(enum.StrEnum):
    """The rule for a run that is due while the task is under way: it is left out, or it waits (one at most)."""

    SKIP = "skip"
    QUEUE = "queue"


class ScheduleStatus(enum.StrEnum):
    """active: runs are to come; paused by its owner; ended: it has run; stopped: it cannot continue, see StopReason."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    STOPPED = "stopped"


class StopReason(enum.StrEnum):
    """Reasons why a schedule stopped: its token gives no access any more, or its cron expression has no time left."""

    TOKEN_FAILED = "token_failed"  # noqa: S105 - a reason, not a password
    NEVER_AGAIN = "never_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The times of a schedule: `run_at` (aware), or `cron`, which is read in `timezone` (an IANA name)."""

    run_at: datetime | None = None
    cron: str | None = None
    timezone: str = "UTC"
    overlap: Overlap = Overlap.SKIP

    def check(self, now: datetime) -> None:
        """Raises ScheduleError for a rule without times."""
        if (self.run_at is None) == (self.cron is None):
            raise ScheduleError("", "give either runAt or cron")
        if self.timezone not in _zones():
            raise ScheduleError("timezone", "is not the name of a time zone in the IANA database")
        if self.cron is not None and self.next_after(now) is None:
            raise ScheduleError("cron", "never fires")

    def times_after(self, after: datetime) -> Iterator[datetime]:
        """The times of runs after a moment, in UTC. Raises ScheduleError."""
        if self.run_at is not None:
            if self.run_at > after:
                yield self.run_at
            return
        if self.cron is None or len(self.cron.split()) != CRON_FIELDS:
            raise ScheduleError("cron", "is not a cron expression of five fields")
        last = after
        try:
            for local in CronSim(self.cron, after.astimezone(ZoneInfo(self.timezone))):
                time = local.astimezone(UTC)
                if time > last:  # times within a gap, or a repeated hour, can be the same moment or an earlier one
                    last = time
                    yield time
        except CronSimError as error:
            raise ScheduleError("cron", _what_is_wrong(self.cron, error)) from None
        except OverflowError:  # beyond the year 9999
            return

    def next_after(self, after: datetime) -> datetime | None:
        """The first time after a moment; None when there is none. Raises ScheduleError."""
        return next(self.times_after(after), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A task's schedule. Times are aware and in UTC.

    next_run_at: while it is active; it may have passed. held: a run is due and waits for the one under way.
    last_run_at: the time for which the last run was made; missed_at: the last time at which none was made.
    """

    rule: Rule
    status: ScheduleStatus = ScheduleStatus.ACTIVE
    stop_reason: StopReason | None = None
    next_run_at: datetime | None = None
    held: bool = False
    last_run_at: datetime | None = None
    missed_at: datetime | None = None

    def next_runs(self, number: int) -> list[datetime]:
        """The next times at which it runs, up to a number; none unless it is active."""
        if self.next_run_at is None:
            return []
        return [self.next_run_at, *islice(self.rule.times_after(self.next_run_at), number - 1)]

    def paused(self) -> "Schedule":
        """The same without runs to come; an ended or stopped one stays as it is."""
        if self.status is not ScheduleStatus.ACTIVE:
            return self
        return replace(self, status=ScheduleStatus.PAUSED, next_run_at=None, held=False)

    def resumed(self, now: datetime) -> "Schedule":
        """The same with runs to come again; what was due meanwhile is left out. An active one stays as it is.

        A run at a time that passed during the pause is made at once. An ended one stays ended.
        """
        if self.status in {ScheduleStatus.ACTIVE, ScheduleStatus.ENDED}:
            return self
        return begun(self.rule, now, self)


def begun(rule: Rule, now: datetime, before: Schedule | None = None) -> Schedule:
    """A schedule with a rule that was checked, from now on. A time that has passed is due at once.

    before: the schedule whose past it keeps.
    """
    past = before or Schedule(rule=rule)
    first = rule.run_at if rule.run_at is not None else rule.next_after(now)
    fresh = replace(past, rule=rule, status=ScheduleStatus.ACTIVE, stop_reason=None, held=False)
    return replace(fresh, next_run_at=first) if first is not None else _stopped(fresh, StopReason.NEVER_AGAIN)


class Firing(enum.Enum):
    """The decision about a run that is due."""

    RUN = enum.auto()
    MISS = enum.auto()
    HOLD = enum.auto()
    STOP = enum.auto()


def fire(
    schedule: Schedule, now: datetime, latest_run: TaskStatus, token: TokenStatus | None
) -> tuple[Firing, Schedule]:
    """Decide about the run that is due, and the next state of its schedule.

    However many times have passed, one run is made; the next is the first after now. latest_run: the task's state;
    token: the status of its linked offline token, None without one.
    """
    if token is TokenStatus.FAILED:
        return Firing.STOP, _stopped(schedule, StopReason.TOKEN_FAILED)
    if latest_run in UNDER_WAY and schedule.rule.overlap is Overlap.QUEUE:
        return Firing.HOLD, replace(schedule, held=True)
    firing = Firing.RUN if token is TokenStatus.ACTIVE and latest_run not in UNDER_WAY else Firing.MISS
    due = schedule.next_run_at
    gone_on = replace(schedule, last_run_at=due) if firing is Firing.RUN else replace(schedule, missed_at=due)
    if schedule.rule.run_at is not None:
        return firing, replace(gone_on, status=ScheduleStatus.ENDED, next_run_at=None)
    try:
        following = schedule.rule.next_after(now)
    except ScheduleError:  # a newer library or database of time zones does not know what an older one did
        following = None
    if following is None:
        return firing, _stopped(gone_on, StopReason.NEVER_AGAIN)
    return firing, replace(gone_on, next_run_at=following)


class Forecast(enum.StrEnum):
    """Tells whether the granted access lasts until the next run."""

    COVERED = "covered"
    ENDS_BEFORE_NEXT_RUN = "ends_before_next_run"
    UNKNOWN = "unknown"
    NO_ACCESS = "no_access"


def forecast(next_run_at: datetime | None, token: TokenStatus | None, ends_at: datetime | None) -> Forecast:
    """Forecast the access at the next run. ends_at: when the access ends; None when the vault knows no end."""
    if token is not TokenStatus.ACTIVE:
        return Forecast.NO_ACCESS
    if ends_at is None:
        return Forecast.UNKNOWN
    if next_run_at is not None and ends_at <= next_run_at:
        return Forecast.ENDS_BEFORE_NEXT_RUN
    return Forecast.COVERED


def _what_is_wrong(cron: str, error: CronSimError) -> str:
    """`cronsim` refuses days that its months never have (30 February) with the words for a day that cannot be read."""
    minute, hour, day, _, weekday = cron.split()
    try:
        CronSim(f"{minute} {hour} {day} * {weekday}", datetime(2000, 1, 1, tzinfo=UTC))
        CronSim(f"{minute} {hour} * {cron.split()[3]} {weekday}", datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError:
        return f"is not a cron expression: {error}"
    return "never fires"


def _stopped(schedule: Schedule, reason: StopReason) -> Schedule:
    return replace(schedule, status=ScheduleStatus.STOPPED, stop_reason=reason, next_run_at=None, held=False)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
