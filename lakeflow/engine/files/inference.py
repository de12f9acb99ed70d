"""The schema of files that nobody described, from a sample that is always the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow.connect.source import FileEntry, FileScan
from lakeflow.core.errors import DataError
from lakeflow.core.location import Location
from lakeflow.core.schema import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    STRING,
    TIMESTAMP,
    DataType,
    Field,
    Schema,
)
from lakeflow.engine.files import csv_files, sql
from lakeflow.engine.files.hints import apply_hints
from lakeflow.engine.files.options import ReadOptions, read_options
from lakeflow.engine.files.reading import relation
from lakeflow.engine.files.values import conversion

if TYPE_CHECKING:
    import duckdb

SAMPLE_FILES = 1000
SAMPLE_BYTES = 50 * 10**9
_CANDIDATES: tuple[DataType, ...] = (BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMP)
# A number that begins with a zero is a code, and one too long for DOUBLE would lose digits.
_CODE = r"[+-]?0[0-9].*|[+-]?[0-9]{16,}"


def sample(files: tuple[FileEntry, ...]) -> tuple[FileEntry, ...]:
    """The files that inference looks at: the first thousand, or 50 GB of them."""
    taken, size = 0, 0
    for file in files[:SAMPLE_FILES]:
        if taken and size + file.size > SAMPLE_BYTES:
            break
        taken, size = taken + 1, size + file.size
    return files[:taken]


def infer(
    connection: duckdb.DuckDBPyConnection,
    scan: FileScan,
    *,
    scratch: Path,
    location: Location | None = None,
) -> Schema:
    """The columns of CSV files: their headers' names, the narrowest types that hold every value.

    Args:
        connection: Looks at the values.
        scan: The files.
        scratch: Folder for rows that DuckDB does not read.
        location: Where the user wrote the read.

    Raises:
        DataError: No file has a row, so there is no column to be found.
    """
    options = read_options(scan, location)
    scan = FileScan(sample(scan.files), scan.format, scan.options)
    names = column_names(scan, options, location)
    if not names:
        raise DataError(
            "The columns of the files cannot be inferred: none of them has a row.",
            condition="UNABLE_TO_INFER_SCHEMA",
            location=location,
            hint="Give the columns: schema => 'id BIGINT, ...'.",
        )
    texts = Schema(tuple(Field(name, STRING) for name in names))
    kinds: list[DataType] = [STRING] * len(names)
    if options.infer_types:
        rows = relation(scan, texts, scratch=scratch, location=location)
        kinds = _narrowest(connection, rows, texts, options, location)
    schema = Schema(tuple(Field(n, kind) for n, kind in zip(names, kinds, strict=True)))
    return apply_hints(schema, options.hints, location) if options.hints else schema


def column_names(
    scan: FileScan, options: ReadOptions, location: Location | None
) -> tuple[str, ...]:
    """The names in the headers of all files, each once; `_c0` and so on without a header."""
    found: dict[str, str] = {}
    for header in csv_files.headers(scan.files, options, location):
        for name in header or ():
            found.setdefault(name.lower(), name)
    return tuple(found.values())


def new_columns(
    scan: FileScan, known: Schema, *, location: Location | None = None
) -> tuple[str, ...]:
    """Columns of a batch's files that a schema does not have."""
    options = read_options(scan, location)
    names = column_names(scan, options, location)
    return tuple(name for name in names if known.find(name) is None)


def _narrowest(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    texts: Schema,
    options: ReadOptions,
    location: Location | None,
) -> list[DataType]:
    """For each column the first candidate that takes all of its texts."""
    checks = []
    for field in texts:
        column = sql.name(field.name)
        checks.append(f"count({column})")
        checks.append(f"count(*) FILTER (WHERE regexp_full_match({column}, '{_CODE}'))")
        for kind in _CANDIDATES:
            found = conversion(kind, options, "UTC", Field(field.name, kind), location)
            value = "NULL" if found is None else found.of(column)
            checks.append(f"count(*) FILTER (WHERE {column} IS NOT NULL AND ({value}) IS NULL)")
    counts = connection.execute(f"SELECT {', '.join(checks)} FROM ({rows})").fetchone()
    assert counts is not None
    width = len(_CANDIDATES) + 2
    kinds: list[DataType] = []
    for n in range(len(texts)):
        present, codes, *misfits = counts[n * width : (n + 1) * width]
        fits = [kind for kind, misfit in zip(_CANDIDATES, misfits, strict=True) if misfit == 0]
        numeric = bool(fits) and fits[0] in (BIGINT, DOUBLE)
        kinds.append(STRING if not present or not fits or (numeric and codes) else fits[0])
    return kinds
