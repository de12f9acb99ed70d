"""What a run does next: a pure function from its state to transitions.

The scheduler commits the transitions, and only then does what they say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from lakeflow.jobs.model import ForEach, Result, Task
from lakeflow.jobs.outcomes import Ending, decide, run_result


class Phase(Enum):
    """Where a task stands in a run."""

    WAITING = "waiting"
    ACTIVE = "active"
    RETRYING = "retrying"
    DONE = "done"


@dataclass(slots=True)
class UnitState:
    """A task of a run, or one iteration of it.

    Args:
        key: Of the task in its run.
        task: What is done.
        iteration: The number of the iteration; None for a task as a whole.
        phase: Where it stands.
        result: What it came to, once it is done.
        outcome: `true` or `false` of a condition that is done.
        attempt: Id of the newest attempt.
        failures: Attempts that failed and count against `max_retries`.
        due: When the next attempt may begin, or when the active one has taken too long.
        warn_at: When it is told that the active attempt takes long.
        stopping: Why the active attempt was told to end.
        iterations: Of a for-each that is active.
    """

    key: str
    task: Task
    iteration: int | None = None
    phase: Phase = Phase.WAITING
    result: Result | None = None
    outcome: str | None = None
    attempt: int | None = None
    failures: int = 0
    due: int | None = None
    stopping: Result | None = None
    iterations: Iterations | None = None
    warn_at: int | None = None


@dataclass(slots=True)
class Iterations:
    """The iterations of an active for-each.

    Args:
        pending: Numbers of those that were not begun, the next one last.
        active: Those that have begun and not ended, by number.
        succeeded: How many went well.
        failed: How many did not.
    """

    pending: list[int]
    active: dict[int, UnitState] = field(default_factory=dict)
    succeeded: int = 0
    failed: int = 0


@dataclass(slots=True)
class RunState:
    """A run that has not ended.

    Args:
        run_id: Its id.
        units: Its tasks, by key.
        stopping: What the run comes to because somebody or a timeout ends it.
        due: When the run has taken too long.
        warn_at: When it is told that the run takes long.
        ready: Whether there is what its tasks need, so that they may begin.
    """

    run_id: int
    units: dict[str, UnitState]
    stopping: Result | None = None
    due: int | None = None
    warn_at: int | None = None
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Warn:
    """A task, or the run if it is none, takes longer than its health rule says."""

    unit: UnitState | None


@dataclass(frozen=True, slots=True)
class Start:
    """A new attempt begins."""

    unit: UnitState
    reason: str


@dataclass(frozen=True, slots=True)
class Settle:
    """A task is done without a further attempt."""

    unit: UnitState
    result: Result
    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The active attempt is told to end, and comes to `result`."""

    unit: UnitState
    result: Result
    reason: str


@dataclass(frozen=True, slots=True)
class StopRun:
    """The run has taken too long."""

    result: Result
    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over."""

    result: Result
    reason: str


Transition = Warn | Start | Settle | Stop | StopRun | Finish


def step(run: RunState, now: int) -> list[Transition]:
    """What happens next to a run.

    The caller applies what is returned and asks again until nothing is.

    Args:
        run: Its state; not changed.
        now: Milliseconds since 1970.
    """
    if run.warn_at is not None and run.warn_at <= now:
        return [Warn(None)]
    if run.stopping is None and run.due is not None and run.due <= now:
        return [StopRun(Result.TIMEDOUT, "The run took longer than its timeout_seconds.")]
    if all(unit.phase is Phase.DONE for unit in run.units.values()):
        return [_finish(run)]
    found: list[Transition] = []
    endings: Mapping[str, Ending] = {
        key: Ending(unit.result, unit.outcome)
        for key, unit in run.units.items()
        if unit.result is not None
    }
    for unit in run.units.values():
        match unit.phase:
            case Phase.WAITING:
                found += _begin(run, unit, endings)
            case Phase.ACTIVE | Phase.RETRYING:
                found += _go_on(run, unit, now)
    return found


def _begin(run: RunState, unit: UnitState, endings: Mapping[str, Ending]) -> Iterator[Transition]:
    if run.stopping is not None:
        yield Settle(unit, Result.CANCELED, f"The run is {run.stopping}.")
    elif run.ready and all(each.task in endings for each in unit.task.depends_on):
        verdict = decide(unit.task, endings)
        if verdict.result is None:
            yield Start(unit, verdict.reason)
        else:
            yield Settle(unit, verdict.result, verdict.reason)


def _go_on(run: RunState, unit: UnitState, now: int) -> Iterator[Transition]:
    stopping = run.stopping or unit.stopping
    late = unit.due is not None and unit.due <= now
    if unit.phase is Phase.RETRYING:
        if stopping is not None:
            yield Settle(unit, Result.CANCELED, "It was to be tried again, but was stopped.")
        elif late:
            yield Start(unit, "The attempt before failed.")
        return
    if unit.warn_at is not None and unit.warn_at <= now:
        yield Warn(unit)
    if unit.stopping is None:
        if run.stopping is not None:
            yield Stop(unit, Result.CANCELED, f"The run is {run.stopping}.")
        elif late:
            yield Stop(unit, Result.TIMEDOUT, "It took longer than its timeout_seconds.")
    if unit.iterations is not None:
        yield from _iterate(unit.iterations, unit, stopping, run, now)


def _iterate(
    iterations: Iterations, unit: UnitState, stopping: Result | None, run: RunState, now: int
) -> Iterator[Transition]:
    for each in iterations.active.values():
        if each.phase is not Phase.DONE:
            if stopping is not None and each.stopping is None and each.phase is Phase.ACTIVE:
                yield Stop(each, Result.CANCELED, "The for-each is stopped.")
            elif stopping is not None and each.phase is Phase.RETRYING:
                yield Settle(each, Result.CANCELED, "The for-each is stopped.")
            else:
                yield from _go_on(run, each, now)
    if stopping is not None:
        if not iterations.active:
            yield Settle(unit, unit.stopping or Result.CANCELED, "It was stopped.")
    elif iterations.pending:
        action = unit.task.action
        assert isinstance(action, ForEach)
        free = action.concurrency - len(iterations.active)
        for number in iterations.pending[: -free - 1 : -1] if free > 0 else ():
            yield Start(UnitState(unit.key, action.task, number), f"It is iteration {number}.")
    elif not iterations.active:
        count = iterations.succeeded + iterations.failed
        if iterations.failed:
            said = f"{iterations.failed} of {count} iterations failed."
            yield Settle(unit, Result.FAILED, said)
        else:
            yield Settle(unit, Result.SUCCESS, f"All {count} iterations succeeded.")


def _finish(run: RunState) -> Finish:
    results = {key: unit.result for key, unit in run.units.items() if unit.result is not None}
    if run.stopping is not None:
        return Finish(run.stopping, f"The run is {run.stopping}.")
    result = run_result([unit.task for unit in run.units.values()], results)
    failed = [f"{key} is {found}" for key, found in results.items() if found.failed]
    return Finish(result, f"{', '.join(failed)}." if failed else "All tasks ended well.")


def next_attempt(unit: UnitState, result: Result, started: int) -> int | None:
    """When a task is tried again after an attempt that failed; None if it is not.

    Args:
        unit: The task; its `failures` count this one.
        result: What the attempt came to.
        started: When the attempt began, in milliseconds since 1970.
    """
    task = unit.task
    again = result is Result.FAILED or (result is Result.TIMEDOUT and task.retry_on_timeout)
    if not again or (0 <= task.max_retries < unit.failures):
        return None
    return started + task.min_retry_interval_millis
