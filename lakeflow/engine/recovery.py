"""What an update does before it loads any user code: it finishes what the last one left."""

from __future__ import annotations

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
) -> None:
    """Rolls forward every prepared batch of a pipeline and completes its event log.

    Args:
        store: The lakehouse.
        state: What it remembers of the pipeline.
        targets: The pipeline's tables.
        lease: The right to write.
        clock: The time that commits carry.
        log: The pipeline's event log.

    Raises:
        StateError: A table was made again, is behind its records, or its records are missing.
        LeaseLost: Another process has taken the pipeline over.
    """
    writer = BatchWriter(store, state.id, lease, clock)
    found = [targets.known(entry) for entry in targets.entries().values()]
    found = [target for target in found if target.main.exists()]
    rebuilding = _rebuilding(state)
    for target in found:
        for table in (target.main, *target.companions.values()):
            if table.exists():
                check_tail(store, table.place)
    if lease.needs_fence:
        for target in found:
            fence(target.main, state.id, lease, clock.now())
            failpoint("fence.main")
            for table in filter(Table.exists, target.companions.values()):
                fence(table, state.id, lease, clock.now())
                failpoint("fence.companion")
    published = log.published()
    for target in found:
        if str(target.name) in rebuilding:
            _finish_swap(writer, target, rebuilding[str(target.name)])
        for flow in _flows(state, target):
            if str(target.name) in rebuilding and flow.flow_id != swap_target(target).flow_id:
                _recover_unless_lost(writer, flow, state, clock, published)
            else:
                for decided in writer.recover(flow):
                    _write_missing_event(state, decided, clock, published)
    log.complete_earlier(lease.epoch)


def _recover_unless_lost(
    writer: BatchWriter, flow: FlowTarget, state: PipelineState, clock: Clock, published: int
) -> None:
    """A table that is being rebuilt may have lost its records: that is why it is rebuilt."""
    try:
        decided = writer.recover(flow)
    except StateError:
        return
    for prepared in decided:
        _write_missing_event(state, prepared, clock, published)


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


def _write_missing_event(
    state: PipelineState, decided: Prepared, clock: Clock, published: int
) -> None:
    """The event of a batch whose process ended between its commit and its event."""
    if decided.epoch <= published or decided.swap is not None:
        return
    key = f"batch.{decided.flow_id}.{decided.generation}.{decided.batch:012d}"
    if not state.has_event(decided.epoch, key):
        state.write_event(decided.epoch, key, [batch_event(decided, clock.now())])
