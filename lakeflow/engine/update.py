"""An update: every selected flow of a pipeline runs once, upstream before downstream."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from lakeflow.core.errors import (
    CorruptStateError,
    LakeflowError,
    MissingFile,
    SchemaChanged,
    StateError,
    StorageError,
    was_interrupted,
)
from lakeflow.core.events import Event, Level
from lakeflow.core.failpoints import failpoint
from lakeflow.core.names import TableName
from lakeflow.core.schema import Schema
from lakeflow.engine.batch import generation_of
from lakeflow.engine.fullrefresh import swap
from lakeflow.engine.lineage import definition_events
from lakeflow.engine.records import Counts, Generation
from lakeflow.engine.refresh import run_refresh
from lakeflow.engine.resolve import ResolvedFlow, TableRead
from lakeflow.engine.run import Outcome, Run
from lakeflow.engine.state import RefreshRequest
from lakeflow.engine.stream import run_stream
from lakeflow.engine.targets import Target

SCHEMA_CHANGES = 20
"""How often one flow may find new columns in one update."""


@dataclass(frozen=True, slots=True)
class ExpectationCount:
    """How many rows met an expectation."""

    name: str
    passed: int
    failed: int


@dataclass(frozen=True, slots=True)
class FlowResult:
    """How a flow ended.

    Args:
        name: The flow.
        state: `COMPLETED`, `IDLE`, `FAILED`, `SKIPPED` or `STOPPED`.
        rows: Written to its table.
        dropped: Refused and not kept.
        quarantined: Refused and kept beside the table.
        expectations: Over all batches.
        seconds: How long it ran.
        error: Why it failed.
    """

    name: str
    state: str
    rows: int = 0
    dropped: int = 0
    quarantined: int = 0
    expectations: tuple[ExpectationCount, ...] = ()
    seconds: float = 0.0
    error: LakeflowError | None = None


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """How an update ended.

    Args:
        update_id: As in the event log.
        state: `COMPLETED`, `FAILED` or `CANCELED`.
        flows: In the graph's order.
        epoch: Of the lease under which it wrote.
    """

    update_id: str
    state: str
    flows: tuple[FlowResult, ...]
    epoch: int = 0


@dataclass
class Update:
    """Runs the flows of an analysed graph.

    Args:
        run: What they share.
        flows: In topological order.
        upstream: Names of the datasets that a dataset's flows read.
        request: A full refresh that is to be finished.
        damaged: What recovery has found, by the table's complete name; nothing writes these.
        reanalyse: Types the flows again, after a source was found to have new columns.
        workers: Flows that run at the same time.
    """

    run: Run
    flows: tuple[ResolvedFlow, ...]
    upstream: Mapping[TableName, frozenset[TableName]]
    request: RefreshRequest | None
    damaged: Mapping[str, StateError]
    reanalyse: Callable[[], tuple[ResolvedFlow, ...]]
    workers: int
    results: dict[str, FlowResult] = field(default_factory=dict)
    _by_name: dict[str, ResolvedFlow] = field(init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._by_name = {flow.name: flow for flow in self.flows}

    def execute(self) -> tuple[FlowResult, ...]:
        """Runs all flows; a failing one takes only what reads its table with it."""
        for flow in self.flows:
            self.flow_event(flow.name, "QUEUED", f"Flow {flow.name} is QUEUED.")
        for event in definition_events(self.flows, self.run.clock):
            self.emit(event)
        waiting = self._units()
        done: dict[TableName, bool] = {}
        running: dict[Future[bool], TableName] = {}
        with ThreadPoolExecutor(self.workers, thread_name_prefix="flow") as pool:
            while waiting or running:
                for name in list(waiting):
                    needs = self.upstream.get(name, frozenset()) & (
                        set(done) | set(waiting) | set(running.values())
                    )
                    if not all(needed in done for needed in needs):
                        continue
                    flows = waiting.pop(name)
                    if self.run.stopped.is_set():
                        self._end(flows, "STOPPED", done, name)
                    elif not all(done[needed] for needed in needs):
                        self._end(flows, "SKIPPED", done, name)
                    else:
                        running[pool.submit(self._table, name, flows)] = name
                if running:
                    finished, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        done[running.pop(future)] = future.result()
        if self.request is not None and all(self._was_rebuilt(n) for n in self.request.tables):
            self.run.state.finish_refresh(self.request)
        return tuple(self.results[flow.name] for flow in self.flows)

    def _was_rebuilt(self, name: str) -> bool:
        flows = [f for f in self.flows if str(f.query.dataset.name) == name]
        return all(self.results[flow.name].state in ("COMPLETED", "IDLE") for flow in flows)

    def _units(self) -> dict[TableName, list[str]]:
        """Flows by the table that they write, in the graph's order."""
        units: dict[TableName, list[str]] = {}
        for flow in self.flows:
            units.setdefault(flow.query.dataset.name, []).append(flow.name)
        return units

    def _end(
        self, names: Sequence[str], state: str, done: dict[TableName, bool], table: TableName
    ) -> None:
        done[table] = False
        for name in names:
            self.results[name] = FlowResult(name, state)
            said = "SKIPPED due to upstream failure(s)" if state == "SKIPPED" else state
            self.flow_event(name, state, f"Flow {name} is {said}.", "WARN")

    def _table(self, name: TableName, flows: Sequence[str]) -> bool:
        """Runs all flows into one table, and swaps a rebuilt one in."""
        if str(name) in self.damaged:
            for flow in flows:
                self._failed(flow, self.damaged[str(name)], 0.0)
            return False
        staged = self._staged_generation(name)
        ended = [self._flow(flow, staged) for flow in flows]
        if not all(ended):
            return False
        if staged is None:
            return True
        try:
            self._swap(name, flows, staged)
        except (LakeflowError, OSError) as error:
            self._failed(flows[-1], error, 0.0)
            return False
        return True

    def _staged_generation(self, name: TableName) -> Generation | None:
        """The generation that a full refresh of a streaming table builds, if there is one."""
        if self.request is None or str(name) not in self.request.tables:
            return None
        flow = next(f for f in self.flows if f.query.dataset.name == name)
        if flow.kind != "streaming_table":
            return None
        target = self._target(flow)
        found = generation_of(target.main.snapshot())
        assert found is not None
        if found.id == self.request.id:
            return None
        generation = Generation(found.ordinal + 1, self.request.id)
        self.run.staging[str(name)] = generation
        return generation

    def _flow(self, name: str, staged: Generation | None) -> bool:
        began = time.monotonic()
        self.flow_event(name, "RUNNING", f"Flow {name} is RUNNING.")
        try:
            self._run_with_new_columns(name, staged)
        except Exception as error:
            if was_interrupted(error):
                self._result(name, "STOPPED", time.monotonic() - began)
                self.flow_event(name, "STOPPED", f"Flow {name} is STOPPED.", "WARN")
                return False
            if not isinstance(error, LakeflowError | OSError):
                raise
            self._failed(name, error, time.monotonic() - began)
            return False
        outcome = self.run.outcome(name)
        state = "COMPLETED" if outcome.batches else "IDLE"
        result = self._result(name, state, time.monotonic() - began)
        said = (
            f"Flow {name} has COMPLETED."
            if outcome.batches
            else f"Flow {name} is IDLE: nothing new."
        )
        dataset = self._by_name[name].query.dataset.name.short
        self.flow_event(name, state, said, details=_totals(dataset, result, outcome))
        return True

    def _result(
        self, name: str, state: str, seconds: float, error: LakeflowError | None = None
    ) -> FlowResult:
        """Takes down how a flow ended; what it had committed by then counts however it ended."""
        outcome = self.run.outcome(name)
        unseen = str(self._by_name[name].query.dataset.name) in self.run.staging
        if unseen and state in ("STOPPED", "FAILED"):
            outcome = Outcome()
        counts = outcome.counts
        self.results[name] = result = FlowResult(
            name,
            state,
            outcome.rows,
            counts.dropped,
            counts.quarantined,
            tuple(ExpectationCount(n, *found) for n, found in counts.expectations.items()),
            seconds,
            error,
        )
        return result

    def _run_with_new_columns(self, name: str, staged: Generation | None) -> None:
        """Runs a flow; when a source was found to have new columns, types it again and goes on."""
        for _ in range(SCHEMA_CHANGES):
            flow = self._by_name[name]
            target = self._target(flow)
            try:
                if flow.kind == "materialized_view":
                    run_refresh(self.run, flow, target, force=self._forced(flow))
                    return
                run_stream(self.run, flow, target, staged)
                if staged is not None:
                    failpoint("refresh.staged_flow")
                return
            except SchemaChanged as change:
                if change.hint is not None:
                    raise
                self.flow_event(name, "RUNNING", change.message, "WARN")
                with self._lock:
                    self._by_name = {found.name: found for found in self.reanalyse()}
        raise SchemaChanged(f"Flow {name} found new columns {SCHEMA_CHANGES} times in one update.")

    def _forced(self, flow: ResolvedFlow) -> bool:
        return self.request is not None and str(flow.query.dataset.name) in self.request.tables

    def _target(self, flow: ResolvedFlow) -> Target:
        with self._lock:
            dataset = flow.query.dataset
            rebuild = self._is_to_be_rebuilt(dataset.name)
            schema = flow.query.schema if dataset.schema is None else _declared(flow)
            return self.run.targets.ensure(dataset, flow.kind, schema, rebuild=rebuild)

    def _is_to_be_rebuilt(self, name: TableName) -> bool:
        """Whether a full refresh of the table was asked for and has not been swapped in."""
        if self.request is None or str(name) not in self.request.tables:
            return False
        table = self.run.table_of(name)
        found = generation_of(table.snapshot()) if table.exists() else None
        return found is None or found.id != self.request.id

    def _swap(self, name: TableName, flows: Sequence[str], generation: Generation) -> None:
        found = [self._by_name[flow] for flow in flows]
        target = self._target(found[0])
        declared = found[0].query.dataset.schema
        columns = found[0].query.schema.nullable() if declared is None else declared
        swap(self.run, target, found, generation, columns)
        self.run.staging.pop(str(name), None)
        self.emit(
            Event(
                "operation_progress",
                f"{name.short} was refreshed in full.",
                self.run.clock.now(),
                dataset=name.short,
                details={"type": "FULL_REFRESH", "generation": str(generation)},
            )
        )

    def _failed(self, name: str, error: LakeflowError | OSError, seconds: float) -> None:
        if isinstance(error, OSError):
            error = StorageError.of(error)
        flow = self._by_name[name]
        if isinstance(error, MissingFile):
            error = self._named(error, flow)
        self._result(name, "FAILED", seconds, error)
        self.emit(
            Event(
                "flow_progress",
                f"Flow '{name}' has FAILED.\n{error}",
                self.run.clock.now(),
                "ERROR",
                dataset=flow.query.dataset.name.short,
                flow=name,
                location=error.location or flow.query.flow.location,
                details={"status": "FAILED"},
                error={
                    "class_name": type(error).__name__,
                    "message": str(error),
                    "condition": error.condition,
                },
            )
        )

    def _named(self, error: MissingFile, flow: ResolvedFlow) -> CorruptStateError:
        """The error with the name of the table that the file is of, and what rebuilds that one."""
        reads = [leaf for leaf in flow.query.leaves() if isinstance(leaf, TableRead)]
        found = [(flow.query.dataset.name, flow.query.flow.location)]
        found += [(leaf.name, leaf.location) for leaf in reads]
        for name, location in found:
            if error.path.startswith(f"{self.run.store.url(self.run.table_of(name).place)}/"):
                whose = "" if name in self.run.own else "the pipeline that writes it and "
                return CorruptStateError(
                    f"The file {error.path} of the table {name.short} is missing or cut off.",
                    location=location,
                    hint=f"Restore it from a copy, or rebuild the table with {whose}"
                    f"--full-refresh {name.short}.",
                )
        return error

    def flow_event(
        self,
        name: str,
        status: str,
        message: str,
        level: Level = "INFO",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Tells a flow's state."""
        flow = self._by_name[name]
        self.emit(
            Event(
                "flow_progress",
                message,
                self.run.clock.now(),
                level,
                dataset=flow.query.dataset.name.short,
                flow=name,
                location=flow.query.flow.location,
                details={"status": status, **(details or {})},
            )
        )

    def emit(self, event: Event) -> None:
        """Keeps an event for the event log and tells listeners."""
        self.run.emit(event)


def new_update_id() -> str:
    """The id of an update."""
    return str(uuid.uuid4())


def _declared(flow: ResolvedFlow) -> Schema:
    declared = flow.query.dataset.schema
    assert declared is not None
    return declared


def _totals(dataset: str, result: FlowResult, outcome: Outcome) -> dict[str, Any]:
    """What `flow_progress` says of a flow's whole run; batches have said it bit by bit."""
    counts: Counts = outcome.counts
    return {
        "metrics": {"num_batches": outcome.batches, "total_output_rows": result.rows},
        "total_data_quality": {
            "dropped_records": counts.dropped,
            "quarantined_records": counts.quarantined,
            "expectations": [
                {
                    "name": found.name,
                    "dataset": dataset,
                    "passed_records": found.passed,
                    "failed_records": found.failed,
                }
                for found in result.expectations
            ],
        },
    }
