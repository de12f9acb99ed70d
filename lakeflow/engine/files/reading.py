"""A file scan as one SELECT, and reading it: the files checked before and after."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lakeflow.connect.source import FileScan
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.engine.files import csv_files, sql
from lakeflow.engine.files.disk import verify, verify_unchanged
from lakeflow.engine.files.failures import FileError, Retry, translate
from lakeflow.engine.files.options import ReadOptions, read_options
from lakeflow.engine.files.rows import METADATA, Cell, Output, TextSource, select
from lakeflow.engine.files.values import conversion

T = TypeVar("T")


def relation(
    scan: FileScan,
    schema: Schema,
    *,
    scratch: Path,
    metadata: bool = False,
    rescued_column: str | None = None,
    time_zone: str = "UTC",
    careful: frozenset[str] = frozenset(),
    location: Location | None = None,
) -> str:
    """The SELECT that gives the rows of a scan in the columns of a schema.

    Args:
        scan: Files, format and options.
        schema: The columns wanted, in order.
        scratch: Folder for rows that are read here and not by DuckDB; needed while the query runs.
        metadata: Adds the struct `_metadata`.
        rescued_column: Name of the JSON text of what did not fit; None without it.
        time_zone: Zone of timestamps that do not say one.
        careful: Paths of text files that DuckDB refused, to be read row by row here.
        location: Where the user wrote the read.

    Raises:
        DataError: A file's header is not valid.
        UnsupportedError: An option or a column's type is not supported.
    """
    options = read_options(scan, location)
    output = Output(schema, rescued_column, metadata, options, time_zone, scan.files)
    parts = _csv_parts(output, careful, scratch, location)
    return " UNION ALL ".join(parts) or _nothing(output)


def _nothing(output: Output) -> str:
    fields = list(output.schema)
    columns = [f"NULL::{sql.type_name(f.type)} AS {sql.name(f.name)}" for f in fields]
    if output.rescued and not output.schema.find(output.rescued):
        columns.append(f"NULL::VARCHAR AS {sql.name(output.rescued)}")
    if output.metadata:
        columns.append(f"NULL::{sql.type_name(METADATA.type)} AS _metadata")
    return f"SELECT {', '.join(columns)} WHERE FALSE"


def _csv_parts(
    output: Output, careful: frozenset[str], scratch: Path, location: Location | None
) -> list[str]:
    options = output.options
    conversions = {
        field.name: conversion(field.type, options, output.time_zone, field, location)
        for field in output.data
    }
    groups = csv_files.groups(
        output.files,
        options,
        careful=careful,
        raw=output.corrupt is not None,
        scratch=scratch,
        location=location,
    )
    parts = []
    for group in groups:
        places = _places(group.names, output, options)
        cells = tuple(
            Cell(
                field,
                csv_files.cell(places[field.name], options, native=group.native)
                if field.name in places
                else None,
                conversions[field.name],
            )
            for field in output.data
        )
        others = tuple(
            (name, csv_files.cell(n, options, native=group.native))
            for n, name in enumerate(group.names)
            if n not in places.values()
        )
        source = TextSource(group.source, group.positions, cells, others, group.native)
        parts.append(select(source, output))
    return parts


def _places(names: tuple[str, ...], output: Output, options: ReadOptions) -> dict[str, int]:
    """Where a file has each column of the schema: by name, without a header by order."""
    if not options.header:
        return {field.name: n for n, field in enumerate(output.data[: len(names)])}
    if options.case_sensitive:
        return {f.name: names.index(f.name) for f in output.data if f.name in names}
    lowered = [name.lower() for name in names]
    return {f.name: lowered.index(f.name.lower()) for f in output.data if f.name.lower() in lowered}


def read(
    scan: FileScan,
    schema: Schema,
    run: Callable[[str], T],
    *,
    metadata: bool = False,
    rescued_column: str | None = None,
    time_zone: str = "UTC",
    location: Location | None = None,
) -> T:
    """Reads a scan: checks its files, runs the query, and checks the files again.

    Text that DuckDB's readers refuse is read again row by row, so `run` is called once more, and
    must then begin anew.

    Args:
        scan: Files, format and options.
        schema: The columns wanted, in order.
        run: Runs the SELECT it is given, completely, and returns what the caller wants of it.
        metadata: Adds the struct `_metadata`.
        rescued_column: Name of the JSON text of what did not fit; None without it.
        time_zone: Zone of timestamps that do not say one.
        location: Where the user wrote the read.

    Raises:
        SourceError: A file is gone, must not be read, or changed while it was read.
        DataError: What a file holds cannot be read, or does not fit.
    """
    options = read_options(scan, location)
    checked = verify(scan, options)
    careful: frozenset[str] = frozenset()
    with tempfile.TemporaryDirectory(prefix="lakeflow-") as folder:
        while True:
            try:
                query = relation(
                    checked,
                    schema,
                    scratch=Path(folder),
                    metadata=metadata,
                    rescued_column=rescued_column,
                    time_zone=time_zone,
                    careful=careful,
                    location=location,
                )
                result = run(query)
                break
            except Exception as error:
                failure = translate(error, checked, careful, location)
                if isinstance(failure, Retry):
                    careful |= failure.paths
                elif isinstance(failure, FileError) and options.ignore_corrupt:
                    files = tuple(f for f in checked.files if f.path != failure.file)
                    checked = replace(checked, files=files)
                elif failure is None or failure is error:
                    raise
                else:
                    raise failure from error
    verify_unchanged(checked)
    return result
