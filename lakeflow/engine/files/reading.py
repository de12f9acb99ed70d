"""A file scan as one SELECT, and the reading of it: files checked before and after."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lakeflow.backends.messages import translated
from lakeflow.connect.source import FileScan
from lakeflow.core.errors import LakeflowError
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.engine.files import csv_files, json_files, parquet_files, sql
from lakeflow.engine.files.absent import Absent, absent_columns
from lakeflow.engine.files.disk import FileError, FileState, verify, verify_unchanged
from lakeflow.engine.files.failures import Retry, translate
from lakeflow.engine.files.json_values import Nested, Scalar, json_conversion, refuse_deep
from lakeflow.engine.files.options import ReadOptions, read_options
from lakeflow.engine.files.partitions import partition_values
from lakeflow.engine.files.records import Records
from lakeflow.engine.files.rows import METADATA, Cell, Output, TextSource, select
from lakeflow.engine.files.values import Conversion, conversion

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """How scans are read.

    Args:
        connection: Looks into the files.
        scratch: Folder for rows that are read here and not by DuckDB; needed while the query runs.
        time_zone: Zone of timestamps that do not say one.
        location: Where the user wrote the read.
        careful: Paths of text files that DuckDB refused, to be read row by row here.
        absent: Takes what a file lacks of the columns; None where it may lack some.
    """

    connection: duckdb.DuckDBPyConnection
    scratch: Path
    time_zone: str
    location: Location | None = None
    careful: frozenset[str] = frozenset()
    absent: Callable[[Absent], None] | None = None


def relation(
    scan: FileScan,
    schema: Schema,
    reading: Reading,
    *,
    metadata: bool = False,
    rescued_column: str | None = None,
) -> str:
    """The SELECT that gives the rows of a scan in the columns of a schema.

    Args:
        scan: Files, format and options.
        schema: The columns wanted, in order.
        reading: How it is read.
        metadata: Adds the struct `_metadata`.
        rescued_column: Name of the JSON text of what did not fit; None without it.

    Raises:
        DataError: A file's header is not valid, or the file is damaged.
        UnsupportedError: An option or a column's type is not supported.
    """
    options = read_options(scan, reading.location)
    output = Output(
        schema,
        rescued_column,
        metadata,
        options,
        reading.time_zone,
        scan.files,
        partition_values(scan, options),
    )
    of_format = {"csv": _csv_parts, "json": _json_parts, "parquet": _parquet_parts}
    return " UNION ALL ".join(of_format[scan.format](output, reading)) or _nothing(output)


def _nothing(output: Output) -> str:
    fields = list(output.schema)
    columns = [f"NULL::{sql.type_name(f.type)} AS {sql.name(f.name)}" for f in fields]
    if output.rescued and not output.schema.find(output.rescued):
        columns.append(f"NULL::VARCHAR AS {sql.name(output.rescued)}")
    if output.metadata:
        columns.append(f"NULL::{sql.type_name(METADATA.type)} AS _metadata")
    return f"SELECT {', '.join(columns)} WHERE FALSE"


def _text_conversions(output: Output, reading: Reading) -> dict[str, Conversion | None]:
    """How texts become the columns of the data."""
    return {
        found.name: conversion(
            found.type, output.options, output.time_zone, found, reading.location
        )
        for found in output.data
    }


def _csv_parts(output: Output, reading: Reading) -> list[str]:
    options = output.options
    conversions = _text_conversions(output, reading)
    groups = csv_files.groups(
        output.files,
        options,
        careful=reading.careful,
        raw=output.corrupt is not None,
        scratch=reading.scratch,
        location=reading.location,
    )
    parts = []
    for group in groups:
        places = _places(group.names, output, options)
        if options.header:
            _tell_absent(group.names, places, group.positions, output, reading)
        cells = []
        for found in output.data:
            text = output.folder_value(found.name, group.positions)
            if text is None and found.name in places:
                text = csv_files.cell(places[found.name], options, native=group.native)
            cells.append(Cell(found, text, conversions[found.name]))
        others = tuple(
            (name, csv_files.cell(n, options, native=group.native))
            for n, name in enumerate(group.names)
            if n not in places.values()
        )
        source = TextSource(group.source, group.positions, tuple(cells), others, group.native)
        parts.append(select(source, output))
    return parts


def _places(names: tuple[str, ...], output: Output, options: ReadOptions) -> dict[str, int]:
    """Where a file has each column of the schema: by name, without a header by order."""
    if options.format == "csv" and not options.header:
        own = [found for found in output.data if found.name.lower() not in output.partitions]
        return {found.name: n for n, found in enumerate(own[: len(names)])}
    if options.case_sensitive:
        return {f.name: names.index(f.name) for f in output.data if f.name in names}
    lowered = [name.lower() for name in names]
    return {f.name: lowered.index(f.name.lower()) for f in output.data if f.name.lower() in lowered}


def _tell_absent(
    names: tuple[str, ...],
    places: Mapping[str, int],
    positions: tuple[int, ...],
    output: Output,
    reading: Reading,
) -> None:
    if reading.absent is not None:
        path = output.files[positions[0]].path
        for found in absent_columns(names, places, path, output, reading.location):
            reading.absent(found)


def _json_parts(output: Output, reading: Reading) -> list[str]:
    options, location = output.options, reading.location
    for found in output.data:
        refuse_deep(found, location)
    texts = _text_conversions_of_folders(output, reading)
    conversions: dict[str, Scalar | Nested] = {
        found.name: texts.get(found.name)
        or json_conversion(found.type, options, output.time_zone, found, location)
        for found in output.data
    }
    parts = json_files.sources(
        output.files,
        options,
        careful=reading.careful,
        scratch=reading.scratch,
        location=location,
    )
    return [
        Records(
            part,
            conversions,
            {
                name: f"to_json({output.folder_value(name, part.positions)})::VARCHAR"
                for name in texts
            },
            output,
        ).select()
        for part in parts
    ]


def _text_conversions_of_folders(output: Output, reading: Reading) -> dict[str, Scalar]:
    """How the JSON strings of what folders say become columns."""
    return {
        found.name: Scalar(
            lambda x: f"({x}::JSON ->> '$')",
            conversion(found.type, output.options, output.time_zone, found, reading.location),
        )
        for found in output.data
        if found.name.lower() in output.partitions
    }


def _parquet_parts(output: Output, reading: Reading) -> list[str]:
    options = output.options
    parts = []
    for group in parquet_files.groups(reading.connection, output.files):
        names = tuple(name for name, _ in group.columns)
        places = _places(names, output, options)
        _tell_absent(names, places, group.positions, output, reading)
        file = output.files[group.positions[0]].path
        cells = []
        for found in output.data:
            text = output.folder_value(found.name, group.positions)
            if text is not None:
                how = conversion(found.type, options, output.time_zone, found, reading.location)
                cells.append(Cell(found, text, how))
            elif found.name in places:
                n = places[found.name]
                kind = group.columns[n][1]
                spark = parquet_files.spark_type(kind, names[n], file, reading.location)
                how = parquet_files.conversion(kind, spark, found.type)
                cells.append(Cell(found, f"c{n}", how))
            else:
                cells.append(Cell(found, None, None))
        others = tuple((name, f"c{n}") for n, name in enumerate(names) if n not in places.values())
        source = TextSource(group.source, group.positions, tuple(cells), others, native=True)
        parts.append(select(source, output))
    return parts


@dataclass
class FileReads:
    """What one flow reads of files: checked before and after, and read again where it must be.

    Text that DuckDB's readers refuse is read again row by row.

    Args:
        reading: How files are read; its scratch folder is of this flow alone.
    """

    reading: Reading
    _careful: set[str] = field(default_factory=set)
    _skipped: set[str] = field(default_factory=set)
    _absent: dict[str, Absent] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _scans: list[tuple[FileScan, Location]] = field(default_factory=list)
    _states: list[tuple[dict[str, FileState], Location]] = field(default_factory=list)

    def run(self, work: Callable[[], T]) -> T:
        """Does work that reads scans by `relation`, from the beginning until none is refused.

        Raises:
            LakeflowError: Why it failed, in the user's words.
        """
        while True:
            self._scans.clear()
            self._states.clear()
            try:
                return work()
            except LakeflowError as error:
                if not any(self._mended(error, *scan) for scan in self._scans):
                    raise
            finally:
                shutil.rmtree(self.reading.scratch, ignore_errors=True)

    def relation(
        self,
        scan: FileScan,
        schema: Schema,
        location: Location,
        *,
        metadata: bool,
        rescued_column: str | None,
        declared: bool,
    ) -> str:
        """The SELECT of a scan; see the function `relation`.

        Args:
            scan: Files, format and options.
            schema: The columns wanted, in order.
            location: Where the user wrote the read.
            metadata: Adds the struct `_metadata`.
            rescued_column: Name of the JSON text of what did not fit; None without it.
            declared: Whether the user wrote the columns, so that each file should have them.

        Raises:
            SourceError: A file is gone or must not be read.
            DataError: A file cannot be read.
        """

        def select(found: FileScan, reading: Reading) -> str:
            if declared:
                reading = replace(reading, absent=self._take_absent)
            return relation(
                found, schema, reading, metadata=metadata, rescued_column=rescued_column
            )

        return self.look(scan, location, select)

    def _take_absent(self, found: Absent) -> None:
        self._absent.setdefault(found.column, found)

    def absent(self) -> list[Absent]:
        """Columns of the user's schemas that files did not have, each told once."""
        new = [found for found in self._absent.values() if found.column not in self._told]
        self._told |= self._absent.keys()
        return new

    def look(self, scan: FileScan, location: Location, work: Callable[[FileScan, Reading], T]) -> T:
        """Does work on the files of a scan that are there and can be read.

        Raises:
            SourceError: A file is gone or must not be read.
            DataError: A file cannot be read.
        """
        import duckdb

        options = read_options(scan, location)
        while True:
            files = tuple(file for file in scan.files if file.path not in self._skipped)
            checked, states = verify(replace(scan, files=files), options, location)
            self.reading.scratch.mkdir(parents=True, exist_ok=True)
            reading = replace(self.reading, location=location, careful=frozenset(self._careful))
            try:
                result = work(checked, reading)
            except Exception as error:
                if self._mended(error, checked, location):
                    continue
                if isinstance(error, duckdb.Error):
                    raise translated(error, location) from error
                raise
            self._scans.append((checked, location))
            self._states.append((states, location))
            return result

    def verify(self) -> None:
        """Raises if a file changed while it was read."""
        for states, location in self._states:
            verify_unchanged(states, location)

    def _mended(self, error: Exception, scan: FileScan, location: Location) -> bool:
        """Whether reading again may help; raises what to say instead of the error, if anything."""
        failure = translate(error, scan, frozenset(self._careful), location)
        if isinstance(failure, Retry):
            self._careful |= failure.paths
            return True
        if isinstance(failure, FileError) and read_options(scan, location).ignore_corrupt:
            self._skipped.add(failure.file)
            return True
        if failure is None or failure is error:
            return False
        raise failure from error
