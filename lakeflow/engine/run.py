"""What all flows of an update share while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lakeflow.backends.duckdb import DuckDBBackend, DuckDBSession
from lakeflow.core.clock import Clock
from lakeflow.core.errors import Interrupted
from lakeflow.core.events import Event
from lakeflow.core.names import TableName
from lakeflow.engine.batch import BatchWriter, FlowTarget, generation_of
from lakeflow.engine.files import FileReads
from lakeflow.engine.inputs import StreamInput
from lakeflow.engine.native import Natives
from lakeflow.engine.records import Counts, Generation, Pin
from lakeflow.engine.resolve import ResolvedFlow, SourceRead, TableRead
from lakeflow.engine.state import PipelineState
from lakeflow.engine.targets import Target, Targets
from lakeflow.tables.store import Store
from lakeflow.tables.table import Table

OpenStream = Callable[[TableRead | SourceRead, FlowTarget, Generation], StreamInput]
ReadSource = Callable[[SourceRead, DuckDBSession], str]


@dataclass
class Run:
    """An update while it runs.

    Args:
        update: Its id.
        epoch: Of its lease.
        store: The lakehouse.
        state: What it remembers of the pipeline.
        writer: Commits.
        targets: The pipeline's tables.
        backend: Runs queries.
        natives: Runs query functions.
        clock: What time it is.
        scratch: Folder for what does not outlive the update.
        emit: Tells listeners what happens.
        open_stream: Opens a streaming read of a flow into a generation.
        read_source: The SELECT of a source that is read whole.
        file_reads: What the flow of a session reads of files.
        table_of: The table of a name, written by this pipeline or not.
    """

    update: str
    epoch: int
    store: Store
    state: PipelineState
    writer: BatchWriter
    targets: Targets
    backend: DuckDBBackend
    natives: Natives
    clock: Clock
    scratch: Path
    emit: Callable[[Event], None]
    open_stream: OpenStream
    read_source: ReadSource
    file_reads: Callable[[DuckDBSession], FileReads]
    table_of: Callable[[TableName], Table]
    own: frozenset[TableName] = frozenset()
    pins: dict[str, Pin] = field(default_factory=dict)
    staging: dict[str, Generation] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)
    acknowledging: threading.Lock = field(default_factory=threading.Lock)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check_stopped(self) -> None:
        """Raises `Interrupted` once somebody asked the update to stop."""
        if self.stopped.is_set():
            raise Interrupted

    def pin(self, name: TableName) -> Pin:
        """The version of a table that this update reads.

        Tables that the update does not write keep the version that was seen first.
        """
        key = str(name)
        with self._lock:
            if key in self.pins:
                return self.pins[key]
            snapshot = self.table_of(name).snapshot()
            generation = generation_of(snapshot)
            pin = Pin(
                snapshot.metadata.id,
                None if generation is None else str(generation),
                snapshot.version,
            )
            if name not in self.own:
                self.pins[key] = pin
            return pin

    def tell_absent(self, flow: ResolvedFlow, reads: FileReads) -> None:
        """Warns of columns that a flow has read as NULL because files do not name them."""
        for found in reads.absent():
            self.emit(
                Event(
                    "flow_progress",
                    found.message,
                    self.clock.now(),
                    "WARN",
                    dataset=flow.query.dataset.name.short,
                    flow=flow.name,
                    location=found.location,
                    details={"status": "RUNNING"},
                )
            )

    def count(self, flow: str, rows: int, counts: Counts) -> None:
        """Takes down one batch more of a flow; what it has done counts however it ends."""
        self.outcomes[flow] = self.outcome(flow).plus(rows, counts)

    def outcome(self, flow: str) -> Outcome:
        """What a flow has done so far."""
        return self.outcomes.get(flow, Outcome())

    def flow_target(self, flow: ResolvedFlow, target: Target) -> FlowTarget:
        """A flow with its identity and tables."""
        entry = self.state.flow(flow.name, target.name)
        return FlowTarget(flow.name, entry.id, target.name, target.main, target.companions)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a flow has done in an update.

    Args:
        batches: Committed.
        rows: Written to the table.
        counts: Of the expectations, over all batches.
    """

    batches: int = 0
    rows: int = 0
    counts: Counts = field(default_factory=Counts)

    def plus(self, rows: int, counts: Counts) -> Outcome:
        """With one batch more."""
        found = {name: tuple(pair) for name, pair in self.counts.expectations.items()}
        for name, (passed, failed) in counts.expectations.items():
            before = found.get(name, (0, 0))
            found[name] = (before[0] + passed, before[1] + failed)
        expectations: Mapping[str, tuple[int, int]] = {k: (v[0], v[1]) for k, v in found.items()}
        return Outcome(
            self.batches + 1,
            self.rows + rows,
            Counts(
                expectations,
                self.counts.dropped + counts.dropped,
                self.counts.quarantined + counts.quarantined,
            ),
        )
