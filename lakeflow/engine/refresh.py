"""Materialized views: replaced in one commit, or left alone when nothing can have changed."""

from __future__ import annotations

from contextlib import closing

from lakeflow.backends.duckdb import DuckDBSession
from lakeflow.core.schema import Schema
from lakeflow.engine.eventlog import write_batch_event
from lakeflow.engine.inputs import clock_text
from lakeflow.engine.records import FlowRecords, Intent, Pin, Prepared
from lakeflow.engine.resolve import ResolvedFlow, SourceRead, TableRead
from lakeflow.engine.run import Run
from lakeflow.engine.staging import Attempt, prepare
from lakeflow.engine.stream import readable_intent, static_relations
from lakeflow.engine.targets import Target
from lakeflow.tables.feed import changed_data


def run_refresh(run: Run, flow: ResolvedFlow, target: Target, *, force: bool) -> None:
    """Brings a materialized view up to date; `run.outcome` has no batch if it was so before.

    Args:
        run: The update.
        flow: The view's flow.
        target: Its tables.
        force: Whether to compute it even if nothing has changed.

    Raises:
        DataError: Rows violate an expectation that fails the update.
    """
    writing = run.flow_target(flow, target)
    with closing(run.backend.session()) as session:
        while True:
            run.check_stopped()
            position = run.writer.position(writing)
            records = run.writer.records(writing, position.generation)
            intent = records.newest_intent(position.batch + 1)
            left_open = intent is not None
            if intent is None:
                pins = current_pins(run, flow)
                if not force and unchanged(run, flow, position.decided, pins):
                    return
                intent = _write_intent(run, flow, records, position.batch + 1, pins)
            else:
                intent = readable_intent(run, flow, records, intent)
            force = False
            attempts = records.attempts(intent.batch)
            session.set_clock(intent.clock)
            attempt = Attempt(
                flow=flow,
                flow_id=writing.flow_id,
                target=target,
                intent=intent,
                attempt=attempts[-1].attempt + 1 if attempts else 1,
                epoch=run.epoch,
                update=run.update,
                table_schema=flow.query.dataset.schema or Schema(()),
                replace=True,
            )
            prepared = _computed(run, flow, attempt, session)
            decided = run.writer.commit(writing, records.write_prepared(prepared))
            write_batch_event(run, decided, target.name)
            records.delete_before(decided.batch)
            run.count(flow.name, decided.main.rows, decided.counts)
            # What an earlier update left open was computed as of then.
            if not left_open and not (_versioned(flow) and flow.query.deterministic):
                return


def _computed(run: Run, flow: ResolvedFlow, attempt: Attempt, session: DuckDBSession) -> Prepared:
    reads = run.file_reads(session)

    def compute() -> Prepared:
        relations = static_relations(run, flow, attempt.intent.pins, session)
        return prepare(
            attempt, session, relations, reads.verify, run.store, run.scratch, run.natives
        )

    prepared = reads.run(compute)
    run.tell_absent(flow, reads)
    return prepared


def current_pins(run: Run, flow: ResolvedFlow) -> dict[str, Pin]:
    """The versions that a flow would read now."""
    return {
        str(leaf.name): run.pin(leaf.name) for leaf in flow.static() if isinstance(leaf, TableRead)
    }


def unchanged(run: Run, flow: ResolvedFlow, decided: Prepared | None, pins: dict[str, Pin]) -> bool:
    """Whether a view's rows cannot have changed since its last batch."""
    if decided is None or decided.definition != flow.definition:
        return False
    if not flow.query.deterministic or not _versioned(flow) or set(decided.pins) != set(pins):
        return False
    tables = {str(leaf.name): leaf.name for leaf in flow.static() if isinstance(leaf, TableRead)}
    for name, pin in pins.items():
        before = decided.pins[name]
        if (before.table_id, before.generation) != (pin.table_id, pin.generation):
            return False
        table = run.table_of(tables[name])
        if before.version != pin.version and changed_data(
            table, before.version, table.at(pin.version)
        ):
            return False
    return True


def why(run: Run, flow: ResolvedFlow, decided: Prepared | None) -> tuple[str, str]:
    """The technique by which a view would be refreshed, and the reason in one sentence."""
    if decided is None:
        return "COMPLETE_RECOMPUTE", "it has never been computed"
    if decided.definition != flow.definition:
        return "COMPLETE_RECOMPUTE", "its definition has changed"
    if not flow.query.deterministic:
        return "COMPLETE_RECOMPUTE", "its query is not deterministic"
    if not _versioned(flow):
        return "COMPLETE_RECOMPUTE", "it reads a source that has no versions"
    if unchanged(run, flow, decided, current_pins(run, flow)):
        return "NO_OP", "its inputs and definition are unchanged"
    return "COMPLETE_RECOMPUTE", "an input has changed"


def _versioned(flow: ResolvedFlow) -> bool:
    return not any(isinstance(leaf, SourceRead) for leaf in flow.static())


def _write_intent(
    run: Run, flow: ResolvedFlow, records: FlowRecords, batch: int, pins: dict[str, Pin]
) -> Intent:
    intent = Intent(
        flow=flow.name,
        generation=records.generation,
        batch=batch,
        number=1,
        epoch=run.epoch,
        sources={},
        pins=pins,
        clock=clock_text(run.clock),
        definition=flow.definition,
    )
    return records.write_intent(intent)
