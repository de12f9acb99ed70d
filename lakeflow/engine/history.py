"""The tables `system.lakeflow.*`: what jobs and pipelines have done, for good.

Their columns are those of Databricks' system tables, some of our own behind them. Rows are
appended in batches, a commit for each table, with the sequence of the last event that the batch
took in: after a crash whoever publishes asks how far each table is and goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakeflow.catalog.places import place_of
from lakeflow.core.clock import Clock
from lakeflow.core.errors import LeaseHeld, StateError
from lakeflow.core.events import Event
from lakeflow.core.failpoints import failpoint
from lakeflow.core.names import TableName
from lakeflow.core.schema import Schema
from lakeflow.engine.batch import OWNER
from lakeflow.engine.consumers import first_needed, promised
from lakeflow.engine.eventlog import EventLog
from lakeflow.engine.lease import ExpiringLease, Lease, LockLease
from lakeflow.engine.rowtable import Rows, RowTable
from lakeflow.engine.state import PipelineState, pipelines
from lakeflow.engine.targets import KIND
from lakeflow.engine.upkeep import FILE_RETENTION, LOG_RETENTION, Rule, is_due
from lakeflow.tables import upkeep
from lakeflow.tables.store import LocalStore, Store
from lakeflow.tables.table import Snapshot, Table
from lakeflow.tables.upkeep import Compaction

JOB_TABLES = ("jobs", "job_tasks", "job_task_run_timeline", "job_run_timeline")
"""In the order in which a batch reaches them: how far one is, those before it are at least."""

ACCOUNT = "local"
_FOLDER = "_lakeflow/history"
_OWNER = "lakeflow/history"

_DDL = {
    "jobs": """
        account_id STRING, workspace_id STRING, job_id STRING, name STRING, description STRING,
        creator_id STRING, tags MAP<STRING, STRING>, change_time TIMESTAMP, delete_time TIMESTAMP,
        run_as STRING, trigger STRING, trigger_type STRING, run_as_user_name STRING,
        creator_user_name STRING, paused BOOLEAN, timeout_seconds BIGINT,
        health_rules ARRAY<STRUCT<metric: STRING, op: STRING, value: BIGINT>>,
        deployment STRUCT<kind: STRING, metadata_file_path: STRING>, create_time TIMESTAMP,
        version BIGINT
    """,
    "job_tasks": """
        account_id STRING, workspace_id STRING, job_id STRING, task_key STRING,
        depends_on_keys ARRAY<STRING>, change_time TIMESTAMP, delete_time TIMESTAMP,
        timeout_seconds BIGINT,
        health_rules ARRAY<STRUCT<metric: STRING, op: STRING, value: BIGINT>>, task_type STRING
    """,
    "job_run_timeline": """
        account_id STRING, workspace_id STRING, job_id STRING, run_id STRING,
        period_start_time TIMESTAMP, period_end_time TIMESTAMP, trigger_type STRING,
        run_type STRING, run_name STRING, compute_ids ARRAY<STRING>, result_state STRING,
        termination_code STRING, job_parameters MAP<STRING, STRING>, source_task_run_id STRING,
        root_task_run_id STRING,
        compute ARRAY<STRUCT<type: STRING, cluster_id: STRING, warehouse_id: STRING>>,
        termination_type STRING, setup_duration_seconds BIGINT, queue_duration_seconds BIGINT,
        run_duration_seconds BIGINT, cleanup_duration_seconds BIGINT,
        execution_duration_seconds BIGINT, message STRING, repair INT
    """,
    "job_task_run_timeline": """
        account_id STRING, workspace_id STRING, job_id STRING, run_id STRING,
        period_start_time TIMESTAMP, period_end_time TIMESTAMP, task_key STRING,
        compute_ids ARRAY<STRING>, result_state STRING, job_run_id STRING, parent_run_id STRING,
        termination_code STRING,
        compute ARRAY<STRUCT<type: STRING, cluster_id: STRING, warehouse_id: STRING>>,
        termination_type STRING, task_parameters MAP<STRING, STRING>,
        setup_duration_seconds BIGINT, cleanup_duration_seconds BIGINT,
        execution_duration_seconds BIGINT, message STRING, attempt_number INT, iteration INT,
        repair INT, condition_outcome STRING, exit_code INT, cpu_seconds DOUBLE,
        peak_memory_bytes BIGINT
    """,
    "pipelines": """
        account_id STRING, workspace_id STRING, pipeline_id STRING, pipeline_type STRING,
        name STRING, created_by STRING, run_as STRING, tags MAP<STRING, STRING>,
        settings STRUCT<photon: BOOLEAN, development: BOOLEAN, continuous: BOOLEAN,
            serverless: BOOLEAN, edition: STRING, channel: STRING>,
        configuration MAP<STRING, STRING>, change_time TIMESTAMP, delete_time TIMESTAMP,
        create_time TIMESTAMP
    """,
    "pipeline_update_timeline": """
        account_id STRING, workspace_id STRING, pipeline_id STRING, update_id STRING,
        update_type STRING, request_id STRING, run_as_user_name STRING, trigger_type STRING,
        trigger_details STRUCT<job_task: STRUCT<job_id: STRING, job_task_run_id: STRING,
            job_run_id: STRING>>,
        result_state STRING,
        compute STRUCT<type: STRING, cluster_id: STRING>, period_start_time TIMESTAMP,
        period_end_time TIMESTAMP, refresh_selection ARRAY<STRING>,
        full_refresh_selection ARRAY<STRING>, reset_checkpoint_selection ARRAY<STRING>,
        message STRING
    """,
}

TABLES = tuple(_DDL)
"""All of them."""

_COMMENTS = {
    "jobs": "Jobs, a row for each change.",
    "job_tasks": "Tasks of jobs, a row for each change.",
    "job_run_timeline": "Runs of jobs, a row for each end.",
    "job_task_run_timeline": "Attempts of tasks, a row for each end.",
    "pipelines": "Pipelines that have run.",
    "pipeline_update_timeline": "Updates of pipelines, a row for each end.",
}


def system_table(name: str) -> TableName:
    """The complete name of one of the tables."""
    return TableName("system", "lakeflow", name)


def columns_of(name: str) -> Schema:
    """The columns of one of the tables."""
    return Schema.from_ddl(_DDL[name])


def system_tables(store: Store) -> list[str]:
    """Short names of those that are there."""
    names = map(system_table, TABLES)
    return [name.short for name in names if Table(store, place_of(name)).exists()]


@dataclass(frozen=True, slots=True)
class _Update:
    """An update, as its milestones in the event log tell it."""

    id: str
    created: Event
    ended: Event

    def row(self, pipeline: str, workspace: str) -> dict[str, Any]:
        details = self.created.details
        of_job = None
        if "task_run_id" in details:
            of_job = {
                "job_id": str(details["job_id"]),
                "job_task_run_id": str(details["task_run_id"]),
                "job_run_id": str(details["run_id"]),
            }
        selection = list(details.get("full_refresh_selection", ()))
        return {
            "account_id": ACCOUNT,
            "workspace_id": str(details.get("workspace_id", workspace)),
            "pipeline_id": pipeline,
            "update_id": self.id,
            "update_type": "FULL_REFRESH" if details.get("full_refresh") else "REFRESH",
            "request_id": self.id,
            "trigger_type": details["cause"],
            "trigger_details": None if of_job is None else {"job_task": of_job},
            "result_state": self.ended.details["state"],
            "period_start_time": self.created.timestamp,
            "period_end_time": self.ended.timestamp,
            "full_refresh_selection": selection,
            "message": self.ended.message,
        }


class History:
    """Appends to the tables; of one home nobody else does.

    Args:
        store: The lakehouse.
        clock: The time that commits carry.
        home: The number of the home, `workspace_id` of its rows.
        lease_seconds: How long the right to its upkeep lasts, where there are no locks.
    """

    def __init__(
        self, store: LocalStore, clock: Clock, home: int, lease_seconds: float | None = None
    ) -> None:
        self._lease_seconds = lease_seconds
        self._store = store
        self._clock = clock
        self._home = str(home)
        self._application = f"lakeflow/history/{home}"
        self._tables = {name: self._table(name) for name in TABLES}
        self._logs: dict[str, EventLog] = {}
        self._seen: dict[str, int] = {}

    def _table(self, name: str) -> RowTable:
        properties = {
            OWNER: _OWNER,
            KIND: "system_table",
            LOG_RETENTION: "interval 1 day",
            FILE_RETENTION: "interval 1 day",
        }
        return RowTable(
            self._store,
            system_table(name),
            columns_of(name),
            self._clock,
            lambda: properties,
            _COMMENTS[name],
        )

    def published(self) -> dict[str, int]:
        """The sequence of the last event that each of `JOB_TABLES` has taken in."""
        found: dict[str, int] = {}
        furthest = 0
        for name in reversed(JOB_TABLES):
            furthest = max(furthest, self._tables[name].progress(self._application))
            found[name] = furthest
        return found

    def highest_id(self) -> int:
        """The highest id of a job, run or attempt that is published; 0 if none is."""
        highest = 0
        for name in JOB_TABLES:
            column = "job_id" if name in ("jobs", "job_tasks") else "run_id"
            if self._tables[name].table.exists():
                found = self._tables[name].read(wanted=[("workspace_id", "=", self._home)])
                highest = max([highest, *map(int, found[column].to_pylist())])
        return highest

    def append(self, sequence: int, rows: Mapping[str, Rows]) -> None:
        """Appends what events came to, table by table.

        Args:
            sequence: Of the last of the events.
            rows: By the name of their table; what events up to what `published` said of it came
                to is not among them.
        """
        for name in JOB_TABLES:
            if given := rows.get(name):
                self._tables[name].append(
                    self._application,
                    sequence,
                    lambda given=given: given,  # type: ignore[misc]
                    {"rows": len(given), "sequence": sequence},
                    allowed=_check_owner,
                    staged=lambda: failpoint("jobs.history.staged"),
                )
                failpoint("jobs.history.committed")

    def follow_updates(self) -> None:
        """Appends the updates that the event logs of pipelines tell of, whoever ran them."""
        for name in pipelines(self._store):
            state = PipelineState(self._store, name)
            if not state.known_id():
                continue
            if state.id not in self._logs:
                self._logs[state.id] = EventLog(self._store, state, self._clock)
            log = self._logs[state.id]
            newest = log.published()
            if newest > self._seen.get(state.id, 0):
                self._follow(state, log, newest)
                self._seen[state.id] = newest

    def _follow(self, state: PipelineState, log: EventLog, newest: int) -> None:
        timeline, application = self._tables["pipeline_update_timeline"], f"{_OWNER}/{state.id}"
        updates = list(_updates(log, timeline.progress(application)))
        if not updates:
            return
        began = updates[0].created.timestamp
        self._tables["pipelines"].append(
            application,
            1,
            lambda: [self._pipeline(state, began)],
            {"pipeline": state.name},
            allowed=_check_owner,
        )
        timeline.append(
            application,
            newest,
            lambda: [update.row(state.id, self._home) for update in updates],
            {"pipeline": state.name, "epoch": newest},
            allowed=_check_owner,
            staged=lambda: failpoint("jobs.history.staged"),
        )
        failpoint("jobs.history.followed")

    def _pipeline(self, state: PipelineState, began: datetime) -> dict[str, Any]:
        return {
            "account_id": ACCOUNT,
            "workspace_id": self._home,
            "pipeline_id": state.id,
            "pipeline_type": "WORKSPACE",
            "name": state.name,
            "change_time": began,
            "create_time": began,
        }

    def keep_up(self) -> None:
        """Puts small files together, sums up and cleans the logs that have grown.

        Of several homes one does it at a time; the others leave it to a later time.
        """
        due = [rows for rows in self._tables.values() if rows.table.exists() and is_due(rows.table)]
        if not due:
            return
        try:
            lease = self._lease()
        except LeaseHeld:
            return
        try:
            for rows in due:
                self._keep_up(rows, lease)
        finally:
            lease.release()

    def _lease(self) -> Lease:
        if self._lease_seconds is None:
            return LockLease(self._store, _FOLDER)
        return ExpiringLease(self._store, _FOLDER, self._clock, self._lease_seconds)

    def _keep_up(self, rows: RowTable, lease: Lease) -> None:
        def allowed(newest: Snapshot) -> None:
            _check_owner(newest)
            lease.check()

        table = rows.table
        upkeep.forget_compactions(self._store, table.place)
        upkeep.compact(table, Compaction(fewest=2), rows.rewrite, allowed, self._clock)
        upkeep.checkpoint(table)
        lease.check()
        rule, now = Rule.of(table.snapshot()), self._clock.now()
        needed = first_needed(table)
        upkeep.clean_log(table, needed, now - rule.log)
        upkeep.remove_files(table, needed, now - rule.files, lambda: promised(table))


def _check_owner(snapshot: Snapshot) -> None:
    if snapshot.metadata.configuration.get(OWNER) != _OWNER:
        raise StateError(
            f"{snapshot.place} is where the history of jobs goes, and somebody else's table.",
            hint="Move that table to another schema.",
        )


def _updates(log: EventLog, after: int) -> Iterator[_Update]:
    for _, found in sorted(log.milestones(after).items()):
        created = [event for _, event in found if event.event_type == "create_update"]
        ended = [event for _, event in found if event.event_type == "update_progress"]
        if created and ended:
            yield _Update(found[0][0], created[0], ended[-1])
