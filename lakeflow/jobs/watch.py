"""Looks at the triggers of all jobs, and begins the runs that they ask for.

The decisions are those of `ticks` and `event_triggers`. Here they meet the database: the state of a
trigger, its ticks and the runs that these begin are written in one transaction, and a tick that is
there already begins nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lakeflow.core.errors import LakeflowError
from lakeflow.core.failpoints import failpoint
from lakeflow.jobs.model import JsonValue, Result
from lakeflow.jobs.rows import JobRow, RunRow, TickRow, TriggerRow
from lakeflow.jobs.store import Store
from lakeflow.jobs.timing.event_triggers import (
    TableVersion,
    after_run,
    condition_failed,
    decide_continuous,
    decide_files,
    decide_tables,
    restarted,
    with_condition,
)
from lakeflow.jobs.timing.ticks import (
    Decision,
    Tick,
    TickOutcome,
    decide_time,
    from_millis,
    to_millis,
)
from lakeflow.jobs.timing.triggers import (
    Continuous,
    FileArrival,
    Periodic,
    Schedule,
    TableUpdate,
    Trigger,
    read_triggers,
)
from lakeflow.jobs.turn import Turn

Begin = Callable[[Turn, JobRow, str, Mapping[str, JsonValue]], int]
"""Begins a run of a job: what began it, and more of that; returns the run's id."""

POLL = 10_000
"""Milliseconds between two looks at files and tables."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody found who looked for a trigger outside.

    Args:
        files: Names and marks of the files that are there.
        tables: Newest versions by name.
        rows: What the query of its condition answered; None if it was not asked or failed.
        unanswered: Why the query failed, in one sentence.
        hidden: Whether files or tables could not be looked at.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, TableVersion] = field(default_factory=dict)
    rows: Sequence[Sequence[JsonValue]] | None = None
    unanswered: str = ""
    hidden: bool = False


@dataclass(slots=True)
class _Watched:
    job_id: int
    trigger: Trigger
    row: TriggerRow

    @property
    def outside(self) -> bool:
        """Whether somebody has to look at more than the time."""
        events = isinstance(self.trigger.rule, FileArrival | TableUpdate)
        return events or self.trigger.condition is not None


class Watch:
    """The triggers of all jobs.

    Args:
        store: Where their states are kept.
        begin: Begins runs.
    """

    def __init__(self, store: Store, begin: Begin) -> None:
        self._begin = begin
        self._watched: dict[str, _Watched] = {}
        self._of_job: defaultdict[int, dict[str, _Watched]] = defaultdict(dict)
        self._due: int | None = None
        self._due_is_known = False
        kept = {row.trigger_id: row for row in store.select(TriggerRow)}
        for job in store.select(JobRow):
            self._take(job, kept)

    def _take(self, job: JobRow, kept: Mapping[str, TriggerRow]) -> None:
        triggers, _ = read_triggers(job.settings, strict=False)
        for trigger in triggers:
            # By its rule, so that it stays the same when another is put before it.
            name = f"{job.job_id}/{trigger.rule.identity}"
            while name in self._watched:
                name += " again"
            row = kept.get(name) or TriggerRow(name, job.job_id, {}, None)
            self._watched[name] = self._of_job[job.job_id][name] = _Watched(
                job.job_id, trigger, row
            )

    def due(self) -> int | None:
        """When a trigger has to be looked at that waits for nothing but time."""
        if not self._due_is_known:
            self._due_is_known = True
            self._due = min(
                (
                    each.row.wait_until
                    for each in self._watched.values()
                    if each.row.wait_until is not None and not each.outside
                ),
                default=None,
            )
        return self._due

    def look(self, turn: Turn) -> None:
        """Looks at what is due and waits for nothing but time."""
        if (earliest := self.due()) is None or earliest > turn.now:
            return
        due = [
            each
            for each in self._watched.values()
            if not each.outside
            and each.row.wait_until is not None
            and each.row.wait_until <= turn.now
        ]
        for each in due:
            self._look(turn, each)
        failpoint("jobs.tick.written")

    def job_changed(self, turn: Turn, job_id: int) -> None:
        """Takes note of a job that was created, changed or removed."""
        kept = {name: each.row for name, each in self._of_job.pop(job_id, {}).items()}
        for name in kept:
            del self._watched[name]
        job = turn.store.find(JobRow, job_id)
        if job is not None:
            self._take(job, kept)
        self._due_is_known = False
        mine = self._of_job.get(job_id, {})
        for name in kept.keys() - mine.keys():
            turn.store.delete(TriggerRow, "trigger_id = ?", (name,))
            turn.store.forget_files(name)
        for each in mine.values():
            if not each.outside:
                self._look(turn, each)

    def run_ended(self, turn: Turn, run: RunRow) -> None:
        """A continuous job begins its next run when the last one has ended."""
        for each in self._of_job.get(run.job_id, {}).values():
            if not isinstance(each.trigger.rule, Continuous):
                continue
            if each.row.state and run.result is not None:
                began = from_millis(run.started or run.created)
                failed = run.result.failed and run.result is not Result.CANCELED
                state = after_run(each.row.state, began, from_millis(turn.now), failed=failed)
                self._keep(turn, each, Decision(state))
            self._look(turn, each)

    def started_by_hand(self, turn: Turn, job_id: int) -> None:
        """Somebody began a run: a continuous job waits no longer for having failed."""
        for each in self._of_job.get(job_id, {}).values():
            if isinstance(each.trigger.rule, Continuous):
                self._keep(turn, each, Decision(restarted(each.row.state)))

    def to_look_for(self, now: int) -> dict[str, Trigger]:
        """Triggers for which somebody has to look outside now, by their ids."""
        return {
            name: each.trigger
            for name, each in self._watched.items()
            if each.outside
            and (
                isinstance(each.trigger.rule, FileArrival | TableUpdate)
                or (each.row.wait_until or 0) <= now
            )
        }

    def saw(self, turn: Turn, trigger_id: str, sight: Sight) -> bool:
        """Somebody has looked outside for a trigger.

        Returns:
            Whether the query of its condition has to be asked before anything is decided.
        """
        each = self._watched.get(trigger_id)
        return each is not None and self._look(turn, each, sight)

    def _look(self, turn: Turn, each: _Watched, sight: Sight | None = None) -> bool:
        sight = sight or Sight()
        decision = self._decide(turn, each, from_millis(turn.now), sight)
        if decision is None:
            return False
        condition = each.trigger.condition
        fires = any(tick.outcome is TickOutcome.FIRED for tick in decision.ticks)
        if fires and condition is not None:
            if sight.rows is not None:
                decision = with_condition(condition, each.row.state, decision, sight.rows)
            elif sight.unanswered:
                decision = condition_failed(each.row.state, decision, sight.unanswered)
            else:
                return True
        self._keep(turn, each, decision)
        for tick in decision.ticks:
            self._tick(turn, each, tick)
        return False

    def _decide(self, turn: Turn, each: _Watched, now: datetime, sight: Sight) -> Decision | None:
        state = each.row.state or None
        match each.trigger.rule:
            case Schedule() | Periodic():
                return decide_time(each.trigger, state, now)
            case Continuous():
                at_work = turn.store.count(
                    RunRow, "job_id = ? AND state != 'TERMINATED'", (each.job_id,)
                )
                return decide_continuous(each.trigger, state, now, active=at_work > 0)
            case FileArrival() if not sight.hidden:
                seen = turn.store.seen_files(each.row.trigger_id)
                return decide_files(each.trigger, state, now, sight.files, seen)
            case TableUpdate() if not sight.hidden:
                return decide_tables(each.trigger, state, now, sight.tables)
        return None

    def _keep(self, turn: Turn, each: _Watched, decision: Decision) -> None:
        wait = None if decision.wait_until is None else to_millis(decision.wait_until)
        row = TriggerRow(each.row.trigger_id, each.job_id, decision.state, wait, decision.reason)
        if row != each.row:
            turn.store.put(row)
            each.row = row
            self._due_is_known = False
        turn.store.see_files(row.trigger_id, decision.seen)

    def _tick(self, turn: Turn, each: _Watched, tick: Tick) -> None:
        """Writes a tick, and begins its run unless it is there already."""
        row = TickRow(
            each.row.trigger_id,
            each.job_id,
            to_millis(tick.fire_time),
            str(tick.outcome),
            tick.reason,
            tick.count,
            tick.details,
            turn.now,
        )
        key = turn.store.insert_new(row)
        if key is None or tick.outcome is not TickOutcome.FIRED:
            return
        job = turn.store.find(JobRow, each.job_id)
        assert job is not None
        kind = _KINDS[type(each.trigger.rule)]
        info = {"time": row.fire_time, **_info(tick.details)}
        try:
            run_id = self._begin(turn, job, kind, info)
        except LakeflowError as error:
            turn.store.update(TickRow, key, outcome="FAILED", reason=str(error))
        else:
            turn.store.update(TickRow, key, run_id=run_id)


_KINDS: Mapping[type, str] = {
    Schedule: "PERIODIC",
    Periodic: "PERIODIC",
    FileArrival: "FILE_ARRIVAL",
    TableUpdate: "TABLE",
    Continuous: "CONTINUOUS",
}
"""What the API calls each kind."""


def _info(details: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What fired, as references ask for it."""
    info = {name: details[name] for name in ("location", "files") if name in details}
    if "versions" in details:
        times = details["commit_timestamps_ms"]
        info["tables"] = {
            name: {"version": version, "committed": times.get(name, 0)}
            for name, version in details["versions"].items()
        }
    return info
