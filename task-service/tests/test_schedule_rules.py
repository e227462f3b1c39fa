"""The rules of schedules as plain values: times, both changes of the clock, and what becomes of a run that is due."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from task_service.domain.schedule import (
    Firing,
    Forecast,
    Overlap,
    Rule,
    Schedule,
    ScheduleError,
    ScheduleStatus,
    StopReason,
    begun,
    fire,
    forecast,
)
from task_service.domain.status import UNDER_WAY, TaskStatus
from task_service.domain.token import TokenStatus

BERLIN = "Europe/Berlin"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def local_times(cron: str, zone: str, after: datetime, number: int) -> list[str]:
    """The next times as people there see them."""
    times = islice(Rule(cron=cron, timezone=zone).times_after(after), number)
    return [time.astimezone(ZoneInfo(zone)).strftime("%d. %H:%M%z") for time in times]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("30 2 * * *", ["28. 03:00+0200", "29. 02:30+0200"]),
        ("15,45 2 * * *", ["28. 03:00+0200", "29. 02:15+0200"]),
        ("0 3 * * *", ["28. 03:00+0200", "29. 03:00+0200"]),
        ("30 * * * *", ["28. 00:30+0100", "28. 01:30+0100", "28. 03:30+0200"]),
        ("*/30 1-3 * * *", ["28. 01:00+0100", "28. 01:30+0100", "28. 03:00+0200", "28. 03:30+0200"]),
    ],
)
def test_a_time_that_the_clock_leaves_out_comes_right_after_the_gap(cron: str, expected: list[str]) -> None:
    """28 March 2027, 02:00 to 03:00 in Berlin does not exist; nothing runs twice for it."""
    after = datetime(2027, 3, 27, 22, 59, tzinfo=UTC)
    assert local_times(cron, BERLIN, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("30 2 * * *", ["25. 02:30+0200", "26. 02:30+0100"]),
        ("0 3 * * *", ["25. 03:00+0100", "26. 03:00+0100"]),
        ("30 * * * *", ["25. 00:30+0200", "25. 01:30+0200", "25. 02:30+0200", "25. 02:30+0100", "25. 03:30+0100"]),
    ],
)
def test_a_time_that_the_clock_repeats_comes_once_unless_it_is_of_every_hour(cron: str, expected: list[str]) -> None:
    """25 October 2026, 02:00 to 03:00 in Berlin comes twice."""
    after = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    assert local_times(cron, BERLIN, after, len(expected)) == expected


def test_a_tick_in_the_repeated_hour_does_not_run_it_again() -> None:
    """The tick looks for the next time from 02:10, the second one."""
    assert local_times("30 2 * * *", BERLIN, datetime(2026, 10, 25, 1, 10, tzinfo=UTC), 1) == ["26. 02:30+0100"]


@given(
    cron=st.sampled_from(["* * * * *", "*/7 * * * *", "30 2 * * *", "0 0 29 2 *", "15,45 1-3 * * SUN", "0 12 L * *"]),
    zone=st.sampled_from([BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]),
    seconds=st.integers(-200_000_000, 1_000_000_000),
)  # fmt: skip
@example(cron="30 2 * * *", zone=BERLIN, seconds=(146 * 24 - 11) * 3600 - 1)
def test_times_come_in_order_and_none_before_it_is_asked_for(cron: str, zone: str, seconds: int) -> None:
    """Whatever the zone does; each is a whole minute, and asking from any of them gives the rest."""
    rule, after = Rule(cron=cron, timezone=zone), NOON + timedelta(seconds=seconds)
    times = list(islice(rule.times_after(after), 6))
    assert times == sorted(set(times))
    assert times[0] > after
    assert all(time.second == time.microsecond == 0 for time in times)
    assert list(islice(rule.times_after(times[2]), 3)) == times[3:]


@given(st.text(alphabet="0123456789*/,-LW# SUNMO@abc", max_size=30))
def test_no_text_is_an_unexpected_error(cron: str) -> None:
    """Any text is a cron expression, or its fault is named."""
    try:
        Rule(cron=cron).check(NOON)
        said = ("cron", "fires")
    except ScheduleError as error:
        said = (error.member, str(error))
    assert said[0] == "cron"
    assert said[1]


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 30 2 */8"])
def test_a_cron_expression_that_never_fires_is_refused_as_such(cron: str) -> None:
    """The expression can be parsed, but its days do not exist."""
    with pytest.raises(ScheduleError, match="never fires"):
        Rule(cron=cron).check(NOON)


def test_a_time_that_has_passed_is_due_at_once() -> None:
    """And only then ended."""
    past = NOON - timedelta(days=400)
    schedule = begun(Rule(run_at=past), NOON)
    assert (schedule.status, schedule.next_run_at) == (ScheduleStatus.ACTIVE, past)
    firing, after = fire(schedule, NOON, TaskStatus.PENDING, TokenStatus.ACTIVE)
    assert (firing, after.status, after.next_run_at, after.last_run_at) == (
        Firing.RUN,
        ScheduleStatus.ENDED,
        None,
        past,
    )


@given(missed=st.integers(0, 10_000), state=st.sampled_from(TaskStatus), token=st.none() | st.sampled_from(TokenStatus),
       overlap=st.sampled_from(Overlap))  # fmt: skip
def test_what_becomes_of_a_run_that_is_due(
    missed: int, state: TaskStatus, token: TokenStatus | None, overlap: Overlap
) -> None:
    """However many times were missed, one run at most; the next one lies ahead."""
    due = NOON - timedelta(minutes=missed)
    schedule = Schedule(rule=Rule(cron="* * * * *", overlap=overlap), next_run_at=due)
    firing, after = fire(schedule, NOON, state, token)
    if token is TokenStatus.FAILED:
        assert (firing, after.status, after.stop_reason) == (
            Firing.STOP,
            ScheduleStatus.STOPPED,
            StopReason.TOKEN_FAILED,
        )
        assert after.next_run_at is None
    elif state in UNDER_WAY and overlap is Overlap.QUEUE:
        assert (firing, after.held, after.next_run_at) == (Firing.HOLD, True, due)
    else:
        runs = token is TokenStatus.ACTIVE and state not in UNDER_WAY
        assert firing is (Firing.RUN if runs else Firing.MISS)
        assert after.next_run_at == NOON + timedelta(minutes=1)
        assert (after.last_run_at, after.missed_at) == ((due, None) if runs else (None, due))


def test_a_pause_leaves_out_what_would_have_been_due() -> None:
    """Except a time of its own that has passed meanwhile; what has ended stays ended, and a stop can be taken back."""
    schedule = begun(Rule(cron="0 * * * *"), NOON)
    later = NOON + timedelta(days=3, minutes=5)
    assert schedule.resumed(later) == schedule
    assert schedule.paused().next_runs(5) == []
    assert schedule.paused().paused() == schedule.paused()
    assert schedule.paused().resumed(later).next_run_at == NOON + timedelta(days=3, hours=1)
    once = begun(Rule(run_at=NOON + timedelta(hours=1)), NOON)
    assert once.paused().resumed(later).next_run_at == NOON + timedelta(hours=1)
    _, ended = fire(once, later, TaskStatus.PENDING, TokenStatus.ACTIVE)
    assert ended.resumed(later) == ended.paused() == ended
    _, stopped = fire(schedule, later, TaskStatus.PENDING, TokenStatus.FAILED)
    assert stopped.resumed(later).status is ScheduleStatus.ACTIVE


def test_a_schedule_without_times_left_stops_and_says_why() -> None:
    """At the end of the calendar, say."""
    schedule = Schedule(rule=Rule(cron="0 0 1 1 *"), next_run_at=datetime(9999, 1, 1, tzinfo=UTC))
    end = datetime(9999, 12, 31, 23, tzinfo=UTC)
    firing, after = fire(schedule, end, TaskStatus.COMPLETED, TokenStatus.ACTIVE)
    assert (firing, after.status, after.stop_reason) == (Firing.RUN, ScheduleStatus.STOPPED, StopReason.NEVER_AGAIN)


@given(token=st.none() | st.sampled_from(TokenStatus), days=st.none() | st.integers(-5, 5))
def test_the_forecast_compares_the_end_of_the_access_with_the_next_run(
    token: TokenStatus | None, days: int | None
) -> None:
    """Unknown where no end is known."""
    assume(token is not None or days is None)
    ends_at = None if days is None else NOON + timedelta(days=days)
    said = forecast(NOON, token, ends_at)
    if token is not TokenStatus.ACTIVE:
        assert said is Forecast.NO_ACCESS
    elif days is None:
        assert said is Forecast.UNKNOWN
    else:
        assert said is (Forecast.ENDS_BEFORE_NEXT_RUN if days <= 0 else Forecast.COVERED)
