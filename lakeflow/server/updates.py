"""Updates of pipelines, from the attempts of the tasks that make them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lakeflow.jobs.model import Result
from lakeflow.jobs.rows import AttemptRow, RunRow
from lakeflow.jobs.store import Reader
from lakeflow.server.localise import update_id_of

_STATES: Mapping[str, str] = {
    "BLOCKED": "QUEUED",
    "PENDING": "WAITING_FOR_RESOURCES",
    "WAITING_FOR_RETRY": "WAITING_FOR_RESOURCES",
    "RUNNING": "RUNNING",
    "TERMINATING": "STOPPING",
}


@dataclass(frozen=True, slots=True)
class Update:
    """An update: a task of a run, with all attempts of it that a server has made.

    Args:
        pipeline_id: The pipeline.
        tries: Its attempts, the oldest first.
        cause: `API_CALL` or `JOB_TASK`.
    """

    pipeline_id: str
    tries: tuple[AttemptRow, ...]
    cause: str

    @property
    def attempt(self) -> int:
        """The first attempt, from which the id of the update is."""
        return self.tries[0].attempt

    @property
    def ids(self) -> frozenset[str]:
        """Its id, and those that the lakehouse has for attempts of it."""
        return frozenset(update_id_of(each) for each in self.tries)

    @property
    def newest(self) -> AttemptRow:
        """The last attempt."""
        return self.tries[-1]

    @property
    def update_id(self) -> str:
        """Its id."""
        return update_id_of(self.tries[0])

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.newest.state != "TERMINATED"

    @property
    def state(self) -> str:
        """Where it stands, in the words of the Pipelines API."""
        last = self.newest
        if self.active:
            return _STATES[last.state]
        if last.result is Result.SUCCESS:
            return "COMPLETED"
        return "CANCELED" if last.result is Result.CANCELED else "FAILED"

    def brief(self) -> dict[str, Any]:
        """What is shown of it beside its pipeline."""
        made = datetime.fromtimestamp(self.tries[0].created / 1000, UTC)
        return {
            "update_id": self.update_id,
            "state": self.state,
            "creation_time": made.isoformat().replace("+00:00", "Z"),
        }

    def json(self) -> dict[str, Any]:
        """All that is shown of it."""
        said = self.tries[0].settings
        return {
            "pipeline_id": self.pipeline_id,
            "update_id": self.update_id,
            "state": self.state,
            "cause": self.cause,
            "creation_time": self.tries[0].created,
            "cluster_id": "local",
            "mode": "DEFAULT",
            "full_refresh": bool(said.get("full_refresh")),
            "validate_only": bool(said.get("validate_only")),
            "full_refresh_selection": list(said.get("full_refresh_selection") or ()),
            "refresh_selection": [],
        }


NEWEST = 50
"""Attempts among which an update that is active is always found."""


def updates_of(reader: Reader, pipeline_id: str, most: int = -1) -> list[Update]:
    """The updates of a pipeline, the newest first.

    Args:
        reader: Of the database.
        pipeline_id: The pipeline.
        most: Attempts that are looked at, the newest ones; all if negative.
    """
    rows = reader.select(
        AttemptRow,
        "json_extract(settings, '$.pipeline_id') = ? ORDER BY attempt DESC LIMIT ?",
        (pipeline_id, most),
    )
    types: dict[int, str] = {}
    found: defaultdict[tuple[int, str, int | None, int], list[AttemptRow]] = defaultdict(list)
    for row in reversed(rows):
        found[row.run_id, row.task_key, row.iteration, row.repair].append(row)
        if row.run_id not in types:
            run = reader.find(RunRow, row.run_id)
            types[row.run_id] = "" if run is None else run.type
    updates = [
        Update(
            pipeline_id,
            tuple(tries),
            "API_CALL" if types[tries[0].run_id] == "SUBMIT_RUN" else "JOB_TASK",
        )
        for tries in found.values()
    ]
    return sorted(updates, key=lambda each: each.attempt, reverse=True)
