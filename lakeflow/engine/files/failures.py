"""What DuckDB says about a file it cannot read, in the user's words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from lakeflow.connect.source import FileScan
from lakeflow.core.errors import DataError, Interrupted, LakeflowError, SourceError
from lakeflow.core.location import Location
from lakeflow.engine.files.disk import FileError, local
from lakeflow.engine.files.locate import line_of
from lakeflow.engine.files.options import read_options
from lakeflow.engine.files.records import RECORD
from lakeflow.engine.files.rows import MISFIT, ROW

SHOWN = 100
"""Characters of a value that an error shows."""


@dataclass(frozen=True, slots=True)
class Retry:
    """These files are to be read row by row."""

    paths: frozenset[str]


def translate(
    error: Exception, scan: FileScan, careful: frozenset[str], location: Location | None
) -> Retry | LakeflowError | None:
    """What to do about an error of a query over files.

    Args:
        error: What was raised.
        scan: The files.
        careful: Those that were read row by row.
        location: Where the user wrote the read.

    Returns:
        A retry, the error to raise instead, or None where the error is not about files.
    """
    import duckdb

    if isinstance(error, LakeflowError):
        # The backend's word for what DuckDB said.
        if not isinstance(error.__cause__, duckdb.Error) or isinstance(error, Interrupted):
            if isinstance(error, FileError) and error.location is None:
                error.location = location
            return error
        error = error.__cause__
    if not isinstance(error, duckdb.Error):
        return None
    if isinstance(error, duckdb.InterruptException):
        return Interrupted()
    said = str(error)
    if MISFIT in said:
        return _misfit(said, scan, location)
    path = _path(said, scan)
    if scan.format in ("csv", "json") and _is_structure(said):
        paths = {path} if path else {file.path for file in scan.files}
        if not paths <= careful:
            return Retry(frozenset(paths))
    if path is None:
        return None
    return _damaged(said, path, location)


_STRUCTURE = re.compile(
    r"CSV Error|CSV Parser|CSV Reader|CSV File|Malformed JSON|maximum_object_size"
    r"|maximum.line.size|GZIP|ZSTD|unicode|UTF-8|utf8",
    re.IGNORECASE,
)


def _is_structure(said: str) -> bool:
    return _STRUCTURE.search(said) is not None


def _path(said: str, scan: FileScan) -> str | None:
    """The file of the scan that a message names."""
    named = [file.path for file in scan.files if local(file.path) in said]
    return max(named, key=len, default=None)


def _misfit(said: str, scan: FileScan, location: Location | None) -> DataError | None:
    found, _ = json.JSONDecoder().raw_decode(said.split(MISFIT, 1)[1])
    file, column, value = found["file"], found["column"], str(found["value"])
    if file not in {entry.path for entry in scan.files}:
        return None
    line = found["line"] or line_of(file, column, value, read_options(scan, location))
    where = f"line {line} of {file}" if line else file
    shown = value if len(value) <= SHOWN else value[:SHOWN] + "..."
    what = f"The value {shown!r} of the column {column} is no {found['type']}"
    if column == RECORD.name and found["type"] == str(RECORD.type):
        what = f"The record {shown!r} is not JSON that can be read"
    if column == ROW.name and found["type"] == str(ROW.type):
        what = f"The row {shown!r} has more or fewer fields than the file has columns"
    return FileError(
        f"{what}, in {where}.",
        condition="MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION",
        file=file,
        location=location,
        hint="Set rescuedDataColumn to keep such values apart, or mode => 'PERMISSIVE' to take"
        " NULL for them.",
    )


def _damaged(said: str, path: str, location: Location | None) -> FileError | SourceError:
    if "No files found" in said or "Cannot open file" in said:
        return SourceError(f"The file {path} vanished or cannot be opened.", location=location)
    why = said.split("\n", 1)[0].split(":", 1)[-1].strip()
    for name in (f"'{local(path)}'", f'"{local(path)}"', local(path)):
        why = why.replace(name, "it")
    return FileError(
        f"The file {path} is damaged or not what its format says: {why}",
        file=path,
        location=location,
        hint="Deliver the file again, or set ignoreCorruptFiles to go on without it.",
    )
