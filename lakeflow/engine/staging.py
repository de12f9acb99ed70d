"""One attempt at a batch: its query runs, its rows are checked, its files become durable."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lakeflow.backends.duckdb import DuckDBSession, StagedFile
from lakeflow.backends.parquet import ParquetFiles, Relation
from lakeflow.core.failpoints import failpoint
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.engine import checks
from lakeflow.engine.bind import bound_sql
from lakeflow.engine.checks import Check, Destination, Staged, quarantine_schema
from lakeflow.engine.fit import fit
from lakeflow.engine.native import Natives
from lakeflow.engine.records import Counts, Intent, Prepared, TargetFiles
from lakeflow.engine.resolve import ResolvedFlow, ResolvedQuery
from lakeflow.engine.targets import Target
from lakeflow.pipelines.elements import QUARANTINE_SUFFIX, Expectation
from lakeflow.tables.log import DataFile
from lakeflow.tables.partitions import partition_values
from lakeflow.tables.statistics import file_statistics
from lakeflow.tables.store import Store
from lakeflow.tables.table import Snapshot


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an attempt at a batch is told.

    Args:
        flow: The flow.
        flow_id: Its identity.
        target: Its tables.
        intent: The range.
        attempt: Its number.
        epoch: Of the lease.
        update: The update that makes it.
        table_schema: Columns that the target has; none for a replacement.
        replace: Whether it takes the place of what is there.
    """

    flow: ResolvedFlow
    flow_id: str
    target: Target
    intent: Intent
    attempt: int
    epoch: int
    update: str
    table_schema: Schema
    replace: bool


def prepare(
    attempt: Attempt,
    session: DuckDBSession,
    relations: Mapping[str, Relation],
    verify: Callable[[], None],
    store: Store,
    scratch: Path,
    natives: Natives,
) -> Prepared:
    """Computes a batch and makes its files durable; the record of it is not written yet.

    Args:
        attempt: What to compute.
        session: Runs the queries.
        relations: Leaf id -> what the batch reads of it.
        verify: Raises if what was read has changed meanwhile.
        store: The lakehouse.
        scratch: A folder for what does not outlive the attempt.
        natives: Runs query functions.

    Raises:
        DataError: Rows do not fit, or violate an expectation that fails the update.
    """
    scratch = scratch / uuid.uuid4().hex
    try:
        staged, schema = _staged(attempt, session, relations, verify, store, scratch, natives)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    failpoint("stage.written")
    targets = _targets(attempt, staged, schema, store)
    store.make_durable(f"{t.place}/{file.path}" for t in targets for file in t.files)
    failpoint("stage.synced")
    intent = attempt.intent
    return Prepared(
        flow=intent.flow,
        flow_id=attempt.flow_id,
        generation=intent.generation,
        batch=intent.batch,
        attempt=attempt.attempt,
        epoch=attempt.epoch,
        targets=targets,
        ends={key: found.end for key, found in intent.sources.items()},
        pins=dict(intent.pins),
        definition=attempt.flow.definition,
        counts=staged.counts,
        update=attempt.update,
    )


def _staged(
    attempt: Attempt,
    session: DuckDBSession,
    relations: Mapping[str, Relation],
    verify: Callable[[], None],
    store: Store,
    scratch: Path,
    natives: Natives,
) -> tuple[Staged, Schema]:
    """The batch's files with their partitions and counts, and the columns that they hold.

    If what was read has changed meanwhile, none of them is left.
    """
    query = attempt.flow.query
    dataset, location = query.dataset, query.flow.location
    beside = attempt.target.companions.get(QUARANTINE_SUFFIX)
    sql, view_counts = _compute_views(query, dict(relations), session, scratch, natives)
    fitted = fit(sql, query.schema, attempt.table_schema, dataset.name.short, location)
    staged = checks.stage(
        session,
        fitted.sql,
        fitted.schema,
        (*query.checks, *_not_null(fitted.schema, dataset.schema, location)),
        Destination(
            store.url(attempt.target.main.place),
            None if beside is None else store.url(beside.place),
            dataset.partition_columns,
        ),
        dataset=dataset.name.short,
        repeatable=query.repeatable,
        location=location,
    )
    try:
        verify()
        parted = tuple(
            replace(file, partition=partition_values(file.partition, fitted.schema, location))
            for file in staged.main
        )
    except Exception:
        checks.discard((*staged.main, *staged.quarantine))
        raise
    counts = _with_views(staged.counts, view_counts)
    return replace(staged, main=parted, counts=counts), fitted.schema


def _targets(
    attempt: Attempt, staged: Staged, schema: Schema, store: Store
) -> tuple[TargetFiles, ...]:
    """What the batch writes into main, and into its quarantine if that changes."""
    main = attempt.target.main.snapshot()
    found = [_target("main", main, staged.main, schema, attempt.replace, store)]
    beside = attempt.target.companions.get(QUARANTINE_SUFFIX)
    if beside is not None and (staged.quarantine or attempt.replace):
        found.append(
            _target(
                QUARANTINE_SUFFIX,
                beside.snapshot(),
                staged.quarantine,
                quarantine_schema(schema),
                attempt.replace,
                store,
            )
        )
    return tuple(found)


def _compute_views(
    query: ResolvedQuery,
    relations: dict[str, Relation],
    session: DuckDBSession,
    scratch: Path,
    natives: Natives,
) -> tuple[str, list[tuple[str, Counts]]]:
    """The query's SQL, after computing apart the views that have expectations."""
    counts: list[tuple[str, Counts]] = []
    for found in query.inputs.values():
        if not isinstance(found, ResolvedQuery):
            continue
        name = f"view:{found.dataset.name}"
        if name in relations:
            continue
        sql, inner = _compute_views(found, relations, session, scratch, natives)
        counts.extend(inner)
        if not found.checks:
            continue
        staged = checks.stage(
            session,
            sql,
            found.schema,
            found.checks,
            Destination(str(scratch / uuid.uuid4().hex)),
            dataset=found.dataset.name.short,
            repeatable=found.repeatable,
            location=found.flow.location,
        )
        relations[name] = ParquetFiles(tuple(f.path for f in staged.main), found.schema)
        counts.append((found.dataset.name.short, staged.counts))

    def run_function(function: ResolvedQuery, inputs: Mapping[str, Relation]) -> Relation:
        return natives.relation(function, inputs, session, scratch)

    return bound_sql(query, relations, run_function), counts


def _with_views(counts: Counts, views: list[tuple[str, Counts]]) -> Counts:
    """The counts of a dataset with those of the views it consumed, as `view.expectation`."""
    found = dict(counts.expectations)
    dropped = counts.dropped
    for view, inner in views:
        dropped += inner.dropped
        found.update({f"{view}.{name}": c for name, c in inner.expectations.items()})
    return replace(counts, expectations=found, dropped=dropped)


def _not_null(rows: Schema, declared: Schema | None, location: Location) -> tuple[Check, ...]:
    """Checks of the columns that are declared NOT NULL."""
    from lakeflow.dialect.types import identifier

    names = [f.name for f in (declared or rows).fields if not f.nullable and rows.find(f.name)]
    return tuple(
        Check(
            Expectation(f"{name} NOT NULL", f"{name} IS NOT NULL", "fail", location),
            f"{identifier(name)} IS NOT NULL",
        )
        for name in names
    )


def _target(
    role: str,
    snapshot: Snapshot,
    staged: tuple[StagedFile, ...],
    schema: Schema,
    replaces: bool,
    store: Store,
) -> TargetFiles:
    partitions = snapshot.metadata.partition_columns if role == "main" else ()
    files = data_files(staged, store.url(snapshot.place), schema, partitions)
    return TargetFiles(
        role, snapshot.place, snapshot.metadata.id, schema.to_delta(), replaces, files
    )


def data_files(
    staged: Sequence[StagedFile],
    folder: str,
    schema: Schema,
    partitions: Sequence[str],
    partition: Mapping[str, str | None] | None = None,
) -> tuple[DataFile, ...]:
    """Staged files as a table's log names them.

    Args:
        staged: What the backend has written.
        folder: The table's, absolute.
        schema: Columns of the files.
        partitions: The table's partition columns.
        partition: Their values, if the files were not written apart by them.
    """
    return tuple(
        DataFile(
            path=checks.relative(file.path, folder),
            size=file.size,
            modified=int(Path(file.path).stat().st_mtime * 1000),
            rows=file.rows,
            statistics=file_statistics(schema, file.rows, file.columns, tuple(partitions)),
            partition=dict(file.partition if partition is None else partition),
        )
        for file in staged
    )
