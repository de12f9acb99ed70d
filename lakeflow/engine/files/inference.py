"""The schema of files that nobody described, from a sample that is always the same."""

from __future__ import annotations

from dataclasses import replace

from lakeflow.connect.source import FileEntry, FileScan
from lakeflow.core.errors import DataError
from lakeflow.core.schema import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    STRING,
    TIMESTAMP,
    DataType,
    Decimal,
    Field,
    Schema,
    Struct,
)
from lakeflow.engine.files import csv_files, json_files, parquet_files, sql
from lakeflow.engine.files.evolution import new_fields
from lakeflow.engine.files.hints import apply_hints
from lakeflow.engine.files.options import RESCUED_COLUMN, ReadOptions, read_options
from lakeflow.engine.files.partitions import partition_values
from lakeflow.engine.files.reading import Reading, relation
from lakeflow.engine.files.values import conversion
from lakeflow.engine.files.widening import merged, without_void

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


def infer(scan: FileScan, reading: Reading) -> Schema:
    """The columns of files: their names, with the narrowest types that hold every value.

    Folders such as `year=2024` are columns too.

    Args:
        scan: The files.
        reading: How they are read.

    Raises:
        DataError: No file has a row, so there is no column to be found.
        UnsupportedError: A file has a column that no table can hold.
    """
    options = read_options(scan, reading.location)
    scan = replace(scan, files=sample(scan.files))
    found = _seen(scan, options, reading, typed=options.infer_types)
    if not found:
        raise DataError(
            "The columns of the files cannot be inferred: none of them has a row.",
            condition="UNABLE_TO_INFER_SCHEMA",
            location=reading.location,
            hint="Give the columns: schema => 'id BIGINT, ...'."
            if scan.format != "json"
            else "Give the columns: schema => 'id BIGINT, ...'; or, if the files are arrays or "
            "documents of several lines, multiLine => true.",
        )
    folders = [field for field, _ in partition_values(scan, options).values()]
    own = tuple(f for f in found if Schema(tuple(folders)).find(f.name) is None)
    if options.infer_types and folders:
        folders = _typed_folders(scan, folders, options, reading)
    schema = Schema(tuple(replace(f, type=without_void(f.type)) for f in (*own, *folders)))
    return apply_hints(schema, options.hints, reading.location) if options.hints else schema


def new_columns(scan: FileScan, known: Schema, reading: Reading) -> tuple[str, ...]:
    """Columns of a batch's files, and fields of their structs, that a schema does not have."""
    options = read_options(scan, reading.location)
    # For a name its type does not matter, except where it holds names itself.
    seen = _seen(scan, options, reading, typed=False)
    folders = partition_values(scan, options)
    names: list[str] = []
    new_fields(known.fields, tuple(f for f in seen if f.name.lower() not in folders), names)
    return tuple(names)


def _seen(scan: FileScan, options: ReadOptions, reading: Reading, *, typed: bool) -> Schema:
    """The files' own columns."""
    if options.format == "json":
        found = _json_schema(scan, options, reading)
        if options.infer_types:
            return _with_long_integers(scan, found, reading) if typed else found
        return Schema(tuple(replace(f, type=STRING) for f in found))
    if options.format == "parquet":
        schema = Schema(())
        for group in parquet_files.groups(reading.connection, scan.files):
            one = parquet_files.spark_schema(group, scan.files, reading.location)
            schema = merged(schema, one)
        return schema
    names: dict[str, str] = {}
    for header in csv_files.headers(scan.files, options, reading.location):
        for name in header or ():
            names.setdefault(name.lower(), name)
    texts = Schema(tuple(Field(name, STRING) for name in names.values()))
    if not typed or not texts:
        return texts
    rows = _texts(scan, texts, reading)
    kinds = _narrowest(rows, texts, options, reading)
    return Schema(tuple(Field(n, kind) for n, kind in zip(texts.names, kinds, strict=True)))


def _json_schema(scan: FileScan, options: ReadOptions, reading: Reading) -> Schema:
    """The keys of all records, with types as JSON tells them."""
    schema = Schema(())
    parts = json_files.sources(
        scan.files,
        options,
        careful=reading.careful,
        scratch=reading.scratch,
        location=reading.location,
    )
    for part in parts:
        row = reading.connection.execute(json_files.structure_query(part)).fetchone()
        assert row is not None
        if row[0] is None:
            continue
        found = json_files.read_structure(row[0])
        if isinstance(found, Struct):
            schema = merged(schema, Schema(found.fields))
    return Schema(tuple(sorted(schema, key=lambda field: field.name)))


def _with_long_integers(scan: FileScan, schema: Schema, reading: Reading) -> Schema:
    """The schema with types for integers of more digits than BIGINT has, where there are any."""
    suspects = [f for f in schema if f.type in (BIGINT, DOUBLE)]
    if not suspects:
        return schema
    texts = Schema(tuple(replace(f, type=STRING) for f in suspects))
    rows = _texts(scan, texts, reading)
    checks = []
    for field in texts:
        column = sql.name(field.name)
        long = f"regexp_full_match({column}, '-?[0-9]{{19,}}')"
        long += f" AND TRY_CAST({column} AS BIGINT) IS NULL"
        checks.append(f"max(CASE WHEN {long} THEN length(ltrim({column}, '-')) END)")
    widths = reading.connection.execute(f"SELECT {', '.join(checks)} FROM ({rows})").fetchone()
    assert widths is not None
    kinds: dict[str, DataType] = {}
    for field, width in zip(suspects, widths, strict=True):
        if width is not None:
            exact = field.type == BIGINT and width <= 38
            kinds[field.name] = Decimal(38, 0) if exact else STRING
    return Schema(tuple(replace(f, type=kinds.get(f.name, f.type)) for f in schema))


def _texts(scan: FileScan, texts: Schema, reading: Reading) -> str:
    """The SELECT of columns as text; what does not fit them is no matter of inference."""
    return relation(replace(scan, root=""), texts, reading, rescued_column=RESCUED_COLUMN)


def _typed_folders(
    scan: FileScan, folders: list[Field], options: ReadOptions, reading: Reading
) -> list[Field]:
    """The columns of folders with the narrowest types that hold their values."""
    values = partition_values(scan, options)
    rows = zip(*(values[field.name.lower()][1] for field in folders), strict=True)
    texts = Schema(tuple(folders))
    listed = ", ".join(
        "(" + ", ".join("NULL::VARCHAR" if v is None else sql.text(v) for v in row) + ")"
        for row in dict.fromkeys(rows)
    )
    names = ", ".join(sql.name(name) for name in texts.names)
    table = f"SELECT * FROM (VALUES {listed}) AS folders({names})"
    kinds = _narrowest(table, texts, options, reading)
    return [replace(field, type=kind) for field, kind in zip(folders, kinds, strict=True)]


def _narrowest(rows: str, texts: Schema, options: ReadOptions, reading: Reading) -> list[DataType]:
    """For each column the first candidate that takes all of its texts."""
    checks = []
    for field in texts:
        column = sql.name(field.name)
        checks.append(f"count({column})")
        checks.append(f"count(*) FILTER (WHERE regexp_full_match({column}, '{_CODE}'))")
        for kind in _CANDIDATES:
            found = conversion(
                kind, options, reading.time_zone, Field(field.name, kind), reading.location
            )
            value = "NULL" if found is None else found.of(column)
            checks.append(f"count(*) FILTER (WHERE {column} IS NOT NULL AND ({value}) IS NULL)")
    counts = reading.connection.execute(f"SELECT {', '.join(checks)} FROM ({rows})").fetchone()
    assert counts is not None
    width = len(_CANDIDATES) + 2
    kinds: list[DataType] = []
    for n in range(len(texts)):
        present, codes, *misfits = counts[n * width : (n + 1) * width]
        fits = [kind for kind, misfit in zip(_CANDIDATES, misfits, strict=True) if misfit == 0]
        numeric = bool(fits) and fits[0] in (BIGINT, DOUBLE)
        kinds.append(STRING if not present or not fits or (numeric and codes) else fits[0])
    return kinds
