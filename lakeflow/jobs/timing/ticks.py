"""Schedules and periodic triggers: which ticks are due, and what becomes of each.

Everything here is a function of a trigger, its state and the time it is told. State is a small
JSON object; whoever keeps it writes it together with the ticks that were decided, in one
transaction, unique by job, trigger and fire time. Then no tick is lost or comes twice, wherever
the keeper is stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.timing.triggers import MissedRuns, Periodic, Schedule, Trigger
from lakeflow.jobs.timing.wallclock import ClockChange, WallTick

ON_TIME = timedelta(seconds=60)
"""A tick that is looked at within this time has not been missed."""

AT_ONCE = 100
"""Ticks that one decision tells of one by one, and that `run_all` starts at a time."""

_COUNTED = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

State = Mapping[str, JsonValue]
"""What is kept for a trigger between two looks."""


class TickOutcome(StrEnum):
    """What became of a tick."""

    FIRED = "FIRED"
    MISSED = "MISSED"
    PAUSED = "PAUSED"
    UNMET = "UNMET"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment for which it was decided whether a run starts.

    Args:
        fire_time: The key of the tick among those of its trigger; the time it was due.
        outcome: What became of it.
        reason: Why, in one sentence.
        count: Ticks that this one stands for; more than one only if many were missed.
        details: What fired: `files`, or `tables` with their versions.
    """

    fire_time: datetime
    outcome: TickOutcome
    reason: str
    count: int = 1
    details: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a look at a trigger came to.

    Args:
        state: To be kept for the next look.
        ticks: Decided now, in their order; a run starts for each that is `FIRED`.
        wait_until: When to look again if nothing happens before; None for never.
        reason: What the trigger waits for, in one sentence.
        seen: Names of files that do not fire again.
    """

    state: State
    ticks: tuple[Tick, ...] = ()
    wait_until: datetime | None = None
    reason: str = ""
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A tick to come.

    Args:
        fire_time: In UTC.
        local: As clocks of the trigger's zone show it then.
        note: A sentence if clocks are changed there, else empty.
    """

    fire_time: datetime
    local: datetime
    note: str = ""


def to_millis(instant: datetime) -> int:
    """Whole milliseconds since 1970, as state and API have them."""
    return (instant.astimezone(UTC) - _EPOCH) // _MILLISECOND


def from_millis(millis: int) -> datetime:
    """The instant that `to_millis` was given."""
    return _EPOCH + millis * _MILLISECOND


def decide_time(trigger: Trigger, state: State | None, now: datetime) -> Decision:
    """What the ticks of a schedule or a periodic trigger come to that are due by now.

    It is called when `wait_until` has come, when the keeper of the state starts, and when the
    trigger is changed, paused or resumed: ticks between a pause and its end are `PAUSED` only if
    both were told. What a trigger with another rule left behind counts for nothing, so a new rule
    never fires for the past. A clock that goes back repeats no tick.

    Args:
        trigger: One with `Schedule` or `Periodic`.
        state: What the last decision said; None for a trigger that has never been looked at.
        now: The time.
    """
    rule = _timed(trigger)
    if not state or state.get("rule") != rule.identity:
        state = {"rule": rule.identity, "position": to_millis(now), "anchor": to_millis(now)}
        return _waiting(trigger, {**state, "paused": trigger.paused}, now)
    due = _Due(rule, state, now)
    if trigger.paused or state["paused"]:
        ticks = due.told(TickOutcome.PAUSED, "The trigger was paused.")
    elif trigger.missed_runs is MissedRuns.RUN_ALL:
        return _run_all(trigger, state, due, now)
    else:
        ticks = _run_latest(trigger, due, now)
    position = max(due.start, now)
    kept = {**state, "position": to_millis(position), "paused": trigger.paused}
    return _waiting(trigger, kept, now, ticks)


def upcoming(
    trigger: Trigger, now: datetime, count: int, state: State | None = None
) -> tuple[Upcoming, ...]:
    """The next ticks of a schedule or periodic trigger, as if it were not paused.

    Args:
        trigger: Another kind has none that could be foretold.
        now: Later ticks than this are given.
        count: How many at most.
        state: That of the trigger, which knows since when a periodic one counts.
    """
    rule = trigger.rule
    if not isinstance(rule, Schedule | Periodic):
        return ()
    if not state or state.get("rule") != rule.identity:
        state = {"anchor": to_millis(now)}
    zone = rule.zone if isinstance(rule, Schedule) else UTC
    found: list[Upcoming] = []
    tick = _tick_after(rule, state, now)
    while tick is not None and len(found) < count:
        local = tick.instant.astimezone(zone)
        found.append(Upcoming(tick.instant, local, _note(tick, local)))
        tick = _tick_after(rule, state, tick.instant)
    return tuple(found)


def _note(tick: WallTick, local: datetime) -> str:
    wall = f"{tick.wall:%H:%M:%S}"
    match tick.change:
        case ClockChange.LEFT_OUT:
            return f"Clocks are put forward past {wall} that day; it fires at {local:%H:%M:%S}."
        case ClockChange.FIRST_OF_TWO:
            return f"Clocks show {wall} twice that day; this is the first time."
        case ClockChange.SECOND_OF_TWO:
            return f"Clocks show {wall} twice that day; this is the second time."
    return ""


def _timed(trigger: Trigger) -> Schedule | Periodic:
    if not isinstance(trigger.rule, Schedule | Periodic):
        raise TypeError(f"{trigger.path} has no ticks of its own")
    return trigger.rule


def _tick_after(rule: Schedule | Periodic, state: State, instant: datetime) -> WallTick | None:
    if isinstance(rule, Schedule):
        return rule.quartz.tick_after(instant, rule.zone)
    # Whole seconds, so that ticks of an interval read well.
    anchor = from_millis(state["anchor"]).replace(microsecond=0)
    passed = max((instant - anchor) // rule.interval, 0)
    tick = anchor + (passed + 1) * rule.interval
    return WallTick(tick, tick.replace(tzinfo=None))


class _Due:
    """The ticks later than the position of a trigger, up to now."""

    def __init__(self, rule: Schedule | Periodic, state: State, now: datetime) -> None:
        self._rule = rule
        self._state = state
        self.start = from_millis(state["position"])
        self._end = now

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Ticks after `start` that are not after `end`."""
        tick = _tick_after(self._rule, self._state, start)
        while tick is not None and tick.instant <= end:
            yield tick.instant
            tick = _tick_after(self._rule, self._state, tick.instant)

    def all(self) -> Iterator[datetime]:
        """Every one of them, from the first."""
        return self.between(self.start, self._end)

    def latest(self) -> datetime | None:
        """The last of them, found from the end, for there may be a year of them."""
        width = timedelta(minutes=1)
        while True:
            start = max(self.start, self._end - width)
            ticks = [*self.between(start, self._end)]
            if ticks or start == self.start:
                return ticks[-1] if ticks else None
            width *= 4

    def told(
        self, outcome: TickOutcome, reason: str, before: datetime | None = None
    ) -> tuple[Tick, ...]:
        """Those earlier than `before` with one outcome: the first singly, the rest in one."""
        ticks: list[Tick] = []
        count = 0
        for tick in self.all():
            if before is not None and tick >= before:
                break
            if len(ticks) <= AT_ONCE:
                ticks.append(Tick(tick, outcome, reason))
            else:
                count += 1
            if count == _COUNTED:
                reason = f"{reason} So were those after it, {count} or more."
                break
        if count:
            ticks[-1] = Tick(ticks[-1].fire_time, outcome, reason, count + 1)
        return tuple(ticks)


def _run_latest(trigger: Trigger, due: _Due, now: datetime) -> tuple[Tick, ...]:
    """`run_once` and `skip`: at most the last of the ticks that are due is run."""
    latest = due.latest()
    if latest is None:
        return ()
    policy = trigger.missed_runs
    earlier = due.told(
        TickOutcome.MISSED,
        f"A later tick was due when it was looked at, and missed_runs is {policy}.",
        before=latest,
    )
    late = now - latest
    if late <= ON_TIME:
        return (*earlier, Tick(latest, TickOutcome.FIRED, "It was due."))
    if policy is MissedRuns.SKIP:
        reason = f"It was looked at {_span(late)} late, and missed_runs is skip."
        return (*earlier, Tick(latest, TickOutcome.MISSED, reason))
    if late > _oldest(trigger):
        return (*earlier, Tick(latest, TickOutcome.MISSED, _too_old(trigger)))
    reason = f"It was looked at {_span(late)} late, and missed_runs is run_once."
    return (*earlier, Tick(latest, TickOutcome.FIRED, reason))


def _run_all(trigger: Trigger, state: State, due: _Due, now: datetime) -> Decision:
    """Starts what is due from the oldest on, so many at a time that no look takes long."""
    ticks: list[Tick] = []
    position = now
    oldest = _oldest(trigger)
    if oldest < timedelta.max:
        ticks += due.told(TickOutcome.MISSED, _too_old(trigger), before=now - oldest)
        due.start = max(due.start, now - oldest - timedelta(microseconds=1))
    for count, tick in enumerate(due.all()):
        if count == AT_ONCE:
            position = ticks[-1].fire_time
            break
        late = now - tick
        reason = f"It was looked at {_span(late)} late, and missed_runs is run_all."
        ticks.append(Tick(tick, TickOutcome.FIRED, "It was due." if late <= ON_TIME else reason))
    kept = {**state, "position": to_millis(max(position, from_millis(state["position"])))}
    decision = _waiting(trigger, kept, now, tuple(ticks))
    if position < now:
        return Decision(kept, decision.ticks, now, "More ticks are due and start next.")
    return decision


def _oldest(trigger: Trigger) -> timedelta:
    """How old a tick may be that still runs; what is on time always does."""
    if trigger.max_missed_age_seconds == 0:
        return timedelta.max
    return max(timedelta(seconds=trigger.max_missed_age_seconds), ON_TIME)


def _too_old(trigger: Trigger) -> str:
    return f"It was older than max_missed_age_seconds ({trigger.max_missed_age_seconds})."


def _waiting(
    trigger: Trigger, state: State, now: datetime, ticks: tuple[Tick, ...] = ()
) -> Decision:
    if trigger.paused:
        return Decision(state, ticks, None, "The trigger is paused.")
    position = from_millis(state["position"])
    tick = _tick_after(_timed(trigger), state, position)
    if tick is None:
        return Decision(state, ticks, None, "The schedule has no further tick.")
    reason = f"The next tick is {tick.instant:%Y-%m-%d %H:%M:%S} UTC."
    if position > now + ON_TIME:
        reason += " The clock has gone back; what it shows now has been decided before."
    return Decision(state, ticks, tick.instant, reason)


def _span(time: timedelta) -> str:
    """A time as people say it: `3 hours`."""
    seconds = int(time.total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} seconds"
