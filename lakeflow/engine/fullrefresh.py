"""Full refresh: a table's next generation is built beside it and swapped in by one commit."""

from __future__ import annotations

from collections.abc import Sequence

from lakeflow.core.failpoints import failpoint
from lakeflow.core.schema import Schema
from lakeflow.engine.batch import FlowTarget, application, merged
from lakeflow.engine.records import Counts, Generation, Prepared, TargetFiles
from lakeflow.engine.resolve import ResolvedFlow
from lakeflow.engine.run import Run
from lakeflow.engine.stream import staged_batch
from lakeflow.engine.targets import Target

SWAP = "swap"
"""The flow id under which a table's swaps are recorded; each generation has one."""


def swap_target(target: Target) -> FlowTarget:
    """The tables of a swap."""
    return FlowTarget("full refresh", SWAP, target.name, target.main, target.companions)


def swap(
    run: Run,
    target: Target,
    flows: Sequence[ResolvedFlow],
    generation: Generation,
    schema: Schema,
) -> Prepared:
    """Puts the staged batches of all flows in the place of what a table holds.

    Args:
        run: The update.
        target: The table.
        flows: Every flow into it; their batches for the generation are prepared.
        generation: The one that was built.
        schema: Columns of the table if no flow has staged anything.

    Returns:
        The decided swap.
    """
    writing = swap_target(target)
    records = run.writer.records(writing, generation)
    made = records.write_prepared(_prepare(run, target, flows, generation, schema))
    run.writer.commit_main(writing, made)
    failpoint("refresh.swapped_main")
    decided = run.writer.position(writing).decided
    assert decided is not None
    run.writer.commit_companions(writing, decided)
    failpoint("refresh.swapped_companion")
    return decided


def _prepare(
    run: Run,
    target: Target,
    flows: Sequence[ResolvedFlow],
    generation: Generation,
    schema: Schema,
) -> Prepared:
    """One record of all files, with the transactions of every flow's last staged batch."""
    transactions: dict[str, int] = {}
    staged: list[Prepared] = []
    for flow in flows:
        writing = run.flow_target(flow, target)
        records = run.writer.records(writing, generation)
        batch = 0
        while (made := staged_batch(run, flow, records, batch + 1)) is not None:
            batch += 1
            staged.append(made)
        if batch:
            name = application(writing.flow_id, generation)
            transactions[name] = batch
            transactions[f"{name}/attempt"] = staged[-1].attempt
    main = target.main.snapshot()
    targets = [_all_files("main", main.place, main.metadata.id, staged, schema)]
    for role, table in target.companions.items():
        beside = table.snapshot()
        targets.append(_all_files(role, table.place, beside.metadata.id, staged, beside.schema))
    return Prepared(
        flow="full refresh",
        flow_id=SWAP,
        generation=str(generation),
        batch=1,
        attempt=1,
        epoch=run.epoch,
        targets=tuple(targets),
        ends={},
        pins={},
        definition="",
        counts=Counts(),
        update=run.update,
        swap=transactions,
    )


def _all_files(
    role: str, place: str, table_id: str, staged: Sequence[Prepared], schema: Schema
) -> TargetFiles:
    found = [files for made in staged for files in made.targets if files.role == role]
    columns = Schema(())
    for files in found:
        staged_schema = Schema.from_delta(files.schema)
        columns = merged(columns, staged_schema) if columns.fields else staged_schema
    return TargetFiles(
        role,
        place,
        table_id,
        (columns if found else schema).to_delta(),
        replace=True,
        files=tuple(file for files in found for file in files.files),
    )
