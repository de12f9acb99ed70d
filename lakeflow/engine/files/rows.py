"""The SELECT over text cells: typed columns, the rescued column and `_metadata`.

It is built in layers (the text; its cast; the proof that the cast is exact), so that nothing is
computed twice, and what only dirty rows need stands inside a CASE, so that clean rows do not pay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from lakeflow.connect.source import FileEntry
from lakeflow.core.schema import STRING, Field, Schema
from lakeflow.engine.files import sql
from lakeflow.engine.files.options import ReadOptions
from lakeflow.engine.files.values import Conversion

METADATA = Schema.from_ddl(
    "_metadata STRUCT<file_path: STRING, file_name: STRING, file_size: BIGINT,"
    " file_modification_time: TIMESTAMP, file_block_start: BIGINT, file_block_length: BIGINT>"
).fields[0]
MISFIT = "lakeflow:misfit:"
"""How the message of an error begins that a query raises at a value that does not fit."""
ROW = Field("row", STRING)
"""What an error calls a row with too many or too few fields."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a SELECT over a scan is to give.

    Args:
        schema: The columns, in order.
        rescued: Name of the rescued column; None without one.
        metadata: Whether `_metadata` is wanted.
        files: The files of the scan, by position.
        partitions: Texts of the columns that the files' folders say, by name in lower case.
    """

    schema: Schema
    rescued: str | None
    metadata: bool
    options: ReadOptions
    time_zone: str
    files: tuple[FileEntry, ...]
    partitions: Mapping[str, tuple[Field, tuple[str | None, ...]]]

    @property
    def corrupt(self) -> str | None:
        """The column for the text of records that do not fit, where the schema has one."""
        field = self.schema.find(self.options.corrupt_column)
        return field.name if field else None

    @property
    def data(self) -> tuple[Field, ...]:
        """The columns that are read from the files: all but those that say what did not fit."""
        apart = {name.lower() for name in (self.rescued, self.corrupt) if name}
        return tuple(field for field in self.schema if field.name.lower() not in apart)

    @property
    def refuses(self) -> bool:
        """Whether the first value that does not fit is an error."""
        if self.rescued:
            return False
        if self.options.mode == "FAILFAST":
            return True
        return self.options.mode == "PERMISSIVE" and self.options.strict and not self.corrupt

    def folder_value(self, name: str, positions: tuple[int, ...]) -> str | None:
        """SQL of the text that the files' folders say for a column; None where they do not."""
        found = self.partitions.get(name.lower())
        if found is None:
            return None
        texts = ["NULL::VARCHAR" if text is None else sql.text(text) for text in found[1]]
        return self.by_file(texts, positions)

    def path(self, positions: tuple[int, ...]) -> str:
        """SQL of the file's path, for a source of the files at these positions."""
        return self.by_file([sql.text(file.path) for file in self.files], positions)

    def metadata_value(self, positions: tuple[int, ...]) -> str:
        """SQL of the `_metadata` struct, for a source of the files at these positions."""
        return self.by_file([_metadata(file) for file in self.files], positions)

    def finish(
        self, columns: dict[str, str], rescued: str, inner: str, positions: tuple[int, ...]
    ) -> str:
        """The outermost SELECT: the schema's columns, then those that were asked for."""
        if self.rescued:
            columns = {**columns, self.rescued.lower(): rescued}
        selected = [f"{columns[f.name.lower()]} AS {sql.name(f.name)}" for f in self.schema]
        if self.rescued and not self.schema.find(self.rescued):
            selected.append(f"{rescued} AS {sql.name(self.rescued)}")
        if self.metadata:
            selected.append(f"{self.metadata_value(positions)} AS _metadata")
        return f"SELECT {', '.join(selected)} FROM ({inner})"

    def by_file(self, values: list[str], positions: tuple[int, ...]) -> str:
        """SQL of one of these values, one a file, for a source of the files at these positions."""
        if len(positions) == 1:
            return values[positions[0]]
        return f"list_extract([{', '.join(values)}], position + 1)"


def _metadata(file: FileEntry) -> str:
    values = {
        "file_path": sql.text(file.path),
        "file_name": sql.text(PurePosixPath(file.path).name),
        "file_size": f"{file.size}::BIGINT",
        "file_modification_time": f"make_timestamptz({file.modified // 1000}::BIGINT)",
        "file_block_start": "0::BIGINT",
        "file_block_length": f"{file.size}::BIGINT",
    }
    return "{" + ", ".join(f"'{name}': {value}" for name, value in values.items()) + "}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One column of the schema as the source has it; `text` None where it has none."""

    field: Field
    text: str | None
    conversion: Conversion | None


@dataclass(frozen=True, slots=True)
class TextSource:
    """A table of texts.

    Args:
        source: SQL of the table; it has a column `position`.
        positions: The files that it reads, by their places in the scan.
        cells: The schema's columns.
        others: Names of columns that the schema does not know, with SQL of their texts.
        native: Without the columns `extra`, `ragged`, `raw` and `number`.
    """

    source: str
    positions: tuple[int, ...]
    cells: tuple[Cell, ...]
    others: tuple[tuple[str, str], ...]
    native: bool


def select(rows: TextSource, output: Output) -> str:
    """The SELECT that gives exactly the output's columns from a table of texts."""
    typed = {n for n, cell in enumerate(rows.cells) if cell.text and cell.conversion}
    keeps = [] if rows.native else ["extra", "ragged", "raw", "number"]
    others = rows.others if output.rescued else ()
    carried = ["position", *keeps, *(f"o{n}" for n in range(len(others)))]

    texts = [f"{cell.text} AS x{n}" for n, cell in enumerate(rows.cells) if cell.text]
    texts += [f"{text} AS o{n}" for n, (_, text) in enumerate(others)]
    inner = f"SELECT {', '.join([*texts, 'position', *keeps])} FROM {rows.source}"
    xs = [f"x{n}" for n, cell in enumerate(rows.cells) if cell.text]

    casts = [f"{_part(rows, n).cast.format(x=f'x{n}')} AS t{n}" for n in sorted(typed)]
    inner = f"SELECT {', '.join([*carried, *xs, *casts])} FROM ({inner})"

    # Where a misfit is an error, one CASE decides for most values whether they are proved and fit.
    values = [
        f"t{n}"
        if output.refuses and _part(rows, n).usual
        else f"{_part(rows, n).value.format(x=f'x{n}', t=f't{n}')} AS v{n}"
        for n in sorted(typed)
    ]
    inner = f"SELECT {', '.join([*carried, *xs, *values])} FROM ({inner})"
    return _outer(rows, output, inner, typed, others)


def _part(rows: TextSource, position: int) -> Conversion:
    conversion = rows.cells[position].conversion
    assert conversion is not None
    return conversion


def _outer(
    rows: TextSource,
    output: Output,
    inner: str,
    typed: set[int],
    others: tuple[tuple[str, str], ...],
) -> str:
    misfits = {n: f"(v{n} IS NULL AND x{n} IS NOT NULL)" for n in sorted(typed)}
    malformed = " OR ".join([*misfits.values(), *([] if rows.native else ["ragged"])]) or "FALSE"
    columns = {
        cell.field.name.lower(): _column(n, cell, output, rows) for n, cell in enumerate(rows.cells)
    }
    rescued = _rescued(rows, output, misfits, others)
    if output.corrupt:
        raw = "NULL" if rows.native else "raw"
        columns[output.corrupt.lower()] = f"CASE WHEN {malformed} THEN {raw} END::VARCHAR"
    dropping = output.options.mode == "DROPMALFORMED" and not output.rescued
    where = f" WHERE NOT ({malformed})" if dropping and malformed != "FALSE" else ""
    if not rows.native and output.refuses:
        error = misfit(ROW, "raw", output.path(rows.positions), "number")
        where = f" WHERE CASE WHEN ragged THEN CAST({error} AS BOOLEAN) ELSE TRUE END"
    return output.finish(columns, rescued, inner, rows.positions) + where


def _column(n: int, cell: Cell, output: Output, rows: TextSource) -> str:
    kind = sql.type_name(cell.field.type)
    if cell.text is None:
        return f"NULL::{kind}"
    if cell.conversion is None:
        return f"x{n}"
    if not output.refuses:
        return f"v{n}"
    line = "NULL" if rows.native else "number"
    message = misfit(cell.field, f"x{n}", output.path(rows.positions), line)
    error = f"CAST({message} AS {kind})"
    part = cell.conversion
    if part.usual:
        usual, value = (each.format(x=f"x{n}", t=f"t{n}") for each in (part.usual, part.value))
        fits = f"x{n} IS NULL OR {value} IS NOT NULL"
        return f"CASE WHEN {usual} THEN t{n} WHEN {fits} THEN {value} ELSE {error} END"
    return f"CASE WHEN v{n} IS NOT NULL OR x{n} IS NULL THEN v{n} ELSE {error} END"


def misfit(field: Field, value: str, path: str, line: str) -> str:
    """SQL that raises an error about a value that does not fit its column.

    Args:
        field: The column.
        value: SQL of the value.
        path: SQL of the file's path.
        line: SQL of the number of the line in the file, NULL where it is not known.
    """
    said = f"'column', {sql.text(field.name)}, 'type', {sql.text(str(field.type))}"
    said += f", 'value', left({value}::VARCHAR, 1000), 'file', {path}, 'line', {line}"
    return f"error('{MISFIT}' || json_object({said})::VARCHAR)"


def _rescued(
    rows: TextSource,
    output: Output,
    misfits: dict[int, str],
    others: tuple[tuple[str, str], ...],
) -> str:
    conditions = [*misfits.values(), *(f"o{n} IS NOT NULL" for n in range(len(others)))]
    members = [
        f"CASE WHEN {misfit} THEN {member(rows.cells[n].field.name, f'x{n}')} END"
        for n, misfit in misfits.items()
    ]
    members += [member(name, f"o{n}") for n, (name, _) in enumerate(others)]
    if not rows.native:
        conditions.append("extra IS NOT NULL")
        members.append("extra")
    if not conditions:
        return "NULL::VARCHAR"
    members.append(member("_file_path", output.path(rows.positions)))
    return (
        f"CASE WHEN {' OR '.join(conditions)}"
        f" THEN '{{' || concat_ws(',', {', '.join(members)}) || '}}' END"
    )


def member(name: str, value: str) -> str:
    """SQL of one member of a JSON object, NULL where the value is NULL."""
    return f"{sql.text(json.dumps(name, ensure_ascii=False) + ':')} || to_json({value})::VARCHAR"
