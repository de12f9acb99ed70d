"""Quartz cron expressions: which wall times they name.

Six fields, or seven with a year: `0 30 6 ? * MON-FRI`. Other cron parsers take such text and give
wrong days, for Quartz counts 1 = SUN to 7 = SAT and knows `?`, `L`, `W` and `#`. What happens
when clocks are changed is decided in `wallclock`.
"""

from __future__ import annotations

import calendar
import itertools
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Protocol

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest
from lakeflow.jobs.timing import wallclock

_MONTHS = tuple("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split())
_WEEKDAYS = tuple("SUN MON TUE WED THU FRI SAT".split())
_UNIX_WEEKDAYS = (*_WEEKDAYS, "SUN")
_NICKNAMES = {
    "@YEARLY": "0 0 0 1 1 ?",
    "@ANNUALLY": "0 0 0 1 1 ?",
    "@MONTHLY": "0 0 0 1 * ?",
    "@WEEKLY": "0 0 0 ? * SUN",
    "@DAILY": "0 0 0 * * ?",
    "@MIDNIGHT": "0 0 0 * * ?",
    "@HOURLY": "0 0 * * * ?",
}
_ORDER = "seconds, minutes, hours, day of month, month, day of week and, if you like, year"
_RANGE = re.compile(r"(\*|[A-Z]+|\d+)?(?:-([A-Z]+|\d+))?(?:/(\d+))?")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    lowest: int
    highest: int
    words: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return self.highest - self.lowest + 1

    @property
    def span(self) -> str:
        text = f"{self.lowest} to {self.highest}"
        return f"{text}, or {self.words[0]} to {self.words[-1]}" if self.words else text

    def wrong(self, what: str, hint: str) -> ConfigurationError:
        return ConfigurationError(f"The {self.name} field {what}.", hint=hint)

    def value(self, text: str) -> int:
        """What a number or a name stands for."""
        if text in self.words:
            return self.lowest + self.words.index(text)
        if text.isdecimal() and self.lowest <= int(text) <= self.highest:
            return int(text)
        if self is _DAY_OF_WEEK and text == "0":
            raise self.wrong(
                "has the day 0, which is Unix cron's Sunday; Quartz counts 1 = SUN to 7 = SAT",
                "Write names, such as SUN or MON-FRI.",
            )
        meant = "" if text.isdecimal() else nearest(text, self.words)
        raise self.wrong(f"has {text!r}", meant or f"Values are {self.span}.")

    def numbers(self, item: str) -> list[int]:
        """The values that `5`, `*`, `1-5`, `0/10` or `22-4/2` stands for."""
        found = _RANGE.fullmatch(item)
        first, last, step = found.groups() if found else (None, None, None)
        every = first == "*" or (first is None and step is not None)
        if (first is None and not every) or (every and last is not None):
            raise self.wrong(
                f"has {item!r}" if item else "has an empty place between commas",
                f"Write values ({self.span}), ranges such as 1-5, steps such as */2, or a list.",
            )
        start = self.lowest if first is None or every else self.value(first)
        if last is not None:
            end = self.value(last)
        else:
            end = self.highest if every or step is not None else start
        if end < start:
            if self is _YEAR:
                raise self.wrong(f"has {item!r}, which goes back", "Write the earlier year first.")
            end += self.size
        stride = int(step or 1)
        if not 0 < stride < self.size:
            raise self.wrong(
                f"has the step {stride} in {item!r}",
                f"A step is 1 to {self.size - 1}; a longer one belongs into the next larger field.",
            )
        return [
            self.lowest + (number - self.lowest) % self.size
            for number in range(start, end + 1, stride)
        ]


_SECONDS = _Field("seconds", 0, 59)
_MINUTES = _Field("minutes", 0, 59)
_HOURS = _Field("hours", 0, 23)
_DAY_OF_MONTH = _Field("day of month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_DAY_OF_WEEK = _Field("day of week", 1, 7, _WEEKDAYS)
_YEAR = _Field("year", 1970, 2099)


class Day(Protocol):
    """Some days of any month."""

    def among(self, first: int, length: int) -> Iterator[int]:
        """Its days in a month that begins on a weekday (1 = SUN) and has so many days."""


@dataclass(frozen=True, slots=True)
class Date:
    """A day by its number: `15`, `L`, `L-3`, `15W`, `LW`.

    Args:
        day: Its number, or how many days before the last.
        from_end: Whether it is counted from the end.
        working: Whether the nearest day of Monday to Friday in the same month is meant.
    """

    day: int
    from_end: bool = False
    working: bool = False

    def among(self, first: int, length: int) -> Iterator[int]:
        """At most one day; a month that is too short has none."""
        day = length - self.day if self.from_end else self.day
        if not 1 <= day <= length:
            return
        weekday = (first + day - 2) % 7 + 1
        if self.working and weekday == 7:
            day += 2 if day == 1 else -1
        elif self.working and weekday == 1:
            day += -2 if day == length else 1
        yield day


@dataclass(frozen=True, slots=True)
class Weekday:
    """A day by its name: `FRI`, `6L`, `2#1`.

    Args:
        day: 1 = SUN to 7 = SAT.
        ordinal: Which one of the month; 0 for each, -1 for the last.
    """

    day: int
    ordinal: int = 0

    def among(self, first: int, length: int) -> Iterator[int]:
        """The days of that name, or the one that is meant, if the month has it."""
        days = range((self.day - first) % 7 + 1, length + 1, 7)
        if self.ordinal == 0:
            yield from days
        elif self.ordinal <= len(days):
            yield days[self.ordinal - (self.ordinal > 0)]


@dataclass(frozen=True, slots=True)
class Quartz:
    """The wall times that an expression names.

    Args:
        text: The expression, as it was written.
        seconds: In order, as the following.
        minutes: Of an hour.
        hours: Of a day.
        days: Any of these.
        months: 1 to 12.
        years: 1970 to 2099.
        repeats: Whether a `*` or a step in hours, minutes or seconds asks for every real hour.

    Example:
        >>> from datetime import UTC
        >>> new_year = datetime(2026, 1, 1, tzinfo=UTC)
        >>> str(parse("0 30 6 ? * 6L").next_after(new_year, UTC))  # the last Friday
        '2026-01-30 06:30:00+00:00'
    """

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[Day, ...]
    months: tuple[int, ...]
    years: tuple[int, ...]
    repeats: bool

    def next_after(self, instant: datetime, zone: tzinfo) -> datetime | None:
        """The first tick later than an instant, in UTC; None if there is none.

        A wall time of fixed hours, minutes and seconds has one tick: in the hour that is left out
        in spring, the first instant after it (once for all wall times in it); in the hour that
        comes twice in autumn, the first time. With a `*` or a step in one of those fields, each
        real instant whose wall time is named is a tick: none in the hour that is left out, and
        both times in the one that comes twice.
        """
        tick = self.tick_after(instant, zone)
        return None if tick is None else tick.instant

    def tick_after(self, instant: datetime, zone: tzinfo) -> wallclock.WallTick | None:
        """The same, with the wall time it is due at and whether clocks are changed there."""
        after = wallclock.each_instant_after if self.repeats else wallclock.each_wall_time_after
        return after(self._first_from, instant, zone)

    def least_seconds_between(self) -> int:
        """How close two ticks of one day, or over midnight of two, can be."""
        gaps = [b - a for a, b in itertools.pairwise(self.seconds)]
        wrap = self.seconds[0] + 60 - self.seconds[-1]
        if _has_neighbours(self.minutes) or (
            {0, 59} <= set(self.minutes)
            and (_has_neighbours(self.hours) or {0, 23} <= set(self.hours))
        ):
            gaps.append(wrap)
        return min(gaps, default=60)

    def _first_from(self, wall: datetime) -> datetime | None:
        """The first wall time that is named and not before this one."""
        for year in self.years[bisect_left(self.years, wall.year) :]:
            for month in self.months:
                if (year, month) < (wall.year, wall.month):
                    continue
                for day in self._days(year, month):
                    at = datetime(year, month, day)  # noqa: DTZ001
                    if at.date() < wall.date():
                        continue
                    time = self._time(wall if at.date() == wall.date() else at)
                    if time is not None:
                        return datetime(year, month, day, *time)  # noqa: DTZ001
        return None

    def _days(self, year: int, month: int) -> list[int]:
        first, length = calendar.monthrange(year, month)
        first = (first + 1) % 7 + 1
        return sorted({day for rule in self.days for day in rule.among(first, length)})

    def _time(self, wall: datetime) -> tuple[int, int, int] | None:
        """The first time of the day that is not before that of `wall`."""
        for hour in self.hours[bisect_left(self.hours, wall.hour) :]:
            if hour > wall.hour:
                return hour, self.minutes[0], self.seconds[0]
            for minute in self.minutes[bisect_left(self.minutes, wall.minute) :]:
                if minute > wall.minute:
                    return hour, minute, self.seconds[0]
                for second in self.seconds[bisect_left(self.seconds, wall.second) :]:
                    return hour, minute, second
        return None


def _has_neighbours(values: Sequence[int]) -> bool:
    return any(b - a == 1 for a, b in itertools.pairwise(values))


def parse(text: str) -> Quartz:
    """Reads an expression.

    Raises:
        ConfigurationError: It is not one, or names days that never come; says which field is
            wrong and what to write.
    """
    fields = text.upper().split()
    _refuse_other_dialects(text, fields)
    seconds, minutes, hours, date, months, weekday, years = (*fields, "*")[:7]
    _refuse_both_days(fields)
    quartz = Quartz(
        text=" ".join(text.split()),
        seconds=_read(_SECONDS, seconds),
        minutes=_read(_MINUTES, minutes),
        hours=_read(_HOURS, hours),
        days=_weekdays(weekday) if date == "?" else _dates(date),
        months=_read(_MONTH, months),
        years=_read(_YEAR, years),
        repeats=any(sign in field for sign in "*/" for field in (seconds, minutes, hours)),
    )
    if not any(quartz._days(year, month) for year in quartz.years for month in quartz.months):
        day = f"day of month {date}" if date != "?" else f"day of week {weekday}"
        when = f"month {months}" + (f" of year {years}" if years != "*" else "")
        better = "L for the last day of a month" if date != "?" else "6L for a month's last Friday"
        raise ConfigurationError(
            f"The expression {text!r} never fires: no {day} in {when}.",
            hint=f"Write {better}, or name months that have that day.",
        )
    return quartz


def _read(field: _Field, text: str) -> tuple[int, ...]:
    if "?" in text:
        raise field.wrong(
            f"is {text!r}", "? belongs into day of month or day of week; write * here."
        )
    return tuple(sorted({number for item in text.split(",") for number in field.numbers(item)}))


def _dates(text: str) -> tuple[Day, ...]:
    days: list[Day] = []
    for item in text.split(","):
        if found := re.fullmatch(r"L(?:-(\d+))?(W)?", item):
            before = int(found[1] or 0)
            if before > 30:
                raise _DAY_OF_MONTH.wrong(f"has {item!r}", "At most L-30 is in a month.")
            days.append(Date(before, from_end=True, working=bool(found[2])))
        elif found := re.fullmatch(r"(\d+)W", item):
            days.append(Date(_DAY_OF_MONTH.value(found[1]), working=True))
        elif "#" in item or any(name in item for name in _WEEKDAYS):
            raise _DAY_OF_MONTH.wrong(
                f"has {item!r}, a day of the week",
                "Write ? here and the day into the sixth field.",
            )
        else:
            days += [Date(number) for number in _DAY_OF_MONTH.numbers(item)]
    return tuple(dict.fromkeys(days))


def _weekdays(text: str) -> tuple[Day, ...]:
    days: list[Day] = []
    for item in text.split(","):
        if item == "L":
            days.append(Weekday(7))
        elif found := re.fullmatch(r"(\w+)L", item):
            days.append(Weekday(_DAY_OF_WEEK.value(found[1]), -1))
        elif found := re.fullmatch(r"(\w+)#(\d+)", item):
            if not 1 <= int(found[2]) <= 5:
                raise _DAY_OF_WEEK.wrong(
                    f"has {item!r}", "A month has a weekday at most five times: #1 to #5, or L."
                )
            days.append(Weekday(_DAY_OF_WEEK.value(found[1]), int(found[2])))
        elif re.fullmatch(r"\w+W", item) and item not in ("TUW", "W"):
            raise _DAY_OF_WEEK.wrong(
                f"has {item!r}", "W belongs into day of month: write 15W there and ? here."
            )
        else:
            days += [Weekday(number) for number in _DAY_OF_WEEK.numbers(item)]
    return tuple(dict.fromkeys(days))


def _refuse_both_days(fields: Sequence[str]) -> None:
    date, weekday = fields[3], fields[5]
    if (date == "?") != (weekday == "?"):
        return
    if date == "?":
        raise ConfigurationError(
            "Day of month and day of week are both ?, so no day is named.",
            hint=f"For every day write: {_with(fields, 3, '*')}",
        )
    if weekday == "*" or date == "*":
        better = _with(fields, 5 if weekday == "*" else 3, "?")
        hint = f"Write ? in the one that does not matter: {better}"
    else:
        hint = "Write ? in one of them; for days of either kind use two triggers."
    raise ConfigurationError(
        f"Day of month ({date}) and day of week ({weekday}) are both given; "
        "Quartz takes one and wants ? in the other.",
        hint=hint,
    )


def _with(fields: Sequence[str], place: int, value: str) -> str:
    return " ".join([*fields[:place], value, *fields[place + 1 :]])


def _refuse_other_dialects(text: str, fields: Sequence[str]) -> None:
    if len(fields) in (6, 7):
        return
    if len(fields) == 1 and fields[0] in _NICKNAMES:
        raise ConfigurationError(
            f"{text!r} is Unix cron's word.", hint=f"In Quartz write: {_NICKNAMES[fields[0]]}"
        )
    if len(fields) == 5:
        raise ConfigurationError(
            f"{text!r} has five fields, as Unix cron has; Quartz begins with seconds.",
            hint=_from_unix(fields) or f"The fields are {_ORDER}.",
        )
    raise ConfigurationError(
        f"{text!r} has {len(fields)} fields; Quartz has six or seven.",
        hint=f"They are {_ORDER}, as in: 0 30 6 * * ?",
    )


def _from_unix(fields: Sequence[str]) -> str:
    """The same in Quartz, where that can be said without asking back."""
    minutes, hours, date, months, weekday = fields
    if weekday == "*":
        weekday = "?"
    elif date == "*" and not re.search(r"/|[89]|\d\d", weekday):
        date = "?"
        weekday = re.sub(r"\d", lambda found: _UNIX_WEEKDAYS[int(found[0])], weekday)
    meant = f"0 {minutes} {hours} {date} {months} {weekday}"
    try:
        parse(meant)
    except ConfigurationError:
        return ""
    return f"Write: {meant}"
