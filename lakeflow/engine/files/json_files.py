"""JSON files: one record a line or one document a file, as the text of each record."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from lakeflow.connect.source import FileEntry
from lakeflow.core.errors import UnsupportedError
from lakeflow.core.location import Location
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
from lakeflow.engine.files.disk import FileError, decoding, local, open_bytes, open_text
from lakeflow.engine.files.options import ReadOptions

BATCH_BYTES = 1 << 24
LARGEST = 1 << 24
"""Bytes of the largest record that DuckDB's reader takes in its usual memory."""
LONGEST = 1 << 26
"""Characters of the longest line that is read here."""
DEEPEST = 8
"""How deep inferred types are nested; what lies deeper is text."""

_STRUCTURES: dict[str, DataType] = {
    "BOOLEAN": BOOLEAN,
    "BIGINT": BIGINT,
    "UBIGINT": BIGINT,
    "HUGEINT": BIGINT,  # where some are negative and others are not, however small
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
        source: SQL of a table of JSON text `line`, its `number` in the file (NULL if unknown) and
            the file's `position`.
        valid: Every line is known to be JSON.
    """

    positions: tuple[int, ...]
    source: str
    valid: bool


def sources(
    files: tuple[FileEntry, ...],
    options: ReadOptions,
    *,
    careful: frozenset[str],
    scratch: Path,
    location: Location | None = None,
) -> list[JsonSource]:
    """The files by what reads them.

    Args:
        files: Files of the scan.
        options: How to read them.
        careful: Paths that DuckDB refused, to be read line by line here.
        scratch: Folder for lines that were read here.
        location: Where the user wrote the read.

    Raises:
        UnsupportedError: A document over several lines is not UTF-8.
    """
    if options.multi_line and options.encoding != "utf-8":
        raise UnsupportedError(
            f"JSON documents over several lines are read as UTF-8 only, not {options.encoding}.",
            location=location,
        )
    found: list[JsonSource] = []
    together: dict[str, list[int]] = {}
    for position, entry in enumerate(files):
        if not entry.size:
            continue
        if options.multi_line:
            with decoding(entry, options):
                together.setdefault(_document(entry), []).append(position)
        elif entry.path in careful or not _is_native(entry.path, options):
            rows = _store(entry, options, scratch)
            source = (
                f"(SELECT line, number, {position} AS position"
                f" FROM read_parquet({sql.path(str(rows))}))"
            )
            found.append(JsonSource((position,), source, valid=False))
        else:
            together.setdefault("newline_delimited", []).append(position)
    for layout, positions in together.items():
        found.append(_native(files, positions, layout))
    return sorted(found, key=lambda part: part.positions)


def _is_native(path: str, options: ReadOptions) -> bool:
    suffix = Path(local(path)).suffix.lower()
    return options.encoding == "utf-8" and not options.line_sep and suffix != ".bz2"


def _native(files: tuple[FileEntry, ...], positions: list[int], layout: str) -> JsonSource:
    paths = ", ".join(sql.path(local(files[n].path)) for n in positions)
    largest = LARGEST
    if layout == "unstructured":
        # One document may be the whole file, and a compressed one is larger than its file.
        largest = max(LARGEST, *(_document_size(files[n]) for n in positions))
    place = str(positions[0])
    if len(positions) > 1:
        place = f"list_extract({positions}, file_index::BIGINT + 1)"
    reader = f"read_json_objects([{paths}], format = '{layout}', hive_partitioning = false"
    source = f"(SELECT json::VARCHAR AS line, NULL::BIGINT AS number, {place} AS position"
    source += f" FROM {reader}, maximum_object_size = {largest}))"
    return JsonSource(tuple(positions), source, valid=True)


def _document_size(entry: FileEntry) -> int:
    compressed = Path(local(entry.path)).suffix.lower() in (".gz", ".zst")
    return min((20 if compressed else 1) * entry.size + 1, 2**32 - 1)


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
    schema = pa.schema([("line", pa.string()), ("number", pa.int64())])
    with (
        open_text(entry.path, options.encoding) as stream,
        decoding(entry, options),
        pq.ParquetWriter(target, schema, compression="snappy") as writer,
    ):
        lines: list[str] = []
        numbers: list[int] = []
        size = 0
        for number, line in enumerate(_lines(stream, entry, options), 1):
            text = line.strip(" \t\r\n")
            if text:
                lines.append(text)
                numbers.append(number)
                size += len(text)
            if size > BATCH_BYTES:
                writer.write_table(pa.table([lines, numbers], schema=schema))
                lines, numbers, size = [], [], 0
        writer.write_table(pa.table([lines, numbers], schema=schema))
    return target


def _lines(stream: TextIO, entry: FileEntry, options: ReadOptions) -> Iterator[str]:
    """Lines that end as the option says; otherwise by any of the usual three ends."""
    ends = re.compile(re.escape(options.line_sep) if options.line_sep else "\r\n|\r|\n")
    rest = ""
    while piece := stream.read(1 << 18):
        if piece.endswith("\r"):
            piece += stream.read(1)
        *whole, rest = ends.split(rest + piece)
        yield from whole
        if len(rest) > LONGEST:
            raise FileError(
                f"The file {entry.path} has a line of more than {LONGEST} characters.",
                file=entry.path,
                hint="If it is one document, read it with multiLine => true.",
            )
    yield rest


def structure_query(source: JsonSource) -> str:
    """The query for the description of all records of a source that are objects."""
    return (
        "SELECT json_group_structure(line::JSON)::VARCHAR"
        f" FROM {source.source} WHERE starts_with(line, '{{') AND json_valid(line)"
    )


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^"{}\[\]]+')


def read_structure(text: str) -> DataType:
    """The type of records that DuckDB describes so."""
    import json

    return _type(json.loads(_shallow(text)))


def _shallow(text: str) -> str:
    """The description without what is nested too deep to be a type."""
    parts: list[str] = []
    depth = 0
    for token in _TOKEN.findall(text):
        if token in "{[":
            depth += 1
            if depth == DEEPEST + 1:
                parts.append('"JSON"')
        if depth <= DEEPEST:
            parts.append(token)
        if token in "}]":
            depth -= 1
    return "".join(parts)


def _type(structure: object) -> DataType:
    match structure:
        case dict():
            names: dict[str, Field] = {}
            # By name as Spark has them, for DuckDB tells them in the order its threads came by.
            for name, inner in sorted(structure.items()):
                # A table has no two names that differ by case only, and none that is empty.
                if name and name.lower() not in names:
                    names[name.lower()] = Field(name, _type(inner))
            return Struct(tuple(names.values())) if names else STRING
        case [element]:
            return Array(_type(element))
    return _STRUCTURES[str(structure)]
