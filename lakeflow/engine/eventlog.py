"""The event log: a Delta table with Databricks' columns, one commit per update.

While an update runs its events are kept as small durable files, one per batch. The table is
written when the update ends; after a crash the next update writes what the last one could not,
with a terminal event, so that each update has exactly one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lakeflow.core.clock import Clock
from lakeflow.core.events import Event
from lakeflow.core.failpoints import failpoint
from lakeflow.core.names import DEFAULT_CATALOG, DEFAULT_SCHEMA, TableName
from lakeflow.core.schema import Schema
from lakeflow.engine.batch import OWNER
from lakeflow.engine.records import Prepared
from lakeflow.engine.rowtable import RowTable
from lakeflow.engine.run import Run
from lakeflow.engine.state import PipelineState
from lakeflow.engine.targets import KIND
from lakeflow.tables.log import DataFile
from lakeflow.tables.store import Store

SCHEMA = Schema.from_ddl(
    """
    id STRING,
    sequence STRUCT<data_plane_id: STRUCT<instance: STRING, seq_no: BIGINT>,
        control_plane_seq_no: BIGINT>,
    origin STRUCT<cloud: STRING, region: STRING, org_id: BIGINT, user: STRING,
        pipeline_id: STRING, pipeline_type: STRING, pipeline_name: STRING, cluster_id: STRING,
        update_id: STRING, maintenance_id: STRING, table_id: STRING, dataset_name: STRING,
        flow_id: STRING, flow_name: STRING, batch_id: BIGINT, request_id: STRING,
        uc_resource_id: STRING, host: STRING, materialization_name: STRING,
        ingestion_source_type: STRING, ingestion_source_catalog_name: STRING,
        ingestion_source_schema_name: STRING, ingestion_source_table_name: STRING,
        source_code_location: STRUCT<file: STRING, line: INT>>,
    timestamp TIMESTAMP,
    message STRING,
    level STRING,
    maturity_level STRING,
    error STRUCT<exceptions: ARRAY<STRUCT<class_name: STRING, message: STRING,
        stack: ARRAY<STRUCT<declaring_class: STRING, method_name: STRING, file_name: STRING,
        line_number: INT>>, condition: STRING>>, fatal: BOOLEAN>,
    details STRING,
    event_type STRING
    """
)


RETENTION = "interval 1 day"
"""How long the log of the event log reaches back; its rows stay."""


def event_log_name(pipeline: str) -> TableName:
    """The table that a pipeline's events reach."""
    return TableName(DEFAULT_CATALOG, DEFAULT_SCHEMA, f"event_log_{pipeline.lower()}")


def batch_event(prepared: Prepared, dataset: str, now: datetime) -> Event:
    """The event of a committed batch; the same batch always has the same event id.

    Args:
        prepared: What was committed.
        dataset: The table's short name.
        now: What time it is.
    """
    name = f"{prepared.flow_id}/{prepared.generation}/{prepared.batch}"
    counts = prepared.counts
    expectations = [
        {
            "name": expectation,
            "dataset": dataset,
            "passed_records": passed,
            "failed_records": failed,
        }
        for expectation, (passed, failed) in counts.expectations.items()
    ]
    return Event(
        event_type="flow_progress",
        message=f"Flow {prepared.flow} has written batch {prepared.batch}.",
        timestamp=now,
        level="METRICS",
        dataset=dataset,
        flow=prepared.flow,
        batch=prepared.batch,
        details={
            "status": "RUNNING",
            "metrics": {
                "num_output_rows": prepared.main.rows,
                "num_output_bytes": sum(file.size for file in prepared.main.files),
            },
            "data_quality": {
                "dropped_records": counts.dropped,
                "quarantined_records": counts.quarantined,
                "expectations": expectations,
            },
        },
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
    )


def write_batch_event(run: Run, prepared: Prepared, dataset: TableName) -> None:
    """Tells listeners of a batch, and makes its event durable in the update that prepared it."""
    event = batch_event(prepared, dataset.short, run.clock.now())
    run.emit(event)
    key = f"batch.{prepared.flow_id}.{prepared.generation}.{prepared.batch:012d}"
    run.state.write_event(prepared.epoch, key, [event])
    failpoint("event.written")


class EventLog:
    """A pipeline's event log.

    Args:
        store: The lakehouse.
        state: What it remembers of the pipeline.
        clock: The time that commits carry.

    Attributes:
        table: The Delta table.
    """

    def __init__(self, store: Store, state: PipelineState, clock: Clock) -> None:
        self._state = state
        self._rows = RowTable(
            store,
            event_log_name(state.name),
            SCHEMA,
            clock,
            lambda: {OWNER: state.id, KIND: "event_log", "delta.logRetentionDuration": RETENTION},
            f"Events of the pipeline {state.name}.",
        )
        self.table = self._rows.table

    def published(self) -> int:
        """The epoch of the newest update whose events are in the table."""
        return self._rows.progress(self._application) if self.table.exists() else 0

    def complete_earlier(self, epoch: int) -> None:
        """Publishes what updates before `epoch` have left, each with one terminal event."""
        for earlier in self._state.event_epochs():
            if earlier >= epoch:
                continue
            events = list(self._state.read_events(earlier))
            if events:  # Whoever comes to say how it ended publishes at once.
                last = max(event.timestamp for event in events)
                events.append(
                    Event(
                        "update_progress",
                        "Update is FAILED: its process ended before it could say so.",
                        last,
                        "ERROR",
                        details={"state": "FAILED"},
                    )
                )
            self.publish(earlier, events)

    def publish(self, epoch: int, events: Sequence[Event]) -> None:
        """Commits an update's events, unless they are in the table, and forgets the files."""
        if events:
            told = sorted(events, key=lambda event: event.timestamp)
            self._rows.append(
                self._application,
                epoch,
                lambda: self._made(epoch, told),
                {"events": len(told), "epoch": epoch},
            )
        self._state.delete_events(epoch)

    def read(self, update: str | None = None) -> list[Event]:
        """The events of an update, or of the newest one."""
        if not self.table.exists():
            return []
        import pyarrow.compute as pc

        if update is None:
            wanted = pc.field("sequence", "control_plane_seq_no") == self.published()
        else:
            wanted = pc.field("origin", "update_id") == update
        rows = self._rows.read(wanted=wanted).to_pylist()
        rows.sort(key=_place)
        return [_event(row) for row in rows]

    def milestones(self, after: int) -> dict[int, list[tuple[str, Event]]]:
        """The states that updates have passed, each with the id of its update, by epoch.

        Args:
            after: The epoch above which to begin.
        """
        if not self.table.exists():
            return {}
        import pyarrow.compute as pc

        number = pc.field("sequence", "control_plane_seq_no")
        kinds = pc.field("event_type").isin(["create_update", "update_progress"])
        rows = self._rows.read(wanted=(number > after) & kinds).to_pylist()
        found: dict[int, list[tuple[str, Event]]] = {}
        for row in sorted(rows, key=_place):
            epoch = row["sequence"]["control_plane_seq_no"]
            found.setdefault(epoch, []).append((row["origin"]["update_id"], _event(row)))
        return found

    def expectations(self, dataset: str) -> dict[str, tuple[int, int]]:
        """Passed and failed rows by expectation, in the last update that wrote a dataset."""
        if not self.table.exists():
            return {}
        import pyarrow.compute as pc

        wanted = (pc.field("level") == "METRICS") & (pc.field("origin", "dataset_name") == dataset)
        rows = self._rows.read(wanted=wanted).to_pylist()
        newest = max((row["sequence"]["control_plane_seq_no"] for row in rows), default=0)
        counts: dict[str, tuple[int, int]] = {}
        for row in rows:
            if row["sequence"]["control_plane_seq_no"] == newest:
                quality = json.loads(row["details"])[row["event_type"]]["data_quality"]
                for found in quality["expectations"]:
                    passed, failed = counts.get(found["name"], (0, 0))
                    counts[found["name"]] = (
                        passed + found["passed_records"],
                        failed + found["failed_records"],
                    )
        return counts

    def rewrite(self, files: tuple[DataFile, ...], folder: str) -> list[DataFile]:
        """Puts files of the table together in one, below a folder of it."""
        return self._rows.rewrite(files, folder)

    @property
    def _application(self) -> str:
        return f"lakeflow/events/{self._state.id}"

    def _made(self, epoch: int, events: Sequence[Event]) -> list[dict[str, Any]]:
        update = next(
            (e.details["update_id"] for e in events if e.event_type == "create_update"), None
        )
        return [self._row(number, event, epoch, update) for number, event in enumerate(events, 1)]

    def _row(self, number: int, event: Event, epoch: int, update: str | None) -> dict[str, Any]:
        location = event.location
        error = event.error
        return {
            "id": event.id,
            "sequence": {
                "data_plane_id": {"instance": update, "seq_no": number},
                "control_plane_seq_no": epoch,
            },
            "origin": {
                "pipeline_id": self._state.id,
                "pipeline_type": "WORKSPACE",
                "pipeline_name": self._state.name,
                "update_id": update,
                "dataset_name": event.dataset,
                "flow_name": event.flow,
                "batch_id": event.batch,
                "source_code_location": None
                if location is None
                else {"file": location.file, "line": location.line},
            },
            "timestamp": event.timestamp,
            "message": event.message,
            "level": event.level,
            "maturity_level": "STABLE",
            "error": None if error is None else {"exceptions": [dict(error)], "fatal": True},
            "details": json.dumps({event.event_type: dict(event.details)}),
            "event_type": event.event_type,
        }


def _place(row: dict[str, Any]) -> tuple[int, int]:
    sequence = row["sequence"]
    return sequence["control_plane_seq_no"], sequence["data_plane_id"]["seq_no"]


def _event(row: dict[str, Any]) -> Event:
    from lakeflow.core.location import Location

    place = row["origin"]["source_code_location"]
    error = row["error"]
    return Event(
        event_type=row["event_type"],
        message=row["message"],
        timestamp=row["timestamp"],
        level=row["level"],
        dataset=row["origin"]["dataset_name"],
        flow=row["origin"]["flow_name"],
        batch=row["origin"]["batch_id"],
        location=None if place is None else Location(place["file"], place["line"]),
        details=json.loads(row["details"])[row["event_type"]],
        error=None if error is None else error["exceptions"][0],
        id=row["id"],
    )
