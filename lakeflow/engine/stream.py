"""Streaming flows: each row of each source once, batch by batch, through any crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from lakeflow.backends.duckdb import DuckDBSession
from lakeflow.backends.parquet import Relation
from lakeflow.core.errors import StateError
from lakeflow.core.failpoints import failpoint
from lakeflow.core.schema import Schema
from lakeflow.engine.acknowledge import acknowledge
from lakeflow.engine.batch import FlowTarget, SchemaConflict, merged
from lakeflow.engine.eventlog import write_batch_event
from lakeflow.engine.inputs import StreamInput, clock_text, whole_table
from lakeflow.engine.records import FlowRecords, Generation, Intent, Pin, Prepared, SourceRange
from lakeflow.engine.resolve import ResolvedFlow, SourceRead, TableRead
from lakeflow.engine.run import Run
from lakeflow.engine.staging import Attempt, prepare
from lakeflow.engine.targets import Target


@dataclass(frozen=True, slots=True)
class FlowStart:
    """Where a flow begins in this update.

    Args:
        generation: Into which it writes.
        batch: The last batch that counts as taken.
        ends: Positions after that batch, by source key.
        staged: Whether batches are only prepared, to be swapped in later.
    """

    generation: Generation
    batch: int
    ends: Mapping[str, Any]
    staged: bool


def run_stream(
    run: Run, flow: ResolvedFlow, target: Target, staged: Generation | None = None
) -> None:
    """Takes everything that is new when it starts, and ends; `run.outcome` tells what it wrote.

    Args:
        run: The update.
        flow: A streaming flow.
        target: Its tables.
        staged: The generation to prepare batches for without committing them, in a full refresh.

    Raises:
        StateError: The flow's sources are not those that it has read so far.
        DataError: Rows do not fit, or violate an expectation that fails the update.
    """
    writing = run.flow_target(flow, target)
    start = _start(run, flow, writing, staged)
    records = run.writer.records(writing, start.generation)
    inputs = {leaf.id: run.open_stream(leaf, writing, start.generation) for leaf in flow.streams()}
    _check_sources(flow, start, inputs)
    with closing(run.backend.session()) as session:
        try:
            if start.ends and not start.staged:
                acknowledge(run, writing, start.ends, inputs)
            horizons = {key: found.horizon() for key, found in inputs.items()}
            while True:
                run.check_stopped()
                intent = _intent(run, flow, records, start, inputs, horizons)
                if intent is None:
                    return
                batch = _Batch(run, flow, writing, target, records, intent, inputs)
                decided = _prepare(batch, session, start)
                if not start.staged:
                    decided = _commit(batch, decided, session, start)
                    try:
                        acknowledge(run, writing, decided.ends, inputs)
                    finally:  # The batch is there, whatever the source says.
                        write_batch_event(run, decided, target.name)
                    records.delete_before(decided.batch)
                run.count(flow.name, decided.main.rows, decided.counts)
                start = replace(start, batch=decided.batch, ends=decided.ends)
        finally:
            for found in inputs.values():
                found.close()


def _start(
    run: Run, flow: ResolvedFlow, writing: FlowTarget, staged: Generation | None
) -> FlowStart:
    if staged is None:
        position = run.writer.position(writing)
        known = {} if position.decided is None else position.decided.ends
        return FlowStart(position.generation, position.batch, known, staged=False)
    records = run.writer.records(writing, staged)
    newest = 0
    ends: Mapping[str, Any] = {}
    while (made := staged_batch(run, flow, records, newest + 1)) is not None:
        newest, ends = newest + 1, made.ends
    return FlowStart(staged, newest, ends, staged=True)


def staged_batch(run: Run, flow: ResolvedFlow, records: FlowRecords, batch: int) -> Prepared | None:
    """What a full refresh has prepared for a batch and may swap in; None: it has to be prepared.

    What was computed by another definition, or by a holder of the lease who may still be
    writing, does not count.
    """
    for made in reversed(records.attempts(batch)):
        mine = made.epoch == run.epoch or not run.writer.lease.needs_fence
        if mine and made.definition == flow.definition:
            return made
    return None


def _check_sources(flow: ResolvedFlow, start: FlowStart, inputs: Mapping[str, StreamInput]) -> None:
    if start.batch == 0 or set(start.ends) == set(inputs):
        return
    gone, new = sorted(set(start.ends) - set(inputs)), sorted(set(inputs) - set(start.ends))
    said = [f"no longer reads {', '.join(gone)}"] if gone else []
    said += [f"now reads {', '.join(new)}"] if new else []
    raise StateError(
        f"Flow {flow.name} had streaming sources added or removed: it " + " and ".join(said) + ".",
        location=flow.query.flow.location,
        hint=f"Bring the source back, or rebuild the table with --full-refresh "
        f"{flow.query.dataset.name.short}.",
    )


def _intent(
    run: Run,
    flow: ResolvedFlow,
    records: FlowRecords,
    start: FlowStart,
    inputs: Mapping[str, StreamInput],
    horizons: Mapping[str, Any],
) -> Intent | None:
    """The intent of the next batch: the one that a crash left, or a new one; None: no batch."""
    found = records.newest_intent(start.batch + 1)
    if found is not None:
        return readable_intent(run, flow, records, found)
    sources: dict[str, SourceRange] = {}
    moved = False
    for key, stream in inputs.items():
        begun = start.ends.get(key)
        end = begun if horizons[key] is None else stream.latest(begun, horizons[key])
        moved = moved or end != begun
        sources[key] = SourceRange(begun, end)
    if not moved:
        return None
    intent = Intent(
        flow=flow.name,
        generation=str(start.generation),
        batch=start.batch + 1,
        number=1,
        epoch=run.epoch,
        sources=sources,
        pins=_pins(run, flow),
        clock=clock_text(run.clock),
        definition=flow.definition,
    )
    return records.write_intent(intent)


def readable_intent(run: Run, flow: ResolvedFlow, records: FlowRecords, found: Intent) -> Intent:
    """The intent itself, or one that supersedes it because a pinned version is gone."""
    wanted = {str(leaf.name) for leaf in flow.static() if isinstance(leaf, TableRead)}
    readable = wanted <= set(found.pins)
    for name, pin in found.pins.items():
        if not readable or name not in wanted:
            continue
        table = next(
            run.table_of(leaf.name)
            for leaf in flow.static()
            if isinstance(leaf, TableRead) and str(leaf.name) == name
        )
        try:
            readable = table.snapshot().metadata.id == pin.table_id and all(
                run.store.exists(f"{table.place}/{file.path}")
                for file in table.at(pin.version).files
            )
        except StateError:
            readable = False
    if readable:
        return found
    intent = replace(
        found,
        number=found.number + 1,
        epoch=run.epoch,
        pins=_pins(run, flow),
        definition=flow.definition,
    )
    intent = records.write_intent(intent)
    failpoint("intent.superseded")
    return intent


def _pins(run: Run, flow: ResolvedFlow) -> dict[str, Pin]:
    return {
        str(leaf.name): run.pin(leaf.name) for leaf in flow.static() if isinstance(leaf, TableRead)
    }


@dataclass(frozen=True, slots=True)
class _Batch:
    run: Run
    flow: ResolvedFlow
    writing: FlowTarget
    target: Target
    records: FlowRecords
    intent: Intent
    inputs: Mapping[str, StreamInput]


def _commit(
    batch: _Batch, prepared: Prepared, session: DuckDBSession, start: FlowStart
) -> Prepared:
    """Commits, and prepares once more if another flow gave a new column another type."""
    try:
        return batch.run.writer.commit(batch.writing, prepared)
    except SchemaConflict:
        return batch.run.writer.commit(batch.writing, _prepare(batch, session, start))


def _prepare(batch: _Batch, session: DuckDBSession, start: FlowStart) -> Prepared:
    """Computes a batch under the next attempt and makes the record of it durable."""
    reads = batch.run.file_reads(session)
    prepared = reads.run(lambda: _attempt(batch, session, start, reads.verify))
    batch.run.tell_absent(batch.flow, reads)
    return prepared


def _attempt(
    batch: _Batch, session: DuckDBSession, start: FlowStart, verify: Callable[[], None]
) -> Prepared:
    run, flow, intent = batch.run, batch.flow, batch.intent
    attempts = batch.records.attempts(intent.batch)
    session.set_clock(intent.clock)
    relations = static_relations(run, flow, intent.pins, session)
    for key, found in batch.inputs.items():
        taken = intent.sources.get(key)
        if taken is None:
            raise StateError(
                f"Flow {flow.name} now reads {key}, which its open batch does not know.",
                location=flow.query.flow.location,
                hint="Bring the old query back for one update, or rebuild the table with "
                f"--full-refresh {batch.target.name.short}.",
            )
        relations[key] = found.relation(taken.start, taken.end, session)

    attempt = Attempt(
        flow=flow,
        flow_id=batch.writing.flow_id,
        target=batch.target,
        intent=intent,
        attempt=attempts[-1].attempt + 1 if attempts else 1,
        epoch=run.epoch,
        update=run.update,
        table_schema=_table_schema(batch, start),
        replace=False,
    )
    prepared = prepare(attempt, session, relations, verify, run.store, run.scratch, run.natives)
    return batch.records.write_prepared(prepared)


def _table_schema(batch: _Batch, start: FlowStart) -> Schema:
    """Columns that the batch's rows have to fit."""
    if not start.staged:
        return batch.target.main.snapshot().schema
    schema = batch.flow.query.dataset.schema or Schema(())
    for number in range(1, start.batch + 1):
        made = staged_batch(batch.run, batch.flow, batch.records, number)
        assert made is not None
        schema = merged(schema, Schema.from_delta(made.main.schema))
    return schema


def static_relations(
    run: Run, flow: ResolvedFlow, pins: Mapping[str, Pin], session: DuckDBSession
) -> dict[str, Relation]:
    """Everything that a flow reads whole."""
    relations: dict[str, Relation] = {}
    for leaf in flow.static():
        if isinstance(leaf, TableRead):
            table = run.table_of(leaf.name)
            relations[leaf.id] = whole_table(table, leaf.schema, pins[str(leaf.name)].version)
        else:
            assert isinstance(leaf, SourceRead)
            relations[leaf.id] = run.read_source(leaf, session)
    return relations
