"""Ranges of time as windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.timing.backfill import Window, backfill
from lakeflow.jobs.timing.quartz import parse
from lakeflow.jobs.timing.triggers import Schedule

START = datetime(2026, 3, 28, tzinfo=UTC)
DAY = timedelta(days=1)


def test_windows_of_an_interval_cover_the_range_and_the_last_is_cut():
    assert backfill(START, START + 2.5 * DAY, DAY) == (
        Window(START, START + DAY),
        Window(START + DAY, START + 2 * DAY),
        Window(START + 2 * DAY, START + 2.5 * DAY),
    )


def test_windows_of_a_schedule_begin_at_its_ticks():
    vienna = ZoneInfo("Europe/Vienna")
    midnight = Schedule(parse("0 0 0 * * ?"), vienna, "Europe/Vienna")
    windows = backfill(START, datetime(2026, 3, 31, tzinfo=vienna), midnight)
    assert [f"{window.start:%d %H:%M}" for window in windows] == ["28 23:00", "29 22:00"]
    assert windows[0].end - windows[0].start == timedelta(hours=23)  # clocks are put forward
    assert windows[-1].end == datetime(2026, 3, 31, tzinfo=vienna)


def test_a_tick_at_the_start_is_in_the_range_and_one_at_the_end_is_not():
    hours = Schedule(parse("0 0 * * * ?"), UTC, "UTC")
    windows = backfill(START, START + timedelta(hours=2), hours)
    assert [window.start for window in windows] == [START, START + timedelta(hours=1)]


def test_a_hundred_windows_are_allowed_and_more_if_asked_for():
    assert len(backfill(START, START + 100 * DAY, DAY)) == 100
    with pytest.raises(ConfigurationError, match="more than 100 runs"):
        backfill(START, START + 101 * DAY, DAY)
    assert len(backfill(START, START + 101 * DAY, DAY, most=200)) == 101


@pytest.mark.parametrize(
    ("start", "end", "every", "says"),
    [
        (START, START, DAY, "not after its start"),
        (START, START + DAY, timedelta(0), "interval of a backfill is 0:00:00"),
        (START.replace(tzinfo=None), START, DAY, "does not say its time zone"),
        (
            START,
            START + timedelta(minutes=1),
            Schedule(parse("0 30 6 * * ?"), UTC, "UTC"),
            "has no tick between",
        ),
    ],
)
def test_ranges_that_make_no_run_are_refused(start, end, every, says):
    with pytest.raises(ConfigurationError, match=says):
        backfill(start, end, every)
