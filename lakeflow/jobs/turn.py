"""One turn of the scheduler: what is written together, and what is done once that is durable."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from lakeflow.jobs.active import ActiveRun
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.rows import AttemptRow, JobEvent, NoticeRow, RunRow
from lakeflow.jobs.settings.notices import Notice
from lakeflow.jobs.store import Store


@dataclass(slots=True)
class Turn:
    """A transaction that is being made.

    Args:
        store: What is written to.
        now: Milliseconds since 1970; the same for all of it.
        effects: Called in order once the transaction is durable.
        events: What happened.
        changed_jobs: Jobs that were created, changed or removed.
        posted: Whether somebody is to be told something.
        told: Whether somebody will be told of it who may rely on it, so that it must outlast the
            power. The end of a task need not: what is forgotten of it is done again.
    """

    store: Store
    now: int
    effects: list[Callable[[], None]] = field(default_factory=list)
    events: list[JobEvent] = field(default_factory=list)
    changed_jobs: set[int] = field(default_factory=set)
    posted: bool = False
    told: bool = False

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of the turn: if it fails, nothing of it stays, and the rest does."""
        effects, events = len(self.effects), len(self.events)
        changed, posted, told = set(self.changed_jobs), self.posted, self.told
        try:
            with self.store.part():
                yield
        except BaseException:
            del self.effects[effects:], self.events[events:]
            self.changed_jobs, self.posted, self.told = changed, posted, told
            raise

    def tell(self, type: str, message: str, **about: Any) -> None:  # noqa: A002 - the event's own word
        """Writes an event."""
        self.told |= not type.startswith("task.")
        event = JobEvent(self.now, type, message, **about)
        self.events.append(replace(event, sequence=self.store.insert(event)))

    def tell_of(
        self,
        run: ActiveRun,
        attempt: AttemptRow,
        type: str,  # noqa: A002
        message: str,
        details: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Writes an event of a task."""
        self.tell(
            type,
            message,
            job_id=run.row.job_id,
            run_id=run.row.run_id,
            attempt=attempt.attempt,
            task_key=attempt.task_key,
            iteration=attempt.iteration,
            details=details or {},
        )

    def post(self, notices: Iterable[Notice], run: RunRow, **about: Any) -> None:
        """Writes what somebody is to be told of a run, or of an attempt of its tasks."""
        for each in notices:
            said = each.event, each.kind, each.to, each.body
            ids = run.run_id, run.job_id
            self.store.insert(NoticeRow(uuid.uuid4().hex, *said, self.now, self.now, *ids, **about))
            self.posted = self.told = True

    def change_run(self, run: ActiveRun, **changes: Any) -> None:
        """Changes the row of a run."""
        run.row = replace(run.row, **changes)
        self.store.update(type(run.row), run.row.run_id, **changes)

    def change_attempt(self, run: ActiveRun, attempt: AttemptRow, **changes: Any) -> AttemptRow:
        """Changes the row of an attempt."""
        changed = replace(attempt, **changes)
        self.store.update(AttemptRow, attempt.attempt, **changes)
        run.attempts[attempt.task_key, attempt.iteration] = changed
        if changed.values and changed.iteration is None:
            run.values[changed.task_key] = changed.values
        return changed
