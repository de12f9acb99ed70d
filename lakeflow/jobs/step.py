"""What a run does next: a pure function from its state to transitions.

The scheduler commits the transitions, and only then does what they say.
"""

from __future__ import annotations

from collections.abc import Iterator
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

    `begin` and `end` keep what a step looks at, so that a step of a large run is a small one.

    Args:
        run_id: Its id.
        units: Its tasks, by key; no more are added.
        stopping: What the run comes to because somebody or a timeout ends it.
        due: When the run has taken too long.
        warn_at: When it is told that the run takes long.
        prepared: Whether there is what its tasks need, so that they may begin.
    """

    run_id: int
    units: dict[str, UnitState]
    stopping: Result | None = None
    due: int | None = None
    warn_at: int | None = None
    prepared: bool = True
    _open: int = 0
    _awaited: dict[str, int] = field(default_factory=dict)
    _after: dict[str, list[str]] = field(default_factory=dict)
    _ready: dict[str, UnitState] = field(default_factory=dict)
    _live: dict[str, UnitState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, unit in self.units.items():
            done = unit.phase is Phase.DONE
            self._open += not done
            if unit.phase in (Phase.ACTIVE, Phase.RETRYING):
                self._live[key] = unit
            if unit.phase is not Phase.WAITING:
                continue
            before = {each.task for each in unit.task.depends_on}
            left = [each for each in before if self.units[each].phase is not Phase.DONE]
            self._awaited[key] = len(left)
            for each in left:
                self._after.setdefault(each, []).append(key)
            if not left:
                self._ready[key] = unit

    @property
    def is_over(self) -> bool:
        """Whether every task is done."""
        return not self._open

    def waiting(self) -> list[UnitState]:
        """Tasks whose predecessors have ended; all that wait if the run is to end."""
        if self.stopping is not None:
            return [self.units[key] for key in self._awaited]
        return list(self._ready.values()) if self.prepared else []

    def live(self) -> list[UnitState]:
        """Tasks that have begun and are not done."""
        return list(self._live.values())

    def next_due(self) -> int | None:
        """When there is something to do even if nothing happens; None if there is not."""
        found = [self.due, self.warn_at]
        for unit in self._live.values():
            iterations = () if unit.iterations is None else unit.iterations.active.values()
            for each in (unit, *iterations):
                found += [each.due, each.warn_at]
        return min((each for each in found if each is not None), default=None)

    def begin(self, unit: UnitState) -> None:
        """A task is no longer waiting."""
        if unit.iteration is None:
            self._awaited.pop(unit.key, None)
            self._ready.pop(unit.key, None)
            self._live[unit.key] = unit

    def end(self, unit: UnitState) -> None:
        """A task is done."""
        if unit.iteration is not None:
            return
        self._open -= 1
        self._awaited.pop(unit.key, None)
        self._ready.pop(unit.key, None)
        self._live.pop(unit.key, None)
        for key in self._after.pop(unit.key, ()):
            if key in self._awaited:
                self._awaited[key] -= 1
                if not self._awaited[key]:
                    self._ready[key] = self.units[key]


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
    if run.is_over:
        return [_finish(run)]
    found: list[Transition] = [_begin(run, unit) for unit in run.waiting()]
    for unit in run.live():
        found += _go_on(run, unit, now)
    return found


def _begin(run: RunState, unit: UnitState) -> Transition:
    if run.stopping is not None:
        return Settle(unit, Result.CANCELED, f"The run is {run.stopping}.")
    endings: dict[str, Ending] = {}
    for each in unit.task.depends_on:
        before = run.units[each.task]
        assert before.result is not None
        endings[each.task] = Ending(before.result, before.outcome)
    verdict = decide(unit.task, endings)
    if verdict.result is None:
        return Start(unit, verdict.reason)
    return Settle(unit, verdict.result, verdict.reason)


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
