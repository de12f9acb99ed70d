"""Quartz expressions: what they name, what is said of wrong ones, and clock changes by example."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.timing.quartz import parse

VIENNA = ZoneInfo("Europe/Vienna")


def days(text, start="2026-01-01", count=3):
    """The first days on which an expression fires in UTC."""
    at = datetime.fromisoformat(start).replace(tzinfo=UTC) - timedelta(seconds=1)
    found = []
    while len(found) < count and (at := parse(text).next_after(at, UTC)) is not None:
        found.append(f"{at:%Y-%m-%d}")
    return found


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("? * 2", ["2026-01-05", "2026-01-12", "2026-01-19"]),  # 2 is Monday, not Tuesday
        ("? * MON", ["2026-01-05", "2026-01-12", "2026-01-19"]),
        ("? * 2#1", ["2026-01-05", "2026-02-02", "2026-03-02"]),
        ("? * mon#5", ["2026-03-30", "2026-06-29", "2026-08-31"]),
        ("? * 6L", ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("? * L", ["2026-01-03", "2026-01-10", "2026-01-17"]),
        ("? * FRI-MON", ["2026-01-02", "2026-01-03", "2026-01-04"]),
        ("? * 2/3", ["2026-01-01", "2026-01-05", "2026-01-08"]),
        ("L * ?", ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ("L-3 * ?", ["2026-01-28", "2026-02-25", "2026-03-28"]),
        ("L-30 * ?", ["2026-01-01", "2026-03-01", "2026-05-01"]),
        ("LW * ?", ["2026-01-30", "2026-02-27", "2026-03-31"]),
        ("15W * ?", ["2026-01-15", "2026-02-16", "2026-03-16"]),
        ("1W * ?", ["2026-01-01", "2026-02-02", "2026-03-02"]),  # stays in its month
        ("31W * ?", ["2026-01-30", "2026-03-31", "2026-05-29"]),
        ("30-2 * ?", ["2026-01-01", "2026-01-02", "2026-01-30"]),
        ("1,L * ?", ["2026-01-01", "2026-01-31", "2026-02-01"]),
        ("1 NOV-JAN/2 ?", ["2026-01-01", "2026-11-01", "2027-01-01"]),
        ("29 FEB ?", ["2028-02-29", "2032-02-29", "2036-02-29"]),
        ("1 1 ? 2025/5", ["2030-01-01", "2035-01-01", "2040-01-01"]),
        ("1 1 ? 2026,2099", ["2026-01-01", "2099-01-01"]),
        ("1 1 ? 1999", []),
    ],
)
def test_days(field, expected):
    assert days(f"0 0 0 {field}") == expected


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("*/5 * * * *", "five fields, as Unix cron", "Write: 0 */5 * * * ?"),
        ("0 9 * * 1-5", "five fields", "Write: 0 0 9 ? * MON-FRI"),
        ("0 9 * * 0,7", "five fields", "Write: 0 0 9 ? * SUN,SUN"),
        ("0 9 1 * 1", "five fields", "The fields are seconds, minutes, hours"),
        ("@daily", "Unix cron's word", "0 0 0 * * ?"),
        ("0 0 0 ? *", "five fields", "seconds"),
        ("", "0 fields", "0 30 6 * * ?"),
        ("0 0 0 1 * ? * *", "8 fields", "0 30 6 * * ?"),
        ("0 0 9 ? * 0", "Unix cron's Sunday", "SUN or MON-FRI"),
        ("0 0 9 ? * 8", "day of week field has '8'", "1 to 7, or SUN to SAT"),
        ("0 0 9 ? * MOM", "day of week field has 'MOM'", "Did you mean 'MON'?"),
        ("0 0 9 1 JANUARY ?", "month field has 'JANUARY'", "Did you mean 'JAN'?"),
        ("0 0 9 1 * MON", "(1) and day of week (MON) are both given", "use two triggers"),
        ("0 0 9 * * *", "both given", "0 0 9 * * ?"),
        ("0 0 9 * * MON", "both given", "0 0 9 ? * MON"),
        ("0 0 9 ? * ?", "both ?", "0 0 9 * * ?"),
        ("? 0 9 * * ?", "seconds field is '?'", "write * here"),
        ("0 0 9 ? ? MON", "month field is '?'", "write * here"),
        ("0 0 24 * * ?", "hours field has '24'", "Values are 0 to 23."),
        ("0 60 * * * ?", "minutes field has '60'", "Values are 0 to 59."),
        ("61 0 * * * ?", "seconds field has '61'", "Values are 0 to 59."),
        ("0 0 9 0 * ?", "day of month field has '0'", "Values are 1 to 31."),
        ("0 0 9 32W * ?", "day of month field has '32'", "Values are 1 to 31."),
        ("0 0 9 L-31 * ?", "has 'L-31'", "L-30"),
        ("0 0 9 MON * ?", "has 'MON', a day of the week", "sixth field"),
        ("0 0 9 ? * 15W", "day of week field has '15W'", "15W there and ? here"),
        ("0 0 9 ? * MON#6", "has 'MON#6'", "#1 to #5"),
        ("0 */90 * * * ?", "minutes field has the step 90", "next larger field"),
        ("0 0/0 * * * ?", "step 0", "A step is 1 to 59"),
        ("0 1,,2 * * * ?", "empty place between commas", "ranges such as 1-5"),
        ("0 5- * * * ?", "minutes field has '5-'", "ranges such as 1-5"),
        ("0 *-5 * * * ?", "minutes field has '*-5'", "ranges such as 1-5"),
        ("0 ² * * * ?", "minutes field has '²'", "ranges"),
        ("0 0 0 ? * ²L", "day of week field has '²'", "SUN to SAT"),
        ("0 0 0 1 1 ? 2030-2020", "year field has '2030-2020', which goes back", "earlier year"),
        ("0 0 0 1 1 ? 2100", "year field has '2100'", "1970 to 2099"),
        ("0 0 0 31 FEB ?", "never fires: no day of month 31 in month FEB", "Write L"),
        ("0 0 0 31 4,6 ?", "never fires", "Write L"),
        ("0 0 0 30W 2 ?", "never fires", "Write L"),
        ("0 0 0 29 2 ? 2025-2027", "in month 2 of year 2025-2027", "Write L"),
        ("0 0 0 ? 2 MON#5 2025", "no day of week MON#5", "6L"),
    ],
)
def test_what_is_wrong_is_said_with_its_field_and_the_way_out(text, says, hint):
    with pytest.raises(ConfigurationError) as raised:
        parse(text)
    assert says in raised.value.message
    assert hint in (raised.value.hint or "")


def local_times(text, day, zone):
    """What clocks of a zone show at the ticks of a day, and their offset in hours."""
    at = datetime.fromisoformat(day).replace(tzinfo=zone)
    end = datetime.fromisoformat(day).replace(tzinfo=zone, hour=23, minute=59)
    found = []
    at = (at - timedelta(seconds=1)).astimezone(UTC)
    while (at := parse(text).next_after(at, zone)) is not None and at < end:
        local = at.astimezone(zone)
        found.append(f"{local:%H:%M}{local.utcoffset() // timedelta(minutes=1) / 60:+g}")
    return found


@pytest.mark.parametrize(
    ("text", "day", "zone", "expected"),
    [
        ("0 30 2 * * ?", "2026-03-29", "Europe/Vienna", ["03:00+2"]),
        ("0 30 2 * * ?", "2026-10-25", "Europe/Vienna", ["02:30+2"]),
        ("0 0,20,40 2,3 * * ?", "2026-03-29", "Europe/Vienna", ["03:00+2", "03:20+2", "03:40+2"]),
        ("0 0 1-3 * * ?", "2026-10-25", "Europe/Vienna", ["01:00+2", "02:00+2", "03:00+1"]),
        ("0 0/30 2 * * ?", "2026-03-29", "Europe/Vienna", []),
        (
            "0 0/30 2 * * ?",
            "2026-10-25",
            "Europe/Vienna",
            ["02:00+2", "02:30+2", "02:00+1", "02:30+1"],
        ),
        ("0 0 0 * * ?", "2018-11-04", "America/Sao_Paulo", ["01:00-2"]),
        ("0 15 2 * * ?", "2026-10-04", "Australia/Lord_Howe", ["02:30+11"]),
        ("0 45 1 * * ?", "2026-04-05", "Australia/Lord_Howe", ["01:45+11"]),
    ],
)
def test_clock_changes(text, day, zone, expected):
    assert local_times(text, day, ZoneInfo(zone)) == expected


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_every_hour_is_every_real_hour(day, hours):
    assert len(local_times("0 0 * * * ?", day, VIENNA)) == hours


@pytest.mark.parametrize(
    "text",
    ["0 0 12 ? 2 MON#5", "0 0 12 ? 2 MON#5 2072", "59 59 23 31 12 ? 2099", "0 0 0 1 1 ? 1971"],
)
def test_rare_expressions_are_found_at_once(text):
    began = time.perf_counter()
    quartz = parse(text)
    for year in range(1990, 2090):
        quartz.next_after(datetime(year, 3, 1, tzinfo=UTC), VIENNA)
    assert time.perf_counter() - began < 1  # a hundred of them


@pytest.mark.parametrize(
    "text",
    ["0 0 12 * * ?", "* 0 12 * * ?", "0/10 * * * * ?", "0,55 * * * * ?", "0,55 0,2 * * * ?",
     "2,58 0,59 3,4 * * ?", "2,58 0,59 3,5 * * ?", "5,58 0,59 0,23 * * ?", "7 * * * * ?",
     "0,30 5 * * * ?", "1,21,41 * * * * ?"],
)  # fmt: skip
def test_how_close_ticks_are(text):
    quartz = parse(text)
    at = datetime(2026, 6, 1, tzinfo=UTC)
    gaps = []
    for _ in range(600):
        before, at = at, quartz.next_after(at, UTC)
        gaps.append((at - before).total_seconds())
    assert quartz.least_seconds_between() == min(*gaps[1:], 60)


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        parse("0 0 0 * * ?").next_after(datetime(2026, 1, 1), UTC)  # noqa: DTZ001
