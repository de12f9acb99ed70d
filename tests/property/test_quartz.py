"""Quartz expressions against a clock that is watched minute by minute.

The oracle shares nothing with the parser: it takes an expression apart again, by the plain
meaning of each sign, and watches what the clocks of a zone show around the moments at which they
are changed. `ROUNDS` is how many expressions are compared there.
"""

from __future__ import annotations

import calendar
import functools
import random
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.timing.quartz import parse

ROUNDS = 10_000
BATCHES = 10
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
WEEKDAYS = "SUN MON TUE WED THU FRI SAT".split()
CHANGES = {  # a day on which clocks are put forward or back, or on which nothing happens
    "Europe/Vienna": ["2026-03-29", "2026-10-25", "2099-10-25"],
    "America/New_York": ["2026-03-08", "2026-11-01"],
    "Australia/Lord_Howe": ["2026-04-05", "2026-10-04"],
    "America/Sao_Paulo": ["2018-11-04", "2018-02-18"],
    "Africa/Casablanca": ["2026-02-15", "2026-03-22"],
    "Asia/Kathmandu": ["1986-01-01", "2026-05-01"],
    "Asia/Pyongyang": ["2015-08-15", "2018-05-05"],
    "Pacific/Apia": ["2011-12-30"],
    "UTC": ["2027-12-31", "2028-02-29"],
}


def in_field(text, value, lowest, highest, names=()):
    """Whether a field without days' own signs names a value: by counting on from its start."""
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, dash, last = span.partition("-")
        start = lowest if first == "*" else number(first, names)
        end = number(last, names) if dash else highest if first == "*" or step else start
        here = start
        while True:
            gone = (here - start) % int(step or 1) if here >= start else None
            if gone is None:
                gone = (here - start + highest - lowest + 1) % int(step or 1)
            if gone == 0 and here == value:
                return True
            if here == end:
                break
            here = lowest if here == highest else here + 1
    return False


def number(text, names):
    return names.index(text) + 1 if text in names else int(text)


@functools.cache
def length(year, month):
    return calendar.monthrange(year, month)[1]


def weekday(day):
    return day.isoweekday() % 7 + 1


def nearest_working_day(day, wanted):
    """Of all days from Monday to Friday in the month, the one nearest to `wanted`."""
    days = [day.replace(day=n) for n in range(1, length(day.year, day.month) + 1)]
    working = [each for each in days if each.isoweekday() <= 5]
    return min(working, key=lambda each: abs(each.day - wanted))


def date_matches(item, day):
    last = length(day.year, day.month)
    if item.endswith("W") or item.startswith("L"):
        plain = item.removesuffix("W")
        if plain.startswith("L"):
            wanted = last - int(plain.removeprefix("L").removeprefix("-") or 0)
        else:
            wanted = int(plain)
        if not 1 <= wanted <= last:
            return False
        return day == nearest_working_day(day, wanted) if item != plain else day.day == wanted
    return in_field(item, day.day, 1, 31)


def weekday_matches(item, day):
    if item == "L":
        return weekday(day) == 7
    if item.endswith("L"):
        return weekday(day) == number(item[:-1], WEEKDAYS) and day.day + 7 > length(
            day.year, day.month
        )
    if "#" in item:
        name, ordinal = item.split("#")
        return weekday(day) == number(name, WEEKDAYS) and (day.day - 1) // 7 + 1 == int(ordinal)
    return in_field(item, weekday(day), 1, 7, WEEKDAYS)


def day_matches(fields, day):
    return (
        in_field(fields[4], day.month, 1, 12, MONTHS)
        and in_field((*fields, "*")[6], day.year, 1970, 2099)
        and (fields[3] == "?" or any(date_matches(item, day) for item in fields[3].split(",")))
        and (fields[5] == "?" or any(weekday_matches(item, day) for item in fields[5].split(",")))
    )


class Shown(NamedTuple):
    """A minute of real time, and what clocks show in it.

    `left_out` are the minutes that clocks have just skipped; `again` says that they have shown
    this one before.
    """

    instant: datetime
    wall: datetime
    left_out: tuple[datetime, ...]
    again: bool


@functools.cache
def watched(zone, around):
    """Five days of minutes around a change."""
    noon = datetime.fromisoformat(around).replace(hour=12, tzinfo=UTC)
    minutes, shown, before = [], set(), None
    for count in range(-60 * 60, 60 * 60):
        instant = noon + count * MINUTE
        wall = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        left_out = []
        while before is not None and (before := before + MINUTE) < wall:
            left_out.append(before)
        minutes.append(Shown(instant, wall, tuple(left_out), wall in shown))
        shown.add(wall)
        before = wall
    return minutes


def fires(text, minutes, start):
    """All ticks later than `start` in the minutes that are watched, by looking at each."""
    fields = text.split()
    seconds = [n for n in range(60) if in_field(fields[0], n, 0, 59)]
    those = {n for n in range(60) if in_field(fields[1], n, 0, 59)}
    hours = {n for n in range(24) if in_field(fields[2], n, 0, 23)}
    days = {}
    every_real_one = any(sign in field for field in fields[:3] for sign in "*/")

    def named(wall):
        if wall.minute not in those or wall.hour not in hours:
            return False
        day = wall.date()
        if day not in days:
            days[day] = day_matches(fields, day)
        return days[day]

    for shown in minutes[bisect_right(minutes, start - MINUTE, key=lambda each: each.instant) :]:
        if not shown.left_out and not named(shown.wall):
            continue
        ticks = set()
        if not every_real_one and any(named(wall) for wall in shown.left_out):
            ticks.add(shown.instant)
        if named(shown.wall) and (every_real_one or not shown.again):
            ticks |= {shown.instant + second * SECOND for second in seconds}
        yield from sorted(tick for tick in ticks if tick > start)


def random_field(chance, lowest, highest, names=(), plain=0.3):
    if chance.random() < plain:
        return "*"
    values = [*range(lowest, highest + 1)]

    def value():
        chosen = chance.choice(values)
        return chance.choice([str(chosen), names[chosen - 1]]) if names else str(chosen)

    def item():
        step = chance.randint(1, min(highest - lowest, 20))
        return chance.choice(
            [value(), value(), f"{value()}-{value()}", f"*/{step}", f"{value()}/{step}",
             f"{value()}-{value()}/{step}"]
        )  # fmt: skip

    return ",".join(item() for _ in range(chance.choice([1, 1, 1, 2, 3])))


def random_days(chance, plain):
    if chance.random() < 0.5:
        special = ["L", "LW", f"L-{chance.randint(0, 30)}", f"{chance.randint(1, 31)}W",
                   f"L-{chance.randint(1, 5)}W"]  # fmt: skip
        items = random_field(chance, 1, 31, plain=plain)
        if items != "*" and chance.random() < 0.5:
            items = chance.choice(special) + chance.choice(["", f",{items}"])
        return items, "?"
    items = random_field(chance, 1, 7, WEEKDAYS, plain=plain)
    if items != "*" and chance.random() < 0.5:
        day = chance.choice([str(chance.randint(1, 7)), chance.choice(WEEKDAYS)])
        special = ["L", f"{day}L", f"{day}#{chance.randint(1, 5)}"]
        items = chance.choice(special) + chance.choice(["", f",{items}"])
    return "?", items


def random_expression(chance):
    """One that fires now and then in five days; hours near those of changes are likelier."""
    dates, weekdays = random_days(chance, plain=0.7)
    hours = random_field(chance, 0, 23)
    if chance.random() < 0.5:
        hours = ",".join(str(chance.randint(0, 3)) for _ in range(chance.randint(1, 2)))
    fields = [
        chance.choice(["0", str(chance.randint(0, 59)), random_field(chance, 0, 59)]),
        chance.choice(["0", "30", str(chance.randint(0, 59)), random_field(chance, 0, 59)]),
        hours,
        dates,
        random_field(chance, 1, 12, MONTHS, plain=0.9),
        weekdays,
    ]
    return " ".join(fields + chance.choice([[], [], ["*"], ["2026-2028"]]))


def random_start(chance, minutes):
    """An instant after the first day, often close to where clocks are changed."""
    strange = [shown.instant for shown in minutes if shown.left_out or shown.again]
    start = minutes[0].instant + timedelta(seconds=chance.randrange(36 * 3600, 96 * 3600))
    if strange and chance.random() < 0.5:
        start = chance.choice(strange) + chance.randint(-100, 30) * MINUTE
    return start + chance.choice([timedelta(0), timedelta(0), -SECOND, timedelta(milliseconds=1)])


def read(text):
    """The expression, or None if it is one that never fires."""
    try:
        return parse(text)
    except ConfigurationError as error:
        if "never fires" not in str(error):
            raise
        return None


@pytest.mark.parametrize("batch", range(BATCHES))
def test_ticks_near_clock_changes(batch):
    seed = random.randrange(2**32) + batch  # the plugin seeds every test alike
    print("seed", seed)
    chance = random.Random(seed)
    compared = 0
    for _ in range(ROUNDS // BATCHES):
        text = random_expression(chance)
        zone = chance.choice([*CHANGES])
        minutes = watched(zone, chance.choice(CHANGES[zone]))
        quartz = read(text)
        start = random_start(chance, minutes)
        end = minutes[-1].instant + MINUTE
        expected = fires(text, minutes, start)
        at = start
        for _ in range(4):
            at = quartz and quartz.next_after(at, ZoneInfo(zone))
            due = next(expected, None)
            if due is None:
                assert at is None or at >= end, (text, zone, start.isoformat(), at)
                break
            assert at == due, (text, zone, start.isoformat())
            compared += 1
    assert compared > ROUNDS // BATCHES  # most of them do fire in the five days


def test_days_of_whole_decades():
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(150):
        dates, weekdays = random_days(chance, plain=0.1)
        months = random_field(chance, 1, 12, MONTHS)
        years = chance.choice(["*", "2024/3", "2000-2030", str(chance.randint(1970, 2099))])
        text = f"0 0 12 {dates} {months} {weekdays} {years}"
        quartz = read(text)
        day = date(chance.randint(1970, 2099), chance.randint(1, 12), 1)
        at = datetime(day.year, day.month, 1, tzinfo=UTC)
        for _ in range(1500):
            if day_matches(text.split(), day):
                at = quartz.next_after(at, UTC)
                assert at == datetime(day.year, day.month, day.day, 12, tzinfo=UTC), (text, day)
            if day == date(2099, 12, 31):
                assert quartz is None or quartz.next_after(at, UTC) is None
                break
            day += timedelta(days=1)


def test_what_is_said_never_to_fire_has_no_day():
    chance = random.Random(5)
    refused = []
    while len(refused) < 8:
        dates, weekdays = random_days(chance, plain=0)
        text = f"0 0 0 {dates} {chance.choice(['FEB', '4,6', 'FEB,NOV'])} {weekdays} 2021/7"
        if read(text) is None:
            refused.append(text)
    days = [date(1970, 1, 1) + timedelta(days=n) for n in range(130 * 365 + 32)]
    assert not [text for text in refused for day in days if day_matches(text.split(), day)]
