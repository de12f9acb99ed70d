"""JSON files: one record a line or one document a file, as JSON text and as typed columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lakeflow.connect.source import FileEntry
from lakeflow.core.errors import UnsupportedError
from lakeflow.core.schema import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    STRING,
    VOID,
    Array,
    DataType,
    Field,
    Struct,
)
from lakeflow.engine.files import sql
from lakeflow.engine.files.csv_files import decoding
from lakeflow.engine.files.disk import local, open_bytes, open_text
from lakeflow.engine.files.options import ReadOptions

BATCH_BYTES = 1 << 24
LARGEST = 1 << 24
"""Bytes of the largest record that DuckDB's reader takes in its usual memory."""

_STRUCTURES: dict[str, DataType] = {
    "BOOLEAN": BOOLEAN,
    "BIGINT": BIGINT,
    "UBIGINT": BIGINT,
    "HUGEINT": BIGINT,
    "DOUBLE": DOUBLE,
    "VARCHAR": STRING,
    "NULL": VOID,
    "JSON": STRING,
}


@dataclass(frozen=True, slots=True)
class JsonSource:
    """A table of records.

    Args:
        positions: The files that it reads, by their places in the scan.
        source: SQL of a table of JSON text `line` and the file's `position`.
        valid: Every line is known to be JSON.
    """

    positions: tuple[int, ...]
    source: str
    valid: bool


def sources(
    files: tuple[FileEntry, ...], options: ReadOptions, *, careful: frozenset[str], scratch: Path
) -> list[JsonSource]:
    """The files by what reads them."""
    found: list[JsonSource] = []
    together: dict[str, list[int]] = {}
    for position, entry in enumerate(files):
        if not entry.size:
            continue
        if options.multi_line:
            _refuse_encoding(options)
            with decoding(entry, options):
                together.setdefault(_document(entry), []).append(position)
        elif entry.path in careful or options.encoding != "utf-8" or options.line_sep:
            rows = _store(entry, options, scratch)
            source = (
                f"(SELECT line, {position} AS position FROM read_parquet({sql.text(str(rows))}))"
            )
            found.append(JsonSource((position,), source, valid=False))
        else:
            together.setdefault("newline_delimited", []).append(position)
    for layout, positions in together.items():
        paths = ", ".join(sql.path(local(files[n].path)) for n in positions)
        largest = LARGEST
        if options.multi_line:
            # A compressed document is larger than its file; 4 GB is the reader's own limit.
            largest = max(LARGEST, *(min(20 * files[n].size, 2**32 - 1) for n in positions))
        place = str(positions[0])
        if len(positions) > 1:
            place = f"list_extract({positions}, file_index::BIGINT + 1)"
        reader = f"read_json_objects([{paths}], format = '{layout}', hive_partitioning = false"
        source = f"(SELECT json::VARCHAR AS line, {place} AS position"
        source += f" FROM {reader}, maximum_object_size = {largest}))"
        found.append(JsonSource(tuple(positions), source, valid=True))
    return sorted(found, key=lambda part: part.positions)


def _refuse_encoding(options: ReadOptions) -> None:
    if options.encoding != "utf-8":
        raise UnsupportedError(
            f"JSON documents over several lines are read as UTF-8 only, not {options.encoding}."
        )


def _document(entry: FileEntry) -> str:
    with open_bytes(entry.path) as stream:
        start = stream.read(1 << 16).lstrip(b"\xef\xbb\xbf \t\r\n")
    return "array" if start.startswith(b"[") else "unstructured"


def _store(entry: FileEntry, options: ReadOptions, scratch: Path) -> Path:
    """Reads a file line by line into a Parquet file, valid JSON or not."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    digest = hashlib.sha256(f"{entry.path}\0{entry.modified}".encode()).hexdigest()[:16]
    target = scratch / f"lines-{digest}.parquet"
    schema = pa.schema([("line", pa.string())])
    with (
        open_text(entry.path, options.encoding) as stream,
        decoding(entry, options),
        pq.ParquetWriter(target, schema, compression="snappy") as writer,
    ):
        lines: list[str] = []
        size = 0
        for line in _lines(stream, options):
            if line.strip():
                lines.append(line.strip(" \t\r\n"))
                size += len(line)
            if size > BATCH_BYTES:
                writer.write_table(pa.table([lines], schema=schema))
                lines, size = [], 0
        writer.write_table(pa.table([lines], schema=schema))
    return target


def _lines(stream: Iterator[str], options: ReadOptions) -> Iterator[str]:
    if not options.line_sep:
        yield from stream
        return
    rest = ""
    for piece in stream:
        *whole, rest = (rest + piece).split(options.line_sep)
        yield from whole
    yield rest


def structure_type(structure: object) -> DataType:
    """The type that DuckDB's description of some JSON values stands for."""
    match structure:
        case dict():
            return Struct(tuple(Field(k, structure_type(v)) for k, v in structure.items()))
        case [element]:
            return Array(structure_type(element))
    return _STRUCTURES[str(structure)]


def structure_query(source: str) -> str:
    """The query for the description of all records of a source that are objects."""
    return (
        f"SELECT json_group_structure(line::JSON)::VARCHAR FROM {source}"
        " WHERE starts_with(line, '{') AND json_valid(line)"
    )
