"""Wall times of a zone as instants, also where clocks are put forward or back.

Two rules, of which a schedule has one: every wall time once, or every real instant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

_SECOND = timedelta(seconds=1)
_EARLIEST = datetime(1969, 12, 30, tzinfo=UTC)
_NO_TIME = timedelta(0)

Search = Callable[[datetime], datetime | None]
"""The first wall time that is wanted and not before a given one."""


class ClockChange(StrEnum):
    """What clocks do at a wall time."""

    LEFT_OUT = "LEFT_OUT"
    FIRST_OF_TWO = "FIRST_OF_TWO"
    SECOND_OF_TWO = "SECOND_OF_TWO"


@dataclass(frozen=True, slots=True)
class WallTick:
    """An instant, and the wall time for whose sake it was chosen.

    Args:
        instant: In UTC.
        wall: What was asked for; clocks show another time if it is left out that day.
        change: What clocks do there.
    """

    instant: datetime
    wall: datetime
    change: ClockChange | None = None


def each_wall_time_after(search: Search, instant: datetime, zone: tzinfo) -> WallTick | None:
    """The first tick later than an instant, if every wall time has one tick.

    One that is left out has it at the first instant after the gap, one that comes twice at the
    first of them.
    """
    start = _whole_second(instant)
    wall = _wall(start, zone) + _SECOND
    if _wall_shift(start, zone) > _NO_TIME and start.astimezone(zone).fold:
        # All wall times up to the end of the hour that comes again have had their tick.
        change = _change_between(start - _wall_shift(start, zone), start, zone)
        wall = _wall(change - _SECOND, zone) + _SECOND
    found = search(wall)
    return None if found is None else _first(found, zone)


def each_instant_after(search: Search, instant: datetime, zone: tzinfo) -> WallTick | None:
    """The first tick later than an instant, if every instant with a wanted wall time is one."""
    start = _whole_second(instant) + _SECOND
    wall = _wall(start, zone)
    shift = _wall_shift(start, zone)
    if shift > _NO_TIME and not start.astimezone(zone).fold:
        change = _change_between(start, start + shift, zone)
        found = search(wall)
        if found is not None and start + (found - wall) < change:
            return WallTick(start + (found - wall), found, ClockChange.FIRST_OF_TWO)
        start = change
        wall = _wall(start, zone)
    while (found := search(wall)) is not None:
        tick = _first(found, zone)
        if tick.change is ClockChange.LEFT_OUT:
            wall = _wall(tick.instant, zone)
        elif tick.instant >= start:
            return tick
        else:
            later = found.replace(tzinfo=zone, fold=1).astimezone(UTC)
            return WallTick(later, found, ClockChange.SECOND_OF_TWO)
    return None


def _first(wall: datetime, zone: tzinfo) -> WallTick:
    """The first instant at which clocks show a wall time, or have passed it."""
    early = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    late = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if early < late:
        return WallTick(early, wall, ClockChange.FIRST_OF_TWO)
    if early > late:  # in a gap, what `fold` means is the other way round
        return WallTick(_change_between(late, early, zone), wall, ClockChange.LEFT_OUT)
    return WallTick(early, wall)


def _whole_second(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone, so it is no instant")
    return max(instant.astimezone(UTC).replace(microsecond=0), _EARLIEST)


def _wall(instant: datetime, zone: tzinfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _wall_shift(instant: datetime, zone: tzinfo) -> timedelta:
    """How far clocks are put back, if the wall time of an instant comes twice; else nothing."""
    local = instant.astimezone(zone)
    early, late = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return late - early


def _change_between(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The first instant of the offset that is valid at `after` and not at `before`."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2 // _SECOND * _SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
