"""Triggers that wait for something: files, versions of tables, the end of the last run.

As in `ticks`, each decision is a function of the trigger, its state and what is seen now. What
arrives while a trigger is paused is not lost: it fires when the trigger is resumed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.timing.ticks import Decision, State, Tick, TickOutcome, from_millis, to_millis
from lakeflow.jobs.timing.triggers import (
    ConditionMode,
    Continuous,
    FileArrival,
    SqlCondition,
    TableCondition,
    TableUpdate,
    Timers,
    Trigger,
)

PAUSE_BETWEEN_RUNS = timedelta(seconds=5)
"""Between two runs of a continuous job, if all is well."""

PAUSE_AFTER_UNMET = timedelta(seconds=60)
"""After which a continuous job's condition is asked again."""

FAILURES_BEFORE_BACKOFF = 3
"""Failures in a row from which on a continuous job waits longer and longer."""

FIRST_BACKOFF = timedelta(seconds=30)
"""The first of these waits; each is twice the one before."""

LONGEST_BACKOFF = timedelta(hours=1)
"""The longest of these waits."""

LONG_SURVIVAL = timedelta(minutes=30)
"""A run that fails only after this long is the first failure of a new row."""

_SHOWN = 3
_TIMES = ("last_change_ms", "last_fire_ms")


@dataclass(frozen=True, slots=True)
class TableVersion:
    """The newest version of a table.

    Args:
        version: Its number.
        committed: When it was written, if that is known.
    """

    version: int
    committed: datetime | None = None


def decide_files(
    trigger: Trigger,
    state: State | None,
    now: datetime,
    listing: Mapping[str, str],
    seen: Container[str],
) -> Decision:
    """What the files in a folder come to.

    At the first look nothing fires: all files are `seen`. From then on those fire that are not,
    all in one tick, whose details name them. A file that is overwritten does not fire again; one
    that still grows before it has fired is a change, after which the trigger waits anew.

    Args:
        trigger: One with `FileArrival`.
        state: What the last decision said; None for a trigger that has never been looked at.
        now: The time.
        listing: Complete names of all files that are there, and of each something that changes
            with it, such as size and time. A folder that cannot be listed is not looked at.
        seen: Names in `Decision.seen` of the decisions so far.
    """
    rule = trigger.rule
    if not isinstance(rule, FileArrival):
        raise TypeError(f"{trigger.path} does not wait for files")
    if not state or state.get("rule") != rule.identity:
        fresh = {"rule": rule.identity}
        return Decision(fresh, reason="It waits for a new file.", seen=tuple(sorted(listing)))
    files = sorted(name for name in listing if name not in seen)
    mark = _digest([[name, listing[name]] for name in files]) if files else None
    decision = _event(trigger, rule.timers, state, now, mark, _several(files, "file"))
    if not decision.ticks:
        return decision
    tick = replace(decision.ticks[0], details={"location": rule.url, "files": files})
    return replace(decision, ticks=(tick,), seen=tuple(files))


def decide_tables(
    trigger: Trigger, state: State | None, now: datetime, versions: Mapping[str, TableVersion]
) -> Decision:
    """What the versions of tables come to; the tick's details name those that were updated.

    At the first look nothing fires. A table that appears later is updated. One that cannot be
    read now, and is therefore left out of `versions`, is as it was.

    Args:
        trigger: One with `TableUpdate`.
        state: What the last decision said; None for a trigger that has never been looked at.
        now: The time.
        versions: Newest versions by the names in the trigger.
    """
    rule = trigger.rule
    if not isinstance(rule, TableUpdate):
        raise TypeError(f"{trigger.path} does not wait for tables")
    current = {name: versions[name].version for name in rule.tables if name in versions}
    if not state or state.get("rule") != rule.identity:
        fresh = {"rule": rule.identity, "fired": current}
        return Decision(fresh, reason="It waits for an update of a table.")
    fired: Mapping[str, int] = state["fired"]
    updated = [name for name, version in current.items() if version != fired.get(name)]
    enough = len(updated) == len(rule.tables) or (
        updated and rule.condition is TableCondition.ANY_UPDATED
    )
    mark = _digest([[name, current[name]] for name in updated]) if updated else None
    decision = _event(
        trigger, rule.timers, state, now, mark, _several(updated, "table"), complete=bool(enough)
    )
    if not decision.ticks:
        return decision
    details = {
        "updated_tables": updated,
        "versions": {name: current[name] for name in updated},
        "commit_timestamps_ms": {
            name: to_millis(committed)
            for name in updated
            if (committed := versions[name].committed) is not None
        },
    }
    tick = replace(decision.ticks[0], details=details)
    return replace(decision, ticks=(tick,), state={**decision.state, "fired": {**fired, **current}})


def _event(
    trigger: Trigger,
    timers: Timers,
    state: State,
    now: datetime,
    mark: str | None,
    what: str,
    *,
    complete: bool = True,
) -> Decision:
    """Whether something that has happened fires now.

    Args:
        trigger: Whose decision it is.
        timers: What it waits for.
        state: That of the trigger.
        now: The time.
        mark: Changes with what has happened since the last tick; None if nothing has.
        what: The same, for people.
        complete: Whether it is enough.
    """
    kept = dict(state)
    for name in _TIMES:  # a clock that was put back must not hold the trigger for long
        if name in kept:
            kept[name] = min(kept[name], to_millis(now))
    if mark is None:
        kept.pop("mark", None)
        return Decision(kept, reason="Nothing new.")
    if mark != kept.get("mark"):
        kept["mark"] = mark
        kept["last_change_ms"] = to_millis(now)
    if trigger.paused:
        return Decision(kept, reason=f"The trigger is paused; {what} will fire later.")
    if not complete:
        return Decision(kept, reason=f"Of its tables only {what} got a new version so far.")
    if trigger.condition and mark == kept.get("turned_away"):
        return Decision(kept, reason=f"The condition turned {what} away; it waits for more.")
    ready = from_millis(kept["last_change_ms"]) + timers.since_last_change
    reason = f"It waits for quiet after {what}."
    if "last_fire_ms" in kept:
        again = from_millis(kept["last_fire_ms"]) + timers.since_last_tick
        if again > ready:
            ready, reason = again, f"It waits with {what}, for it has fired not long ago."
    # State has milliseconds, so that is what is compared.
    if to_millis(now) < to_millis(ready):
        return Decision(kept, wait_until=ready, reason=reason)
    tick = _tick_now(kept, now, f"New: {what}.")
    kept.pop("turned_away", None)
    return Decision({**kept, "last_fire_ms": to_millis(now)}, (tick,), reason="It fired.")


def _tick_now(kept: dict[str, JsonValue], now: datetime, reason: str) -> Tick:
    """A tick of this moment, later than all before it whatever the clock does."""
    kept["last_tick_ms"] = max(to_millis(now), kept.get("last_tick_ms", 0) + 1)
    return Tick(from_millis(kept["last_tick_ms"]), TickOutcome.FIRED, reason)


def _several(names: Sequence[str], noun: str) -> str:
    """`2 files (a.csv, b.csv)`, with the first few names."""
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'} ({shown})"


def _digest(value: JsonValue) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def decide_continuous(
    trigger: Trigger, state: State | None, now: datetime, *, active: bool
) -> Decision:
    """Whether a continuous job starts its next run.

    The state says `consecutive_failures` and `next_attempt_ms`; `after_run` keeps them.

    Args:
        trigger: One with `Continuous`.
        state: What the last decision or `after_run` said; None for a new trigger.
        now: The time.
        active: Whether a run of the job is queued or runs.
    """
    if not isinstance(trigger.rule, Continuous):
        raise TypeError(f"{trigger.path} is not continuous")
    if not state or state.get("rule") != trigger.rule.identity:
        state = {"rule": trigger.rule.identity, "consecutive_failures": 0, "next_attempt_ms": 0}
    if trigger.paused:
        # Whoever resumes it wants a run now.
        kept = {**state, "consecutive_failures": 0, "next_attempt_ms": 0}
        return Decision(kept, reason="The trigger is paused.")
    if active:
        return Decision(state, reason="A run is active.")
    failures = state["consecutive_failures"]
    wait = _pause_after(failures)
    # No wait is longer than it was meant to be, also if the clock was put back.
    attempt = min(from_millis(state["next_attempt_ms"]), now + max(wait, PAUSE_AFTER_UNMET))
    if to_millis(now) < to_millis(attempt):
        row = f", for {failures} runs in a row have failed" if failures > 1 else ""
        return Decision(
            {**state, "next_attempt_ms": to_millis(attempt)},
            wait_until=attempt,
            reason=f"The next run starts at {attempt:%Y-%m-%d %H:%M:%S} UTC{row}.",
        )
    kept = dict(state)
    tick = _tick_now(kept, now, "No run was active.")
    return Decision(kept, (tick,), reason="A run is active.")


def after_run(state: State, started: datetime, ended: datetime, *, failed: bool) -> State:
    """The state of a continuous trigger once a run of its job has ended."""
    failures = 0
    if failed:
        long = ended - started >= LONG_SURVIVAL
        failures = 1 if long else state["consecutive_failures"] + 1
    attempt = ended + _pause_after(failures)
    return {
        **state,
        "consecutive_failures": failures,
        "next_attempt_ms": to_millis(attempt),
    }


def restarted(state: State) -> State:
    """The state of a continuous trigger when somebody starts the job by hand: no more waiting."""
    return {**state, "consecutive_failures": 0, "next_attempt_ms": 0}


def is_backing_off(state: State, now: datetime) -> bool:
    """Whether a continuous trigger waits because runs have failed."""
    row: int = state["consecutive_failures"]
    attempt: int = state["next_attempt_ms"]
    return row >= FAILURES_BEFORE_BACKOFF and to_millis(now) < attempt


def _pause_after(failures: int) -> timedelta:
    doublings = failures - FAILURES_BEFORE_BACKOFF
    if doublings < 0:
        return PAUSE_BETWEEN_RUNS
    return min(FIRST_BACKOFF * (1 << min(doublings, 20)), LONGEST_BACKOFF)


def with_condition(
    condition: SqlCondition,
    before: State,
    decision: Decision,
    rows: Sequence[Sequence[JsonValue]],
) -> Decision:
    """A decision after the trigger's query was asked.

    The query is asked once for each decision that fires. If it turns the ticks away, a schedule
    goes on to its next tick. Files and versions of tables stay new: they fire with what comes
    after them, not before.

    Args:
        condition: The query's.
        before: The state before the decision.
        decision: One with a tick that is `FIRED`.
        rows: What the query answered, in values of JSON.
    """
    kept = {**before.get("condition", {}), "query": condition.query_id}
    if condition.mode is ConditionMode.QUERY_RETURNS_ROWS:
        met, reason = bool(rows), "The query of its sql_condition returned no row."
        outcome = TickOutcome.UNMET
    elif len(rows) != 1 or len(rows[0]) != 1:
        cells = sum(len(row) for row in rows)
        met, outcome = False, TickOutcome.FAILED
        reason = f"The query of its sql_condition must return one cell and returned {cells}."
    else:
        same = before.get("condition", {}).get("query") == condition.query_id
        met = not same or kept.get("value") != rows[0][0]
        outcome, reason = TickOutcome.UNMET, "The value of its sql_condition has not changed."
        kept["value"] = rows[0][0]
    return _answered(before, decision, {**kept, "satisfied": met}, None if met else outcome, reason)


def condition_failed(before: State, decision: Decision, why: str) -> Decision:
    """A decision whose query could not be asked, for a reason said in one sentence.

    A schedule goes on to its next tick; files and versions are asked about again at the next look.
    """
    kept = {**before.get("condition", {}), "satisfied": False}
    answered = _answered(before, decision, kept, TickOutcome.FAILED, why)
    state = {name: value for name, value in answered.state.items() if name != "turned_away"}
    return replace(answered, state=state)


def _answered(
    before: State,
    decision: Decision,
    condition: Mapping[str, JsonValue],
    outcome: TickOutcome | None,
    reason: str,
) -> Decision:
    state = {**decision.state, "condition": condition}
    if outcome is None:
        return replace(decision, state=state)
    ticks = tuple(
        replace(tick, outcome=outcome, reason=reason) if tick.outcome is TickOutcome.FIRED else tick
        for tick in decision.ticks
    )
    wait_until = decision.wait_until
    if "mark" in state:  # what has arrived stays new
        state["turned_away"] = state["mark"]
        for name in ("fired", "last_fire_ms"):
            state.pop(name, None)
            state.update({name: before[name]} if name in before else {})
    if "next_attempt_ms" in state:
        wait_until = ticks[-1].fire_time + PAUSE_AFTER_UNMET
        state["next_attempt_ms"] = to_millis(wait_until)
    return replace(
        decision, state=state, ticks=ticks, wait_until=wait_until, reason=reason, seen=()
    )
