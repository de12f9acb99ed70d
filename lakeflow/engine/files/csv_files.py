"""CSV files: their headers, and their cells as text, by name or by position."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lakeflow.connect.source import FileEntry
from lakeflow.core.errors import DataError
from lakeflow.core.location import Location
from lakeflow.engine.files import sql
from lakeflow.engine.files.csv_text import CsvReader, Row
from lakeflow.engine.files.disk import contains, decoding, local, open_text
from lakeflow.engine.files.options import ReadOptions

BATCH_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class CsvGroup:
    """Files with the same columns that one query can read.

    Args:
        names: Their columns, by position.
        positions: Where each file stands in the scan.
        source: SQL of a table with `c0`, `c1`, ... and the file's position in `position`.
        native: Read by DuckDB's reader; otherwise from rows that were read here, which also have
            `extra` (members of a JSON object), `ragged`, `raw` and `number` (of the line).
    """

    names: tuple[str, ...]
    positions: tuple[int, ...]
    source: str
    native: bool


def headers(
    files: Iterable[FileEntry], options: ReadOptions, location: Location | None
) -> list[tuple[str, ...] | None]:
    """The columns' names of each file; None for a file without any row.

    Raises:
        DataError: A header names a column twice, or is not text.
    """
    return [_header(entry, options, location)[0] for entry in files]


def groups(
    files: tuple[FileEntry, ...],
    options: ReadOptions,
    *,
    careful: frozenset[str],
    raw: bool,
    scratch: Path,
    location: Location | None = None,
) -> list[CsvGroup]:
    """The files by what reads them.

    Args:
        files: Files of the scan.
        options: How to read them.
        careful: Paths that DuckDB refused, to be read row by row here.
        raw: The text of each row is wanted, which only reading row by row knows.
        scratch: Folder for rows that were read here.
        location: Where the user wrote the read.
    """
    together: dict[tuple[str, ...], list[int]] = {}
    found: list[CsvGroup] = []
    for position, entry in enumerate(files):
        names, at_start = _header(entry, options, location)
        if names is None:
            continue
        plain = at_start and len(names) > 1 and entry.path not in careful and not raw
        with decoding(entry, options):
            plain = plain and _is_native(entry.path, options)
        if plain:
            together.setdefault(names, []).append(position)
        else:
            rows = _store(entry, options, names, raw, scratch)
            source = f"(SELECT *, {position} AS position FROM read_parquet({sql.text(str(rows))}))"
            found.append(CsvGroup(names, (position,), source, native=False))
    for names, positions in together.items():
        paths = [files[n].path for n in positions]
        found.append(
            CsvGroup(
                names, tuple(positions), _native(paths, positions, names, options), native=True
            )
        )
    return sorted(found, key=lambda group: group.positions)


def _header(
    entry: FileEntry, options: ReadOptions, location: Location | None
) -> tuple[tuple[str, ...] | None, bool]:
    """The names of a file's columns, and whether its first byte belongs to its first row."""
    if not entry.size:
        return None, False
    with open_text(entry.path, options.encoding) as stream:
        reader = CsvReader(stream, options, chunk=1 << 13)
        with decoding(entry, options):
            first = next(iter(reader), None)
    if first is None:
        return None, False
    at_start = not options.skip_rows and not options.comment and reader.skipped == 0
    if not options.header:
        return tuple(f"_c{n}" for n in range(len(first.fields))), at_start
    names = tuple(_trimmed(field, options) or f"_c{n}" for n, field in enumerate(first.fields))
    twice = [name for n, name in enumerate(names) if name in names[:n]]
    if twice:
        raise DataError(
            f"The header of {entry.path} names the column {sql.name(twice[0])} twice.",
            condition="COLUMN_ALREADY_EXISTS",
            location=location,
            hint="Read the file with header => false and name its columns in a schema.",
        )
    return names, at_start


def _trimmed(field: str | None, options: ReadOptions) -> str:
    field = field or ""
    field = field.lstrip() if options.trim_left else field
    return field.rstrip() if options.trim_right else field


def _is_native(path: str, options: ReadOptions) -> bool:
    """Whether DuckDB's reader, which knows doubled quotes only, gives what Spark's rules say."""
    if Path(local(path)).suffix.lower() == ".bz2" or options.encoding != "utf-8":
        return False
    if options.line_sep or options.comment or len(options.sep.encode()) > 4:
        return False
    escape = "\\" if options.escape is None else options.escape
    if escape in ("", options.quote) or not options.quote:
        return True
    try:
        mark, quote = escape.encode("ascii"), options.quote.encode("ascii")
    except UnicodeEncodeError:
        return False
    # Escapes of another kind are literal characters to DuckDB, so a file must not have any.
    return not contains(path, mark, quote + mark)


def _native(
    paths: list[str], positions: list[int], names: tuple[str, ...], options: ReadOptions
) -> str:
    columns = ", ".join(f"'c{n}': 'VARCHAR'" for n in range(len(names)))
    keeps_quoted = bool(options.null_value or options.empty_value)
    arguments = {
        "columns": "{" + columns + "}",
        "auto_detect": "false",
        "header": str(options.header).lower(),
        "delim": sql.text(options.sep),
        "quote": sql.text(options.quote),
        "escape": sql.text(options.quote),
        "allow_quoted_nulls": str(not keeps_quoted).lower(),
        "hive_partitioning": "false",
        "strict_mode": "true",
    }
    files = ", ".join(sql.path(local(path)) for path in paths)
    said = ", ".join(f"{option} = {value}" for option, value in arguments.items())
    position = (
        f"list_extract({positions}, file_index::BIGINT + 1)" if len(paths) > 1 else positions[0]
    )
    return f"(SELECT *, {position} AS position FROM read_csv([{files}], {said}))"


def _store(
    entry: FileEntry, options: ReadOptions, names: tuple[str, ...], raw: bool, scratch: Path
) -> Path:
    """Reads a file row by row into a Parquet file, in bounded memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    digest = hashlib.sha256(f"{entry.path}\0{entry.modified}\0{raw}".encode()).hexdigest()[:16]
    target = scratch / f"rows-{digest}.parquet"
    width = len(names)
    schema = pa.schema(
        [(f"c{n}", pa.string()) for n in range(width)]
        + [("extra", pa.string()), ("ragged", pa.bool_())]
        + [("raw", pa.string()), ("number", pa.int64())]
    )
    with (
        open_text(entry.path, options.encoding) as stream,
        decoding(entry, options),
        pq.ParquetWriter(target, schema, compression="snappy") as writer,
    ):
        rows = iter(CsvReader(stream, options))
        if options.header:
            next(rows, None)
        for batch in _batches(rows):
            columns: list[list[str | None]] = [
                [row.fields[n] if n < len(row.fields) else None for row in batch]
                for n in range(width)
            ]
            extra = [_extra(row, width, options) for row in batch]
            # A separator at the end of a row is no field that could be lost.
            ragged = [
                len(row.fields) < width or beyond is not None
                for row, beyond in zip(batch, extra, strict=True)
            ]
            texts = [
                row.text if raw or uneven else None
                for row, uneven in zip(batch, ragged, strict=True)
            ]
            numbers = [row.number for row in batch]
            writer.write_table(pa.table([*columns, extra, ragged, texts, numbers], schema=schema))
    return target


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.text)
        if len(batch) >= BATCH_ROWS or size > 1 << 25:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _extra(row: Row, width: int, options: ReadOptions) -> str | None:
    """Fields beyond the last column that are not NULL, as members of a JSON object."""
    keeps_quoted = bool(options.null_value or options.empty_value)
    members = [
        f"{json.dumps(f'_c{n}')}:{json.dumps(value, ensure_ascii=False)}"
        for n, value in enumerate(row.fields[width:], width)
        if value or (value is not None and keeps_quoted)
    ]
    return ",".join(members) or None


def cell(position: int, options: ReadOptions, *, native: bool) -> str:
    """SQL of the text in one column, NULL where Spark's rules say so."""
    text = f"c{position}"
    if options.trim_left or options.trim_right:
        side = "" if options.trim_left and options.trim_right else "l" if options.trim_left else "r"
        text = f"{side}trim({text}, ' ' || chr(9))"
        text = f"nullif({text}, '')" if not options.empty_value else text
    if options.empty_value:
        text = f"CASE {text} WHEN '' THEN {sql.text(options.empty_value)} ELSE {text} END"
    if options.null_value:
        return f"nullif({text}, {sql.text(options.null_value)})"
    return text if native or options.empty_value else f"nullif({text}, '')"
