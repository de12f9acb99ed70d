"""Expectations on the rows of a batch: counted, refused, kept aside.

The batch's rows are written once, as the files that main will get. Expectations are counted over
the columns they name in those files, so the source is not read again and the counts are exact
whatever the query does. Only if rows are refused are the files written once more, without them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lakeflow.backends.duckdb import DuckDBSession, StagedFile, literal, parquet_relation
from lakeflow.core.errors import ExpectationFailed
from lakeflow.core.failpoints import failpoint
from lakeflow.core.location import Location
from lakeflow.core.schema import STRING, Array, Field, Schema
from lakeflow.engine.records import Counts
from lakeflow.pipelines.elements import Expectation

VIOLATIONS_COLUMN = "_violated_expectations"
SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Check:
    """An expectation with its condition as the backend's SQL."""

    expectation: Expectation
    sql: str


@dataclass(frozen=True, slots=True)
class Staged:
    """What a batch has written.

    Args:
        main: Files of the rows that go into the table.
        quarantine: Files of the rows that are kept aside.
        counts: Of the expectations.
    """

    main: tuple[StagedFile, ...]
    quarantine: tuple[StagedFile, ...]
    counts: Counts


def quarantine_schema(schema: Schema) -> Schema:
    """Columns of the table of refused rows: those of the table, and what they violated."""
    return Schema((*schema.nullable().fields, Field(VIOLATIONS_COLUMN, Array(STRING))))


def stage(
    session: DuckDBSession,
    sql: str,
    schema: Schema,
    checks: Sequence[Check],
    *,
    dataset: str,
    folder: str,
    quarantine_folder: str | None,
    partition_columns: Sequence[str],
    location: Location,
) -> Staged:
    """Writes a batch's rows and decides about each of them.

    Args:
        session: Runs the queries.
        sql: The batch's query.
        schema: Its columns.
        checks: The dataset's expectations.
        dataset: Its name, for errors.
        folder: Where main's files go.
        quarantine_folder: Where refused rows go; None if none are kept.
        partition_columns: Of main.
        location: Of the flow, for errors.

    Raises:
        ExpectationFailed: Rows violate an expectation that fails the update; nothing is left
            of what was written.
    """
    written = session.stage(sql, folder, partition_columns, location)
    failpoint("stage.partial")
    if not checks or not written:
        return Staged(written, (), Counts({c.expectation.name: (0, 0) for c in checks}))
    relation = parquet_relation([file.path for file in written], schema)
    total, failed, dropped, quarantined = _count(session, relation, checks)
    for check, count in zip(checks, failed, strict=True):
        if check.expectation.violation == "fail" and count:
            error = _failure(session, relation, check, count, dataset, schema)
            discard(written)
            raise error
    counts = Counts(
        {
            check.expectation.name: (total - count, count)
            for check, count in zip(checks, failed, strict=True)
        },
        dropped,
        quarantined,
    )
    if dropped + quarantined == 0:
        return Staged(written, (), counts)
    refusing = _any(checks, "drop", "quarantine")
    main = session.stage(
        f"SELECT * FROM ({relation}) WHERE NOT ({refusing})", folder, partition_columns, location
    )
    kept_aside: tuple[StagedFile, ...] = ()
    if quarantined and quarantine_folder is not None:
        kept_aside = session.stage(
            f"SELECT *, {_violated(checks)} AS {VIOLATIONS_COLUMN} FROM ({relation}) "
            f"WHERE {_any(checks, 'quarantine')}",
            quarantine_folder,
            (),
            location,
        )
    discard(written)
    return Staged(main, kept_aside, counts)


def discard(files: Sequence[StagedFile]) -> None:
    """Removes staged files that no record names."""
    for file in files:
        Path(file.path).unlink(missing_ok=True)


def _count(
    session: DuckDBSession, relation: str, checks: Sequence[Check]
) -> tuple[int, list[int], int, int]:
    """Rows in all, violations per expectation, rows to drop, rows to keep aside."""
    violations = [f"count(*) FILTER (WHERE {_violates(check)})" for check in checks]
    quarantine, refused = _any(checks, "quarantine"), _any(checks, "drop", "quarantine")
    found = session.rows(
        f"SELECT count(*), {', '.join(violations)}, count(*) FILTER (WHERE {quarantine}), "
        f"count(*) FILTER (WHERE {refused}) FROM ({relation})"
    )[0]
    total, *failed, quarantined, all_refused = map(int, found)
    return total, failed, all_refused - quarantined, quarantined


def _violates(check: Check) -> str:
    """TRUE where the condition is FALSE or NULL."""
    return f"({check.sql}) IS NOT TRUE"


def _any(checks: Sequence[Check], *violations: str) -> str:
    found = [_violates(check) for check in checks if check.expectation.violation in violations]
    return f"({' OR '.join(found)})" if found else "false"


def _violated(checks: Sequence[Check]) -> str:
    names = ", ".join(
        f"CASE WHEN {_violates(check)} THEN {literal(check.expectation.name)} END"
        for check in checks
    )
    return f"list_filter([{names}], lambda name: name IS NOT NULL)"


def _failure(
    session: DuckDBSession,
    relation: str,
    check: Check,
    count: int,
    dataset: str,
    schema: Schema,
) -> ExpectationFailed:
    rows = session.rows(f"SELECT * FROM ({relation}) WHERE {_violates(check)} LIMIT {SAMPLE}")
    shown = "\n".join(
        "    " + ", ".join(f"{n}={v!r}" for n, v in zip(schema.names, row, strict=True))
        for row in rows
    )
    expectation = check.expectation
    return ExpectationFailed(
        f"{count} {'row violates' if count == 1 else 'rows violate'} the expectation "
        f"{expectation.name!r} of {dataset}: {expectation.condition}\n{shown}",
        condition="EXPECTATION_VIOLATION",
        location=expectation.location,
        hint="Nothing of this batch was written. Correct the source, or let the expectation drop "
        "or quarantine such rows.",
    )


def relative(path: str, place: str) -> str:
    """A staged file's path within its table's folder."""
    return os.path.relpath(path, place)
