"""A range of time cut into windows, each of which becomes one run of a job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.timing.triggers import Schedule

MOST_WINDOWS = 100
"""How many windows a backfill has at most, unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Window:
    """What one run of a backfill is for; the end belongs to the next one."""

    start: datetime
    end: datetime


def backfill(
    start: datetime, end: datetime, every: timedelta | Schedule, *, most: int = MOST_WINDOWS
) -> tuple[Window, ...]:
    """Cuts a range into windows.

    With an interval the first begins at `start`. With a schedule each begins at a tick, from the
    first one that is not before `start` on. Each ends where the next begins, the last at `end`.

    Args:
        start: Beginning of the range.
        end: Its end, which is not in it.
        every: Length of a window, or the schedule at whose ticks they begin.
        most: More windows than this are refused.

    Raises:
        ConfigurationError: The range is empty, has no tick or more windows than allowed.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ConfigurationError(
            f"The range {start} to {end} does not say its time zone.",
            hint="Write both ends like 2026-01-01T00:00:00Z.",
        )
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end <= start:
        raise ConfigurationError(
            f"The range ends at {end:%Y-%m-%d %H:%M:%S}, not after its start "
            f"{start:%Y-%m-%d %H:%M:%S}.",
            hint="Exchange the two.",
        )
    starts: list[datetime] = []
    for each in _starts(start, end, every):
        starts.append(each)
        if len(starts) > most:
            raise ConfigurationError(
                f"The range makes more than {most} runs.",
                hint="Take a shorter range or a longer interval, or allow more runs.",
            )
    if not starts:
        raise ConfigurationError(
            f"The schedule has no tick between {start:%Y-%m-%d %H:%M:%S} and "
            f"{end:%Y-%m-%d %H:%M:%S} UTC.",
            hint="Take a longer range, or an interval.",
        )
    ends = [*starts[1:], end]
    return tuple(Window(*pair) for pair in zip(starts, ends, strict=True))


def _starts(start: datetime, end: datetime, every: timedelta | Schedule) -> Iterator[datetime]:
    if isinstance(every, timedelta):
        if every < timedelta(seconds=1):
            raise ConfigurationError(
                f"The interval of a backfill is {every}.", hint="It is at least a second."
            )
        while start < end:
            yield start
            start += every
        return
    tick = every.quartz.next_after(start - timedelta(microseconds=1), every.zone)
    while tick is not None and tick < end:
        yield tick
        tick = every.quartz.next_after(tick, every.zone)
