"""What an update does before it loads any user code: it finishes what the last one left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lakeflow.core.clock import Clock
from lakeflow.core.errors import StateError
from lakeflow.core.failpoints import failpoint
from lakeflow.core.names import TableName
from lakeflow.engine.batch import BatchWriter, FlowTarget
from lakeflow.engine.eventlog import EventLog, batch_event
from lakeflow.engine.fence import fence
from lakeflow.engine.fullrefresh import swap_target
from lakeflow.engine.lease import Lease
from lakeflow.engine.records import Generation, Prepared
from lakeflow.engine.state import PipelineState
from lakeflow.engine.targets import Target, Targets
from lakeflow.tables.recover import check_tail
from lakeflow.tables.store import Store
from lakeflow.tables.table import Table


def recover(
    store: Store,
    state: PipelineState,
    targets: Targets,
    lease: Lease,
    clock: Clock,
    log: EventLog,
) -> dict[str, StateError]:
    """Rolls forward every prepared batch of a pipeline and completes its event log.

    Args:
        store: The lakehouse.
        state: What it remembers of the pipeline.
        targets: The pipeline's tables.
        lease: The right to write.
        clock: The time that commits carry.
        log: The pipeline's event log.

    Returns:
        What cannot be recovered, by the table's complete name: it was made again, is behind its
        records, or its records are missing. Only a full refresh may go on with such a table.

    Raises:
        LeaseLost: Another process has taken the pipeline over.
    """
    writer = BatchWriter(store, state.id, lease, clock)
    recovery = _Recovery(writer, state, clock, _rebuilding(state), log.published())
    found = [targets.known(entry) for entry in targets.entries().values()]
    found = [target for target in found if target.main.exists()]
    damaged: dict[str, StateError] = {}
    for step in (recovery.check, recovery.fence, recovery.roll_forward):
        for target in found:
            if str(target.name) in damaged:
                continue
            try:
                step(target)
            except StateError as error:
                damaged[str(target.name)] = error
    log.complete_earlier(lease.epoch)
    return damaged


@dataclass(frozen=True, slots=True)
class _Recovery:
    """The steps of recovery, each of which is done for every table before the next begins."""

    writer: BatchWriter
    state: PipelineState
    clock: Clock
    rebuilding: Mapping[str, str]
    published: int

    def check(self, target: Target) -> None:
        for table in _tables(target):
            check_tail(self.writer.store, table.place)

    def fence(self, target: Target) -> None:
        if not self.writer.lease.needs_fence:
            return
        for table in _tables(target):
            fence(table, self.state.id, self.writer.lease, self.clock.now())
            failpoint("fence.main" if table is target.main else "fence.companion")

    def roll_forward(self, target: Target) -> None:
        if str(target.name) in self.rebuilding:
            _finish_swap(self.writer, target, self.rebuilding[str(target.name)])
        for flow in _flows(self.state, target):
            for decided in self.writer.recover(flow):
                self._write_missing_event(target.name, decided)

    def _write_missing_event(self, name: TableName, decided: Prepared) -> None:
        """The event of a batch whose process ended between its commit and its event."""
        if decided.epoch <= self.published or decided.swap is not None:
            return
        key = f"batch.{decided.flow_id}.{decided.generation}.{decided.batch:012d}"
        if not self.state.has_event(decided.epoch, key):
            event = batch_event(decided, name.short, self.clock.now())
            self.state.write_event(decided.epoch, key, [event])


def _tables(target: Target) -> Iterator[Table]:
    """The tables that are there."""
    return filter(Table.exists, (target.main, *target.companions.values()))


def _rebuilding(state: PipelineState) -> dict[str, str]:
    """Tables whose full refresh is not finished -> the unique part of their next generation."""
    request = state.refresh_request()
    return {} if request is None else dict.fromkeys(request.tables, request.id)


def _finish_swap(writer: BatchWriter, target: Target, generation_id: str) -> None:
    """Commits a swap that was prepared and not decided."""
    swapping = swap_target(target)
    position = writer.position(swapping)
    if position.generation.id == generation_id:
        return
    generation = Generation(position.generation.ordinal + 1, generation_id)
    waiting = writer.records(swapping, generation).attempts(1)
    if not waiting or (writer.lease.needs_fence and waiting[-1].epoch < writer.lease.epoch):
        return
    writer.commit_main(swapping, waiting[-1])
    failpoint("recover.main")
    decided = writer.position(swapping).decided
    if decided is not None:
        writer.commit_companions(swapping, decided)


def _flows(state: PipelineState, target: Target) -> list[FlowTarget]:
    """The flows that have run into a table; swaps first, for companions follow them."""
    flows = [
        FlowTarget(entry.name, entry.id, target.name, target.main, target.companions)
        for entry in state.flows()
        if TableName.parse(entry.target) == target.name
    ]
    return [swap_target(target), *flows]
