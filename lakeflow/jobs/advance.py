"""Moves a run on: applies what `step` says, and what attempts have come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lakeflow.core.errors import LakeflowError, TaskError
from lakeflow.jobs import announce
from lakeflow.jobs.active import ActiveRun
from lakeflow.jobs.checkout import Checkout
from lakeflow.jobs.context import scope_of
from lakeflow.jobs.ends import about_attempt, about_run
from lakeflow.jobs.model import Condition, ForEach, JsonValue, Result, RunJob, Work
from lakeflow.jobs.rows import AttemptRow
from lakeflow.jobs.settings.conditions import evaluate, for_each_inputs
from lakeflow.jobs.settings.notices import warning_at
from lakeflow.jobs.settings.parameters import RunParameters, for_task
from lakeflow.jobs.settings.references import resolve
from lakeflow.jobs.step import (
    Finish,
    Iterations,
    Phase,
    Settle,
    Start,
    Stop,
    StopRun,
    UnitState,
    Warn,
    next_attempt,
    step,
)
from lakeflow.jobs.turn import Turn
from lakeflow.jobs.work import Outcome

SKIPPED = "SKIPPED"
"""Termination code of a task that came to its result without running."""


class Hands(Protocol):
    """What a run needs done."""

    def enqueue(self, run: ActiveRun, attempt: AttemptRow) -> None:
        """Has an attempt run as soon as there is room."""

    def stop(self, turn: Turn, attempt: AttemptRow) -> bool:
        """Has an attempt end; False if nothing runs that could."""

    def begin_child(self, turn: Turn, run: ActiveRun, attempt: AttemptRow) -> None:
        """Begins the run that a task waits for."""

    def finished(self, turn: Turn, run: ActiveRun) -> None:
        """Told that a run is over."""


@dataclass(slots=True)
class Advance:
    """Moves runs on, within a turn.

    Args:
        hands: Does what is to be done.
    """

    hands: Hands

    def until_quiet(self, turn: Turn, run: ActiveRun) -> None:
        """Applies what follows from the state of a run, and from that, until nothing does."""
        while run.row.state != "TERMINATED" and (transitions := step(run.state, turn.now)):
            for each in transitions:
                match each:
                    case Warn(unit):
                        self._warn(turn, run, unit)
                    case Start(unit, reason):
                        self._start(turn, run, unit, reason)
                    case Settle(unit, result, reason):
                        self._settle(turn, run, unit, result, reason)
                    case Stop(unit, result, reason):
                        self._stop(turn, run, unit, result, reason)
                    case StopRun(result, reason):
                        self.stop_run(turn, run, result, reason)
                    case Finish(result, reason):
                        self._finish(turn, run, result, reason)

    def _warn(self, turn: Turn, run: ActiveRun, unit: UnitState | None) -> None:
        said = "It takes longer than its health rule says."
        if unit is None:
            run.state.warn_at = None
            turn.change_run(run, warned=turn.now)
            turn.tell("run.slow", said, job_id=run.row.job_id, run_id=run.row.run_id)
            announce.run_slow(turn, run)
        else:
            unit.warn_at = None
            slow = turn.change_attempt(run, run.attempts[unit.key, unit.iteration], warned=turn.now)
            turn.tell_of(run, slow, "task.slow", said)
            announce.attempt_slow(turn, run, slow)

    def checked_out(self, turn: Turn, run: ActiveRun, found: Checkout | TaskError) -> None:
        """The repository of a run is there, or it cannot be had."""
        if isinstance(found, TaskError):
            self.stop_run(turn, run, Result.FAILED, str(found), found.code)
            return
        run.state.prepared = True
        turn.change_run(run, used_commit=found.commit, checkout=found.folder)
        said = f"Its tasks see the commit {found.commit}."
        turn.tell("run.checked_out", said, job_id=run.row.job_id, run_id=run.row.run_id)

    def stop_run(
        self, turn: Turn, run: ActiveRun, result: Result, reason: str, code: str = ""
    ) -> None:
        """Has a run end."""
        run.state.stopping = result
        turn.change_run(run, stopping=result, state="TERMINATING", message=reason, code=code)
        turn.tell("run.stopping", reason, job_id=run.row.job_id, run_id=run.row.run_id)

    def cancel(self, turn: Turn, run: ActiveRun, unit: UnitState, reason: str) -> None:
        """Has one task end, whether it has begun or not."""
        if unit.phase is Phase.ACTIVE and unit.stopping is None:
            self._stop(turn, run, unit, Result.CANCELED, reason)
        elif unit.phase in (Phase.WAITING, Phase.RETRYING):
            self._settle(turn, run, unit, Result.CANCELED, reason)

    def _finish(self, turn: Turn, run: ActiveRun, result: Result, reason: str) -> None:
        code = run.row.code or {
            Result.FAILED: "RUN_EXECUTION_ERROR",
            Result.TIMEDOUT: "CANCELED",
            Result.CANCELED: "USER_CANCELED",
        }.get(result, str(result))
        message = run.row.message if run.state.stopping is not None else reason
        turn.change_run(
            run, state="TERMINATED", result=result, code=code, message=message, ended=turn.now
        )
        turn.tell(
            "run.ended",
            f"{result}: {message}",
            job_id=run.row.job_id,
            run_id=run.row.run_id,
            details=about_run(turn.store, run.row),
        )
        announce.run_ended(turn, run)
        self.hands.finished(turn, run)

    def _start(self, turn: Turn, run: ActiveRun, unit: UnitState, reason: str) -> None:
        attempt = self._attempt(turn, run, unit, reason)
        unit.phase, unit.due, unit.attempt = Phase.ACTIVE, None, attempt.attempt
        run.state.begin(unit)
        run.made[attempt.task_key, attempt.iteration] += 1
        try:
            self._act(turn, run, unit, attempt)
        except LakeflowError as error:
            self.ended(
                turn,
                run,
                attempt,
                Outcome(Result.FAILED, "INVALID_RUN_CONFIGURATION", str(error)),
            )

    def _attempt(self, turn: Turn, run: ActiveRun, unit: UnitState, reason: str) -> AttemptRow:
        """The attempt that begins: the one that was waiting, or a new one of an iteration."""
        if unit.iteration is None or unit.phase is Phase.RETRYING:
            waiting = run.attempts[unit.key, unit.iteration]
            return turn.change_attempt(run, waiting, state="PENDING", reason=reason)
        parent = run.state.units[unit.key]
        assert parent.iterations is not None
        assert parent.iterations.pending[-1] == unit.iteration
        parent.iterations.active[parent.iterations.pending.pop()] = unit
        made = AttemptRow(
            turn.store.new_id(),
            run.row.run_id,
            unit.key,
            unit.iteration,
            0,
            run.row.repairs,
            "PENDING",
            turn.now,
            reason,
            parent=parent.attempt,
        )
        turn.store.insert(made)
        run.attempts[unit.key, unit.iteration] = made
        return made

    def _act(self, turn: Turn, run: ActiveRun, unit: UnitState, attempt: AttemptRow) -> None:
        scope = scope_of(run, attempt)
        match unit.task.action:
            case Work() as work:
                parameters = RunParameters(run.row.parameters, run.row.legacy)
                resolved = for_task(work, parameters, scope)
                attempt = turn.change_attempt(run, attempt, settings=resolved)
                self.hands.enqueue(run, attempt)
            case Condition(op, left, right):
                operands = resolve({"left": left, "right": right}, scope)
                attempt = turn.change_attempt(
                    run, attempt, settings={"op": op, **operands}, started=turn.now
                )
                met = evaluate(op, operands["left"], operands["right"])
                unit.outcome = "true" if met else "false"
                self._close(turn, run, unit, attempt, Outcome(Result.SUCCESS))
            case ForEach(inputs):
                self._begin_iterations(turn, run, unit, attempt, resolve(inputs, scope))
            case RunJob(settings):
                resolved = resolve(dict(settings), scope)
                attempt = turn.change_attempt(
                    run, attempt, settings=resolved, started=turn.now, state="RUNNING"
                )
                self._time(unit, turn.now)
                announce.attempt_started(turn, run, attempt)
                self.hands.begin_child(turn, run, attempt)

    def _begin_iterations(
        self, turn: Turn, run: ActiveRun, unit: UnitState, attempt: AttemptRow, given: JsonValue
    ) -> None:
        inputs = tuple(for_each_inputs(given))
        kept = _succeeded_before(turn, run, attempt, inputs)
        attempt = turn.change_attempt(
            run,
            attempt,
            state="RUNNING",
            started=turn.now,
            inputs=inputs,
            settings={"kept": kept} if kept else {},
        )
        self._time(unit, turn.now)
        rest = set(range(len(inputs))) - set(kept)
        unit.iterations = Iterations(sorted(rest, reverse=True), succeeded=len(kept))
        turn.tell_of(run, attempt, "task.started", f"It goes through {len(inputs)} inputs.")
        announce.attempt_started(turn, run, attempt)

    def _settle(
        self, turn: Turn, run: ActiveRun, unit: UnitState, result: Result, reason: str
    ) -> None:
        attempt = run.attempts[unit.key, unit.iteration]
        if unit.iterations is not None:
            failed = result is not Result.SUCCESS
            code = "RUN_EXECUTION_ERROR" if failed else "SUCCESS"
            outcome = Outcome(result, code, reason if failed else "")
        else:
            attempt = turn.change_attempt(run, attempt, reason=reason)
            code = "DISABLED" if result is Result.DISABLED else SKIPPED
            outcome = Outcome(result, code, reason)
        self._close(turn, run, unit, attempt, outcome)

    def _stop(
        self, turn: Turn, run: ActiveRun, unit: UnitState, result: Result, reason: str
    ) -> None:
        unit.stopping = result
        attempt = turn.change_attempt(
            run,
            run.attempts[unit.key, unit.iteration],
            stopping=result,
            state="TERMINATING",
            message=reason,
        )
        if unit.iterations is None and not self.hands.stop(turn, attempt):
            self._close(turn, run, unit, attempt, Outcome(result, "CANCELED", reason))

    def started(
        self, turn: Turn, run: ActiveRun, attempt: AttemptRow, process: tuple[int, float] | None
    ) -> None:
        """An attempt that was handed out has begun."""
        unit = run.unit(attempt)
        if unit is None or attempt.state != "PENDING":
            return
        pid, began = process or (None, None)
        turn.change_attempt(
            run, attempt, state="RUNNING", started=turn.now, pid=pid, pid_started=began
        )
        self._time(unit, turn.now)
        turn.tell_of(run, attempt, "task.started", attempt.reason)
        announce.attempt_started(turn, run, attempt)

    def ended(self, turn: Turn, run: ActiveRun, attempt: AttemptRow, outcome: Outcome) -> None:
        """An attempt has ended by itself or because it was told to."""
        unit = run.unit(attempt)
        if unit is None or unit.phase is not Phase.ACTIVE:
            return
        result = outcome.result
        if unit.stopping is not None and result is not Result.SUCCESS:
            result = unit.stopping
            code = "CANCELED" if result is Result.TIMEDOUT else "USER_CANCELED"
            outcome = Outcome(**{**_plain(outcome), "result": result, "code": code})
        if result.failed:
            unit.failures += attempt.counts
            again = next_attempt(unit, result, attempt.started or turn.now)
            if again is not None and outcome.code != "INVALID_RUN_CONFIGURATION":
                self._retry(turn, run, unit, attempt, outcome, max(again, turn.now))
                return
        self._close(turn, run, unit, attempt, outcome)

    def lost(self, turn: Turn, run: ActiveRun, attempt: AttemptRow) -> None:
        """An attempt ended with the server that had handed it out; it is made again."""
        unit = run.unit(attempt)
        assert unit is not None
        reason = "The server ended while it ran."
        outcome = Outcome(Result.FAILED, "DRIVER_ERROR", reason)
        if unit.stopping is not None or run.state.stopping is not None:
            self.ended(turn, run, attempt, outcome)
        elif attempt.state == "PENDING":
            self.hands.enqueue(run, turn.change_attempt(run, attempt, epoch=attempt.epoch + 1))
        else:
            attempt = turn.change_attempt(run, attempt, counts=False)
            self._retry(turn, run, unit, attempt, outcome, turn.now)

    def _retry(
        self,
        turn: Turn,
        run: ActiveRun,
        unit: UnitState,
        attempt: AttemptRow,
        outcome: Outcome,
        due: int,
    ) -> None:
        self._write_end(turn, run, attempt, outcome, last=False)
        following = AttemptRow(
            turn.store.new_id(),
            attempt.run_id,
            attempt.task_key,
            attempt.iteration,
            attempt.number + 1,
            attempt.repair,
            "WAITING_FOR_RETRY",
            turn.now,
            parent=attempt.parent,
            due=due,
        )
        turn.store.insert(following)
        run.attempts[attempt.task_key, attempt.iteration] = following
        unit.phase, unit.due, unit.stopping = Phase.RETRYING, due, None
        unit.warn_at = None
        unit.attempt = following.attempt

    def _close(
        self, turn: Turn, run: ActiveRun, unit: UnitState, attempt: AttemptRow, outcome: Outcome
    ) -> None:
        self._write_end(turn, run, attempt, outcome, unit.outcome)
        unit.phase, unit.result, unit.due, unit.iterations = Phase.DONE, outcome.result, None, None
        unit.warn_at = None
        run.state.end(unit)
        if unit.iteration is None:
            return
        parent = run.state.units[attempt.task_key].iterations
        assert parent is not None
        del parent.active[unit.iteration], run.attempts[attempt.task_key, unit.iteration]
        parent.succeeded += outcome.result is Result.SUCCESS
        parent.failed += outcome.result is not Result.SUCCESS

    def _write_end(
        self,
        turn: Turn,
        run: ActiveRun,
        attempt: AttemptRow,
        outcome: Outcome,
        branch: str | None = None,
        *,
        last: bool = True,
    ) -> None:
        ended = turn.change_attempt(
            run,
            attempt,
            state="TERMINATED",
            ended=turn.now,
            outcome=branch,
            **{name: value for name, value in _plain(outcome).items() if name != "pid"},
        )
        said = f": {outcome.message}" if outcome.message else "."
        turn.tell_of(run, ended, "task.ended", f"{outcome.result}{said}", about_attempt(ended))
        announce.attempt_ended(turn, run, ended, last=last)

    def _time(self, unit: UnitState, started: int) -> None:
        unit.warn_at = warning_at(unit.task.settings, started)
        if unit.task.timeout_seconds:
            unit.due = started + unit.task.timeout_seconds * 1000


def _plain(outcome: Outcome) -> Mapping[str, Any]:
    return {name: getattr(outcome, name) for name in Outcome.__slots__}


def _succeeded_before(
    turn: Turn, run: ActiveRun, attempt: AttemptRow, inputs: tuple[JsonValue, ...]
) -> list[int]:
    """Iterations that need not be repeated in a repair: those that went well on the same inputs."""
    before = turn.store.select(
        AttemptRow,
        "run_id = ? AND task_key = ? AND iteration IS NULL AND attempt < ? "
        "AND inputs IS NOT NULL ORDER BY attempt DESC LIMIT 1",
        (run.row.run_id, attempt.task_key, attempt.attempt),
    )
    if not before or before[0].inputs != inputs:
        return []
    done = turn.store.select(
        AttemptRow,
        "parent = ? AND result = 'SUCCESS'",
        (before[0].attempt,),
    )
    numbers = {each.iteration for each in done if each.iteration is not None}
    return sorted(numbers | set(before[0].settings.get("kept", ())))
