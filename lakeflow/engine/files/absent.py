"""Columns that the user's schema names and a file does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.engine.files import sql
from lakeflow.engine.files.disk import FileError
from lakeflow.engine.files.rows import Output


@dataclass(frozen=True, slots=True)
class Absent:
    """A column that is NULL in a file because the file does not name it.

    Args:
        column: As the schema names it.
        message: Which file that is, and what the user may have meant.
        location: Where the user wrote the read.
    """

    column: str
    message: str
    location: Location | None


def absent_columns(
    names: tuple[str, ...],
    places: Mapping[str, int],
    path: str,
    output: Output,
    location: Location | None,
) -> Iterator[Absent]:
    """The columns of a given schema that a file does not name.

    Args:
        names: What the file names.
        places: Where it has which of the schema's columns.
        path: The file's.
        output: What is read of it.
        location: Where the user wrote the read.

    Raises:
        FileError: It names none of them, and all of its values would be lost.
    """
    wanted = [f.name for f in output.data if f.name.lower() not in output.partitions]
    others = [name for n, name in enumerate(names) if n not in places.values()]
    if wanted and not places.keys() & set(wanted) and not output.rescued:
        text = output.options.format == "csv"
        raise FileError(
            f"The file {path} has none of the columns of the schema: it has {_said(names)}, not "
            f"{_said(wanted)}.",
            file=path,
            location=location,
            hint=_meant(wanted[0], others)
            or "Give the schema the names that the file has"
            + (", or set header => false if its first row is data." if text else "."),
        )
    for column in wanted:
        if column not in places:
            yield Absent(
                column,
                f"The file {path} has no column {sql.name(column)}, which the schema names: it is "
                f"NULL there. {_meant(column, others) or f'The file has {_said(names)}.'}",
                location,
            )


def _meant(column: str, names: Sequence[str]) -> str:
    """A sentence about the name that is most like a column's, or nothing."""
    for name in names:
        if name.lower() == column.lower():
            return f"It has {sql.name(name)}, which readerCaseSensitive => false takes for it."
    return nearest(column, names)


def _said(names: Sequence[str]) -> str:
    return ", ".join(map(sql.name, names))
