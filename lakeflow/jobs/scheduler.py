"""The loop: takes what has happened, writes what follows in one transaction, then does it."""

from __future__ import annotations

import heapq
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from lakeflow.core.clock import Clock
from lakeflow.core.errors import ConfigurationError, LakeflowError, StorageError, TaskError
from lakeflow.core.failpoints import failpoint
from lakeflow.jobs import announce
from lakeflow.jobs.active import ActiveRun, Unit, restore, tasks_of
from lakeflow.jobs.advance import Advance
from lakeflow.jobs.assign import assignment, clusters_of
from lakeflow.jobs.begin import block_tasks, job_named, new_run, outcome_of_child
from lakeflow.jobs.broken import end_broken
from lakeflow.jobs.checkout import Checkout, Checkouts
from lakeflow.jobs.ends import about_run
from lakeflow.jobs.home import Home
from lakeflow.jobs.inbox import Asked, Ended, Inbox, Message, Started
from lakeflow.jobs.model import JsonValue, Result, Work
from lakeflow.jobs.rows import AttemptRow, JobEvent, JobRow, RepairRow, RunRow
from lakeflow.jobs.settings.notices import warning_at
from lakeflow.jobs.settings.parameters import for_child
from lakeflow.jobs.settings.reading import stored_job
from lakeflow.jobs.step import Phase
from lakeflow.jobs.store import Store
from lakeflow.jobs.turn import Turn
from lakeflow.jobs.watch import Watch
from lakeflow.jobs.work import Assignment, Outcome, Process, Runner

Answer = TypeVar("Answer")

_LOG = logging.getLogger(__name__)

SLOTS = 8
"""Attempts that run at the same time unless something else is said."""

LONGEST_WAIT = 3600.0
"""Seconds after which the loop looks again, whatever it waits for: no clock counts for ever."""

DEEPEST = 3
"""Runs of jobs within runs of jobs."""


class Scheduler:
    """Runs jobs: the one writer of `jobs.db`.

    Everything goes through `turn`, which one thread calls, `serve` or a test. Other threads put
    requests and reports into the inbox.

    Args:
        store: Where everything is kept.
        runner: Runs attempts.
        home: Where they leave their files.
        clock: What time it is.
        slots: Attempts that run at the same time.
        triggers: Whether triggers are looked at.
        listeners: Told of every event once it is durable.
        posted: Told that there is something to deliver, once that is durable.
    """

    def __init__(
        self,
        store: Store,
        runner: Runner,
        home: Home,
        clock: Clock,
        *,
        slots: int = SLOTS,
        triggers: bool = True,
        listeners: Sequence[Callable[[JobEvent], None]] = (),
        posted: Callable[[], None] = lambda: None,
    ) -> None:
        self.store = store
        self._runner = runner
        self._home = home
        self._clock = clock
        self._slots = slots
        self._listeners = list(listeners)
        self._posted = posted
        self._checkouts = Checkouts(home, self._checked_out)
        self._inbox = Inbox()
        self._taken: list[Message] = []
        self._advance = Advance(self)
        self._runs: dict[int, ActiveRun] = {}
        self._runs_of: dict[int, dict[int, ActiveRun]] = {}
        self._places: dict[int, tuple[ActiveRun, Unit]] = {}
        self._children: dict[int, ActiveRun] = {}
        self._waiting: deque[int] = deque()
        self._handed: set[int] = set()
        self._dirty: set[int] = set()
        self._due: list[tuple[int, int]] = []
        self._triggers = triggers
        self.watch = Watch(store, self._begin_by_trigger)

    # Called from any thread

    def ask(self, call: Callable[[Turn], Answer]) -> Future[Answer]:
        """Has something done within the next turn; the answer is there once it is durable."""
        answer: Future[Answer] = Future()
        self._inbox.put(Asked(call, answer))
        return answer

    def _started(self, attempt: int, epoch: int, process: Process | None) -> None:
        self._inbox.put(Started(attempt, epoch, process))

    def _ended(self, attempt: int, epoch: int, outcome: Outcome) -> None:
        self._inbox.put(Ended(attempt, epoch, outcome))

    def close(self) -> None:
        """Has `serve` return, and ends what it has begun besides attempts."""
        self._checkouts.close()
        self._inbox.close()

    def give_up(self, error: BaseException) -> None:
        """Tells everybody who waits for an answer that none will come."""
        self._inbox.give_up(error, self._taken)

    # Called from the thread of the loop

    def serve(self) -> None:
        """Runs turns until the scheduler is closed."""
        while not self._inbox.closed:
            due = self.turn()
            wait = None if due is None else min(max(due - self._now(), 0) / 1000, LONGEST_WAIT)
            self._inbox.wait(wait)
        self.give_up(LakeflowError("The server is closing."))

    def turn(self) -> int | None:
        """Takes in what has happened and does what follows.

        Returns:
            When there is something to do next even if nothing happens, in milliseconds since
            1970.
        """
        self._taken = self._inbox.take()
        turn = Turn(self.store, self._now())
        while self._due and self._due[0][0] <= turn.now:
            self._dirty.add(heapq.heappop(self._due)[1])
        ticking = self.watch.due() if self._triggers else None
        if self._taken or self._dirty or (ticking is not None and ticking <= turn.now):
            with self.store.transaction():
                for message in self._taken:
                    self._take(turn, message)
                for job_id in turn.changed_jobs:
                    self.watch.job_changed(turn, job_id)
                if ticking is not None:
                    self.watch.look(turn)
                self._settle(turn)
                failpoint("jobs.turn.written")
            if turn.told:
                self.store.make_durable()
            self._act(turn)
        due = [self.watch.due() if self._triggers else None, self._due[0][0] if self._due else None]
        return min((each for each in due if each is not None), default=None)

    def recover(self) -> None:
        """Takes up what an earlier server left; called before the first turn."""
        turn = Turn(self.store, self._now())
        broken: list[tuple[RunRow, Exception]] = []
        for row in self.store.select(RunRow, "state != 'TERMINATED' ORDER BY run_id"):
            try:
                self._hold(self._restored(row))
            except Exception as error:
                broken.append((row, error))
        working = [
            (run, attempt)
            for run in self._runs.values()
            for attempt in run.attempts.values()
            if (unit := run.unit(attempt)) is not None
            and unit.phase is Phase.ACTIVE
            and isinstance(unit.task.action, Work)
        ]
        self._runner.sweep(
            {
                attempt.attempt: Process(attempt.pid, attempt.pid_started or 0.0)
                for _, attempt in working
                if attempt.pid is not None
            }
        )
        failpoint("jobs.recover.swept")
        with self.store.transaction():
            for run in self._runs.values():
                if run.row.state == "RUNNING" and not run.state.prepared:
                    turn.effects.append(partial(self._checkouts.begin, run.row))
            for row, failure in broken:
                self._give_up_run(turn, row, failure)
            for run, attempt in working:
                self._advance.lost(turn, run, attempt)
            for job_id in self._runs_of:
                self._admit(turn, job_id)
            self._dirty.update(self._runs)
            self._settle(turn)
        if turn.told:
            self.store.make_durable()
        self._act(turn)

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _act(self, turn: Turn) -> None:
        failpoint("jobs.turn.committed")
        for effect in turn.effects:
            effect()
        if turn.posted:
            self._posted()
        for event in turn.events:
            for listener in self._listeners:
                listener(event)

    def _take(self, turn: Turn, message: Message) -> None:
        if isinstance(message, Asked):
            self._answer(turn, message)
            return
        if isinstance(message, Ended):
            failpoint("jobs.result.received")
            self._handed.discard(message.attempt)
        run, unit = self._places.get(message.attempt, (None, ("", None)))
        attempt = None if run is None else run.attempts.get(unit)
        if run is None or attempt is None:
            return
        if (attempt.attempt, attempt.epoch) != (message.attempt, message.epoch):
            return
        if isinstance(message, Ended):
            del self._places[message.attempt]
            self._end(turn, run, attempt, message.outcome)
        else:
            process = message.process
            pair = None if process is None else (process.pid, process.started)
            self._advance.started(turn, run, attempt, pair)
        self._dirty.add(run.row.run_id)

    def _end(self, turn: Turn, run: ActiveRun, attempt: AttemptRow, outcome: Outcome) -> None:
        """Takes in how an attempt has ended; what cannot be kept of it must not end the loop."""
        try:
            with turn.part():
                self._advance.ended(turn, run, attempt, outcome)
        except Exception as error:
            _LOG.exception("The outcome of attempt %d could not be kept.", attempt.attempt)
            said = f"What it came to could not be kept: {type(error).__name__}."
            broken = Outcome(Result.FAILED, "INTERNAL_ERROR", said)
            self._advance.ended(turn, run, attempt, broken)

    def _answer(self, turn: Turn, request: Asked) -> None:
        before = set(self._runs)
        try:
            with turn.part():
                answer = request.call(turn)
        except Exception as error:
            for run_id in self._runs.keys() - before:
                self._forget(self._runs[run_id])
            failure = error
            turn.effects.append(lambda: request.answer.set_exception(failure))
        else:
            turn.effects.append(lambda: request.answer.set_result(answer))

    def _settle(self, turn: Turn) -> None:
        while self._dirty:
            run = self._runs.get(self._dirty.pop())
            if run is None or run.row.state == "QUEUED":
                continue
            try:
                with turn.part():
                    self._advance.until_quiet(turn, run)
            except StorageError:
                raise
            except Exception as error:
                self._give_up_run(turn, run.row, error)
            if run.row.run_id in self._runs and run.row.state != "TERMINATED":
                due = run.state.next_due()
                if due is not None and (due, run.row.run_id) not in self._due[:1]:
                    heapq.heappush(self._due, (due, run.row.run_id))
        self._hand_out(turn)

    def _give_up_run(self, turn: Turn, row: RunRow, error: Exception) -> None:
        ended, attempts = end_broken(turn, row, error)
        for attempt in self._handed.intersection(attempts):
            turn.effects.append(partial(self._runner.stop, attempt))
        if (run := self._runs.get(row.run_id)) is not None:
            run.row = ended
            self.finished(turn, run)

    def _hand_out(self, turn: Turn) -> None:
        while self._waiting and len(self._handed) < self._slots:
            number = self._waiting.popleft()
            run, unit = self._places.get(number, (None, ("", None)))
            if run is None or (attempt := run.attempts[unit]).state != "PENDING":
                continue
            self._handed.add(number)
            given = assignment(self._home, run, attempt)
            turn.effects.append(partial(self._start, given))

    def _start(self, given: Assignment) -> None:
        failpoint("jobs.attempt.handed")
        self._runner.start(given, self._started, self._ended)

    def begin(self, turn: Turn, row: RunRow) -> RunRow:
        """Accepts a run.

        Args:
            turn: The transaction.
            row: The run, not yet begun.

        Returns:
            The run as it stands: running, waiting for others of its job, or skipped.
        """
        job = stored_job(row.settings)
        turn.store.insert(row)
        turn.tell("run.accepted", f"{row.name} was accepted.", job_id=row.job_id, run_id=row.run_id)
        block_tasks(turn, row, tasks_of(job, row.only))
        run = self.take_up(turn, row)
        if run.row.state == "QUEUED" and not job.queued:
            self._skip(turn, run)
        return run.row

    def _begin_by_trigger(
        self, turn: Turn, job: JobRow, trigger: str, info: Mapping[str, JsonValue]
    ) -> int:
        return self.begin(turn, new_run(turn, job, trigger=trigger, trigger_info=info)).run_id

    def take_up(self, turn: Turn, row: RunRow) -> ActiveRun:
        """Goes on with a run that waits; it begins if its job has room for it."""
        run = self._restored(row)
        self._hold(run)
        self._admit(turn, row.job_id)
        return run

    def _restored(self, row: RunRow) -> ActiveRun:
        attempts = self.store.select(AttemptRow, "run_id = ? ORDER BY attempt", (row.run_id,))
        return restore(row, stored_job(row.settings), attempts)

    def _hold(self, run: ActiveRun) -> None:
        self._runs[run.row.run_id] = run
        self._runs_of.setdefault(run.row.job_id, {})[run.row.run_id] = run
        for unit, attempt in run.attempts.items():
            if attempt.state in ("PENDING", "RUNNING", "TERMINATING"):
                self._places[attempt.attempt] = (run, unit)
        if run.row.parent is not None:
            self._children[run.row.parent] = run

    def _admit(self, turn: Turn, job_id: int) -> None:
        """Lets the runs of a job begin that may."""
        runs = self._runs_of.get(job_id, {})
        active = sum(run.row.state != "QUEUED" for run in runs.values())
        for _, run in sorted(runs.items()):
            if run.row.state == "QUEUED" and active < run.job.max_concurrent_runs:
                active += 1
                turn.change_run(run, state="RUNNING", started=turn.now)
                if run.job.timeout_seconds:
                    run.state.due = turn.now + run.job.timeout_seconds * 1000
                run.state.warn_at = warning_at(run.job.settings, turn.now)
                said = f"{run.row.name} begins."
                turn.tell("run.started", said, job_id=job_id, run_id=run.row.run_id)
                announce.run_started(turn, run)
                if not run.state.prepared:
                    turn.effects.append(partial(self._checkouts.begin, run.row))
                self._dirty.add(run.row.run_id)

    def _checked_out(self, row: RunRow, found: Checkout | TaskError) -> None:
        def take(turn: Turn) -> None:
            run = self._runs.get(row.run_id)
            if run is not None and run.row.repairs == row.repairs and not run.state.prepared:
                self._advance.checked_out(turn, run, found)
                self._dirty.add(row.run_id)

        self.ask(take)

    def _skip(self, turn: Turn, run: ActiveRun) -> None:
        limit = run.job.max_concurrent_runs
        message = f"{limit} runs of this job are active, and its queue is off."
        turn.change_run(
            run,
            state="TERMINATED",
            result=Result.MAXIMUM_CONCURRENT_RUNS_REACHED,
            code="MAX_CONCURRENT_RUNS_EXCEEDED",
            message=message,
            ended=turn.now,
        )
        turn.tell(
            "run.skipped",
            message,
            job_id=run.row.job_id,
            run_id=run.row.run_id,
            details=about_run(turn.store, run.row),
        )
        announce.run_ended(turn, run)
        self.finished(turn, run)

    # What runs need done

    def enqueue(self, run: ActiveRun, attempt: AttemptRow) -> None:
        """Has an attempt run as soon as there is room."""
        self._places[attempt.attempt] = (run, (attempt.task_key, attempt.iteration))
        self._waiting.append(attempt.attempt)

    def stop(self, turn: Turn, attempt: AttemptRow) -> bool:
        """Has an attempt end; False if nothing runs that could."""
        child = self._children.get(attempt.attempt)
        if child is not None:
            self.cancel(turn, child, "The task that runs this job was stopped.")
            return True
        if attempt.attempt not in self._handed:
            return False
        turn.effects.append(lambda: self._runner.stop(attempt.attempt))
        return True

    def cancel(self, turn: Turn, run: ActiveRun, reason: str) -> None:
        """Has a run end."""
        if run.state.stopping is None:
            self._advance.stop_run(turn, run, Result.CANCELED, reason)
            self._dirty.add(run.row.run_id)

    def cancel_task(self, turn: Turn, attempt: AttemptRow, reason: str) -> None:
        """Has one task of a run end; nothing happens if it has ended."""
        run = self._runs.get(attempt.run_id)
        unit = None if run is None else run.unit(attempt)
        if run is not None and unit is not None:
            self._advance.cancel(turn, run, unit, reason)
            self._dirty.add(run.row.run_id)

    def limit_time(self, turn: Turn, job_id: int, seconds: int) -> None:
        """Gives the runs of a job that have begun another `timeout_seconds`."""
        for run in self._runs.values():
            if run.row.job_id != job_id or run.job.timeout_seconds == seconds:
                continue
            turn.change_run(run, settings={**run.row.settings, "timeout_seconds": seconds})
            run.job = stored_job(run.row.settings)
            begun = run.row.started
            run.state.due = begun + seconds * 1000 if seconds and begun is not None else None
            self._dirty.add(run.row.run_id)

    def active(self, run_id: int) -> ActiveRun | None:
        """A run that has not ended."""
        return self._runs.get(run_id)

    def begin_child(self, turn: Turn, run: ActiveRun, attempt: AttemptRow) -> None:
        """Begins the run that a task waits for."""
        depth, above, jobs = 1, run.row, {run.row.job_id}
        while above.parent is not None and above.parent in self._places:
            depth, above = depth + 1, self._places[above.parent][0].row
            jobs.add(above.job_id)
        found = job_named(turn, str(attempt.settings["job_id"]))
        if found.job_id in jobs:
            raise ConfigurationError(f"Job {found.job_id} would run within a run of its own.")
        if depth >= DEEPEST:
            raise ConfigurationError(
                f"{run.row.name} would be the {depth}th run within a run of a job.",
                hint=f"Jobs may run jobs {DEEPEST} levels deep.",
            )
        self._places[attempt.attempt] = (run, (attempt.task_key, attempt.iteration))
        self.begin(
            turn,
            new_run(
                turn,
                found,
                trigger="RUN_JOB_TASK",
                trigger_info={"run_id": run.row.run_id},
                parameters=for_child(
                    stored_job(found.settings).parameters, attempt.settings, run.row.parameters
                ),
                parent=attempt.attempt,
            ),
        )

    def _forget(self, run: ActiveRun) -> None:
        del self._runs[run.row.run_id]
        mine = self._runs_of[run.row.job_id]
        del mine[run.row.run_id]
        if not mine:
            del self._runs_of[run.row.job_id]
        for attempt in run.attempts.values():
            self._places.pop(attempt.attempt, None)
        if run.row.parent is not None:
            self._children.pop(run.row.parent, None)

    def finished(self, turn: Turn, run: ActiveRun) -> None:
        """Told that a run is over."""
        row = run.row
        self._forget(run)
        for cluster in clusters_of(row):
            turn.effects.append(partial(self._runner.end_cluster, cluster))
        for repair in turn.store.select(RepairRow, "run_id = ? AND ended IS NULL", (row.run_id,)):
            turn.store.update(RepairRow, repair.repair_id, ended=turn.now, result=row.result)
        self._admit(turn, row.job_id)
        self.watch.run_ended(turn, row)
        if row.parent is None:
            return
        parent, unit = self._places.pop(row.parent, (None, ("", None)))
        if parent is not None:
            self._advance.ended(turn, parent, parent.attempts[unit], outcome_of_child(row))
            self._dirty.add(parent.row.run_id)
