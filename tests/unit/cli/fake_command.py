"""The command line over an engine that only tells a story; run as a script by the tests.

`FAKE_STORY` names the story. The session keeps to the Protocol that the engine keeps to.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from lakeflow.cli.main import main
from lakeflow.core.errors import DefinitionError, DefinitionErrors, Interrupted, StateError
from lakeflow.core.events import Event
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.core.settings import Settings

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Counted:
    name: str
    passed: int
    failed: int


@dataclass(frozen=True)
class FlowEnd:
    name: str
    state: str
    rows: int = 0
    dropped: int = 0
    quarantined: int = 0
    expectations: tuple[Counted, ...] = ()
    seconds: float = 0.0
    error: DefinitionError | StateError | None = None


@dataclass(frozen=True)
class UpdateEnd:
    update_id: str
    state: str
    flows: tuple[FlowEnd, ...]


@dataclass(frozen=True)
class Planned:
    name: str
    target: str
    kind: str
    technique: str
    reason: str
    inputs: tuple[str, ...]
    location: Location
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FakePlan:
    flows: tuple[Planned, ...]

    def __str__(self) -> str:
        return "\n".join(f"{flow.name}: {flow.technique}, {flow.reason}" for flow in self.flows)


@dataclass(frozen=True)
class Description:
    name: str
    kind: str
    version: int
    schema: Schema
    comment: str | None
    rows: tuple[tuple[object, ...], ...]
    row_count: int
    expectations: tuple[Counted, ...]


def flow_event(
    flow: str,
    status: str,
    seconds: float = 0.0,
    *,
    rows: int = 0,
    dropped: int = 0,
    quarantined: int = 0,
    counts: Sequence[Counted] = (),
    error: str | None = None,
) -> Event:
    details: dict[str, object] = {"status": status}
    if rows:
        details["metrics"] = {"num_output_rows": rows}
    if counts:
        details["data_quality"] = {
            "dropped_records": dropped,
            "quarantined_records": quarantined,
            "expectations": [
                {
                    "name": each.name,
                    "dataset": flow,
                    "passed_records": each.passed,
                    "failed_records": each.failed,
                }
                for each in counts
            ],
        }
    return Event(
        "flow_progress",
        f"Flow '{flow}' has {status}." if status == "FAILED" else f"Flow '{flow}' is {status}.",
        NOON + timedelta(seconds=seconds),
        level="ERROR" if error else "WARN" if status in ("SKIPPED", "STOPPED") else "INFO",
        flow=flow,
        dataset=flow,
        location=Location("pipeline.sql", 3) if error else None,
        details=details,
        error={"class_name": "DataError", "message": error} if error else None,
    )


def update_event(state: str, seconds: float = 0.0) -> Event:
    return Event(
        "update_progress",
        f"Update is {state}.",
        NOON + timedelta(seconds=seconds),
        details={"state": state},
    )


POSITIVE = Counted("positive", 11_998, 2)

GOOD = [
    update_event("RUNNING"),
    flow_event("bronze", "QUEUED"),
    flow_event("silver", "QUEUED"),
    flow_event("bronze", "STARTING", 0.5),
    flow_event("bronze", "RUNNING", 1.5, rows=12_000, dropped=2, counts=[POSITIVE]),
    flow_event(
        "bronze", "RUNNING", 2.5, rows=345, quarantined=1, counts=[Counted("positive", 345, 0)]
    ),
    flow_event("bronze", "COMPLETED", 2.5),
    flow_event("silver", "PLANNING", 2.5),
    flow_event("silver", "COMPLETED", 3.0, rows=9),
    update_event("COMPLETED", 3.0),
]

FAILING = [
    update_event("RUNNING"),
    flow_event("bronze", "STARTING"),
    flow_event("bronze", "FAILED", 1.0, error="2 rows violate positive.\n  Mend the rows."),
    flow_event("silver", "SKIPPED", 1.0),
    update_event("FAILED", 1.0),
]


class FakeSession:
    def __init__(
        self, settings: Settings, *, listeners: Sequence[Callable[[Event], None]] = ()
    ) -> None:
        self.settings = settings
        self.listeners = listeners
        self.story = os.environ.get("FAKE_STORY", "good")
        self.stopped = threading.Event()

    def tell(self, events: Sequence[Event]) -> None:
        def tell_all() -> None:
            for event in events:
                for listener in self.listeners:
                    listener(event)

        # Events come from the threads of the flows.
        teller = threading.Thread(target=tell_all)
        teller.start()
        teller.join()

    def run(self, path: Path, *, full_refresh: Sequence[str] | str = ()) -> UpdateEnd:
        print(f"user code of {path}, full refresh {full_refresh!r}", file=sys.stderr)
        match self.story:
            case "wrong":
                raise DefinitionErrors(
                    [
                        DefinitionError("b is wrong.", location=Location("b.sql", 2)),
                        DefinitionError(
                            "a is wrong.",
                            condition="PARSE_SYNTAX_ERROR",
                            location=Location("a.sql", 7),
                            hint="Write it right.",
                        ),
                    ]
                )
            case "unloadable":
                error = DefinitionError("a is wrong.", location=Location("a.sql", 7))
                self.tell(
                    [replace(update_event("FAILED"), level="ERROR", message=f"FAILED: {error}")]
                )
                raise error
            case "early":
                self.stop()
                os.kill(os.getpid(), signal.SIGINT)
                raise Interrupted
            case "broken":
                raise RuntimeError("the engine came apart")
            case "printing":
                print("user code prints")
            case "failing":
                self.tell(FAILING)
                return UpdateEnd(
                    "u-2", "FAILED", (FlowEnd("bronze", "FAILED"), FlowEnd("silver", "SKIPPED"))
                )
            case "many":
                return self.many()
            case "endless" | "deaf" | "stuck":
                return self.wait()
            case "crowd":
                return self.crowd()
        self.tell(GOOD)
        return UpdateEnd(
            "u-1",
            "COMPLETED",
            (
                FlowEnd("bronze", "COMPLETED", 12_345, 2, 0, (Counted("positive", 12_343, 2),), 2),
                FlowEnd("silver", "COMPLETED", 9, seconds=0.5),
            ),
        )

    def many(self) -> UpdateEnd:
        names = [f"flow_{number:02}" for number in range(60)]
        self.tell([update_event("RUNNING"), *(flow_event(name, "QUEUED") for name in names)])
        self.tell([flow_event(name, "COMPLETED", 1.0, rows=1) for name in names])
        ended = tuple(FlowEnd(name, "COMPLETED", 1) for name in names)
        return UpdateEnd("u-3", "COMPLETED", ended)

    def crowd(self) -> UpdateEnd:
        names = [f"flow_{number:02}" for number in range(60)]
        self.tell([update_event("RUNNING")])
        self.tell([flow_event(name, "COMPLETED", 1.0, rows=1) for name in names[:58]])
        self.tell([flow_event(names[58], "QUEUED"), flow_event(names[59], "RUNNING", rows=1)])
        self.stopped.wait()
        return UpdateEnd("u-5", "CANCELED", ())

    def wait(self) -> UpdateEnd:
        self.tell([update_event("RUNNING"), flow_event("bronze", "COMPLETED", 0.5, rows=7)])
        self.tell([flow_event("silver", "RUNNING", 1.0, rows=5)])
        self.stopped.wait()
        if self.story == "deaf":
            threading.Event().wait()
        self.tell([flow_event("silver", "STOPPED", 2.0), update_event("CANCELED", 2.0)])
        return UpdateEnd(
            "u-4", "CANCELED", (FlowEnd("bronze", "COMPLETED", 7), FlowEnd("silver", "STOPPED", 5))
        )

    def plan(self, path: Path, *, full_refresh: Sequence[str] | str = ()) -> FakePlan:
        return FakePlan(
            (
                Planned(
                    "silver",
                    "main.default.silver",
                    "materialized_view",
                    "COMPLETE_RECOMPUTE",
                    f"full refresh of {full_refresh!r}",
                    ("main.default.bronze",),
                    Location(str(path), 3),
                ),
            )
        )

    def show(self, table: str, limit: int = 10) -> Description:
        if table == "missing":
            raise StateError("There is no table 'missing'.", condition="TABLE_OR_VIEW_NOT_FOUND")
        return Description(
            f"main.default.{table}",
            "streaming_table",
            4,
            Schema.from_ddl("id BIGINT NOT NULL, note STRING, price DECIMAL(10,2)"),
            "All orders.",
            ((1, "first\nline", Decimal("1.10")), (20, None, None))[:limit],
            12_345,
            (POSITIVE,),
        )

    def query(self, sql: str) -> object:
        import pyarrow as pa

        if sql == "doubles":
            batch = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
        elif sql == "empty":
            batch = pa.RecordBatch.from_pydict({"a": pa.array([], pa.int64())})
        else:
            batch = pa.RecordBatch.from_pydict(
                {"sql": [sql], "memory": [self.settings.memory_limit], "at": [NOON]}
            )
        if sql == "endless":
            return pa.RecordBatchReader.from_batches(batch.schema, self.batches(batch))
        return pa.RecordBatchReader.from_batches(batch.schema, [batch])

    def batches(self, batch):
        import duckdb

        yield batch
        numbers = "range(9999999) AS x(n), range(9999999) AS y(n)"
        yield from duckdb.sql(f"SELECT sum(x.n * y.n) FROM {numbers}").to_arrow_reader()

    def events(self, update: str | None = None) -> list[Event]:
        return FAILING if update == "u-2" else GOOD

    def detach(self, flow: str) -> None:
        print(f"lakehouse {self.settings.lakehouse}", file=sys.stderr)

    def stop(self) -> None:
        if self.story == "stuck":
            threading.Event().wait()
        self.stopped.set()


if __name__ == "__main__":
    main(open_session=FakeSession)
