"""Expectations on the rows of a batch: counted, refused, kept aside.

The batch's query runs once: rows are judged on their way into the files that main will get, each
violation is counted as it passes, and refused rows are left out. Rows that are to be kept aside
are read again only where that gives the same rows for certain; else everything is written first
and parted afterwards, so that the source is not read again and no row is lost or doubled.
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
from lakeflow.dialect.types import identifier
from lakeflow.engine.records import Counts
from lakeflow.pipelines.elements import Expectation

VIOLATIONS_COLUMN = "_violated_expectations"
SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Check:
    """An expectation with its condition as the backend's SQL.

    Args:
        expectation: As it is declared.
        sql: Its condition; the same each time it is asked of a row of a batch.
        deterministic: Whether it is the same in every batch, too.
    """

    expectation: Expectation
    sql: str
    deterministic: bool = True


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


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a batch's files go.

    Args:
        folder: Main's.
        quarantine_folder: That of refused rows; None if none are kept.
        partition_columns: Of main.
    """

    folder: str
    quarantine_folder: str | None = None
    partition_columns: Sequence[str] = ()


def stage(
    session: DuckDBSession,
    sql: str,
    schema: Schema,
    checks: Sequence[Check],
    to: Destination,
    *,
    dataset: str,
    repeatable: bool,
    location: Location,
) -> Staged:
    """Writes a batch's rows and decides about each of them.

    Args:
        session: Runs the queries.
        sql: The batch's query.
        schema: Its columns.
        checks: The dataset's expectations.
        to: Where the files go.
        dataset: Its name, for errors.
        repeatable: Whether the query gives the same rows if it is run again, each on its own.
        location: Of the flow, for errors.

    Raises:
        ExpectationFailed: Rows violate an expectation that fails the update; nothing is left
            of what was written.
    """
    if not checks:
        written = session.stage(sql, to.folder, schema, to.partition_columns, location)
        failpoint("stage.partial")
        return Staged(written, (), Counts())
    keeps_aside = to.quarantine_folder is not None and any(
        check.expectation.violation == "quarantine" for check in checks
    )
    found = _Rows(session, sql, schema, tuple(checks), to, dataset, location)
    if keeps_aside and not repeatable:
        return found.write_and_part()
    return found.judge_on_the_way(keeps_aside)


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """How many rows there were, violated each expectation, were refused, are to be kept aside."""

    total: int
    failed: tuple[int, ...]
    refused: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a batch, and where they go."""

    session: DuckDBSession
    sql: str
    schema: Schema
    checks: tuple[Check, ...]
    to: Destination
    dataset: str
    location: Location

    def judge_on_the_way(self, keeps_aside: bool) -> Staged:
        """Runs the query once, leaves refused rows out, and counts violations by sequences."""
        names = [f"lakeflow_violates_{n}" for n in range(len(self.checks))]
        judged = ", ".join(
            f"{_violates(check)} AS {name}" for name, check in zip(names, self.checks, strict=True)
        )
        refusing, quarantining, failing = (
            _any_of(names, self.checks, kinds)
            for kinds in (("drop", "quarantine"), ("quarantine",), ("fail",))
        )
        counters = self.session.counters(len(names) + 2)
        counted = " + ".join(
            f"CASE WHEN {condition} THEN {counters.count(n)} ELSE 0 END"
            for n, condition in enumerate([*names, refusing, quarantining])
        )
        # CASE, unlike AND, evaluates what follows only where it has to, and in this order.
        # A row that fails the update stays, for the error to show it.
        written = self._write(
            f"SELECT {', '.join(identifier(name) for name in self.schema.names)} "
            f"FROM (SELECT *, {judged} FROM ({self.sql})) "
            f"WHERE CASE WHEN NOT ({' OR '.join(names)}) THEN true "
            f"WHEN {counted} < 0 THEN false ELSE {failing} OR NOT {refusing} END"
        )
        *failed, refused, quarantined = counters.values()
        self._refuse_failures(written, failed)
        total = sum(file.rows for file in written) + refused
        found = _Verdicts(total, tuple(failed), refused, quarantined)
        aside: tuple[StagedFile, ...] = ()
        if keeps_aside and quarantined:
            aside = self._write_aside(self.sql)
        return Staged(written, aside, self._counts(found))

    def write_and_part(self) -> Staged:
        """Writes all rows, counts over what was written, and parts it if rows are refused."""
        written = self._write(self.sql)
        relation = parquet_relation([file.path for file in written], self.schema)
        found = self._count(relation)
        self._refuse_failures(written, found.failed)
        if not found.refused:
            return Staged(written, (), self._counts(found))
        refusing = _any(self.checks, "drop", "quarantine")
        main = self.session.stage(
            f"SELECT * FROM ({relation}) WHERE NOT {refusing}",
            self.to.folder,
            self.schema,
            self.to.partition_columns,
            self.location,
        )
        aside = self._write_aside(relation) if found.quarantined else ()
        discard(written)
        return Staged(main, aside, self._counts(found))

    def _write(self, query: str) -> tuple[StagedFile, ...]:
        written = self.session.stage(
            query, self.to.folder, self.schema, self.to.partition_columns, self.location
        )
        failpoint("stage.partial")
        return written

    def _write_aside(self, relation: str) -> tuple[StagedFile, ...]:
        assert self.to.quarantine_folder is not None
        return self.session.stage(
            f"SELECT *, {_violated(self.checks)} AS {VIOLATIONS_COLUMN} FROM ({relation}) "
            f"WHERE {_any(self.checks, 'quarantine')}",
            self.to.quarantine_folder,
            quarantine_schema(self.schema),
            (),
            self.location,
        )

    def _count(self, relation: str) -> _Verdicts:
        violations = [f"count(*) FILTER (WHERE {_violates(check)})" for check in self.checks]
        refusing, quarantining = (
            f"count(*) FILTER (WHERE {_any(self.checks, *kinds)})"
            for kinds in (("drop", "quarantine"), ("quarantine",))
        )
        found = self.session.rows(
            f"SELECT count(*), {', '.join(violations)}, {refusing}, {quarantining} "
            f"FROM ({relation})"
        )[0]
        total, *failed, refused, quarantined = map(int, found)
        return _Verdicts(total, tuple(failed), refused, quarantined)

    def _counts(self, found: _Verdicts) -> Counts:
        expectations = {
            check.expectation.name: (found.total - count, count)
            for check, count in zip(self.checks, found.failed, strict=True)
        }
        return Counts(expectations, found.refused - found.quarantined, found.quarantined)

    def _refuse_failures(self, written: Sequence[StagedFile], failed: Sequence[int]) -> None:
        for check, count in zip(self.checks, failed, strict=True):
            if check.expectation.violation == "fail" and count:
                relation = parquet_relation([file.path for file in written], self.schema)
                error = _failure(self.session, relation, check, count, self.dataset, self.schema)
                discard(written)
                raise error


def discard(files: Sequence[StagedFile]) -> None:
    """Removes staged files that no record names."""
    for file in files:
        Path(file.path).unlink(missing_ok=True)


def _violates(check: Check) -> str:
    """TRUE where the condition is FALSE or NULL."""
    return f"({check.sql}) IS NOT TRUE"


def _any(checks: Sequence[Check], *violations: str) -> str:
    return _any_of([_violates(check) for check in checks], checks, violations)


def _any_of(conditions: Sequence[str], checks: Sequence[Check], violations: Sequence[str]) -> str:
    """Whether one of the conditions is TRUE whose expectation has one of the consequences."""
    found = [
        condition
        for condition, check in zip(conditions, checks, strict=True)
        if check.expectation.violation in violations
    ]
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
