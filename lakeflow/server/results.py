"""Rows of a query in the three forms of the SQL Statement Execution API."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lakeflow.core.schema import (
    BIGINT,
    BOOLEAN,
    DATE,
    INT,
    NTZ,
    SMALLINT,
    STRING,
    TINYINT,
    Array,
    DataType,
    Decimal,
    Field,
    Map,
    Struct,
)
from lakeflow.core.values import json_value

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_BYTES = 16 * 2**20
"""Size at which a part of a result ends."""

MEDIA: Mapping[str, str] = {
    "JSON_ARRAY": "application/json",
    "ARROW_STREAM": "application/vnd.apache.arrow.stream",
    "CSV": "text/csv; charset=utf-8",
}
"""What each form is to HTTP."""

_ALIKE = frozenset({BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, STRING, DATE})
_NAMES: Mapping[str, str] = {
    "tinyint": "BYTE",
    "smallint": "SHORT",
    "int": "INT",
    "bigint": "LONG",
    "void": "NULL",
    "timestamp_ntz": "TIMESTAMP",
}


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a result, in their form.

    Args:
        rows: How many.
        content: They themselves.
    """

    rows: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a result ends.

    Args:
        rows: The most there may be.
        bytes: The most that they may take.
        chunk: Bytes at which a part ends.
    """

    rows: int | None = None
    bytes: int | None = None
    chunk: int = CHUNK_BYTES


def columns_json(columns: Sequence[Field]) -> list[dict[str, Any]]:
    """The columns of a result."""
    found = []
    for position, each in enumerate(columns):
        told: dict[str, Any] = {
            "name": each.name,
            "position": position,
            "type_name": type_name(each.type),
            "type_text": str(each.type),
        }
        if isinstance(each.type, Decimal):
            told |= {"type_precision": each.type.precision, "type_scale": each.type.scale}
        found.append(told)
    return found


def type_name(kind: DataType) -> str:
    """The word that the API has for a type.

    Example:
        >>> from lakeflow.core.schema import BIGINT, STRING
        >>> type_name(BIGINT), type_name(Array(STRING)), type_name(Decimal(10, 2))
        ('LONG', 'ARRAY', 'DECIMAL')
    """
    match kind:
        case Decimal() | Array() | Map() | Struct():
            return type(kind).__name__.upper()
    return _NAMES.get(kind.name, kind.name.upper())


def as_text(value: Any, kind: DataType) -> str | None:
    """A value as the text that stands for it.

    Example:
        >>> from lakeflow.core.schema import BOOLEAN, INT, TIMESTAMP
        >>> as_text(True, BOOLEAN), as_text(None, INT), as_text([1, None], Array(INT))
        ('true', None, '[1,null]')
        >>> as_text(datetime(2026, 1, 2, 3), TIMESTAMP)
        '2026-01-02T03:00:00.000Z'
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        exact = "microseconds" if value.microsecond % 1000 else "milliseconds"
        text = value.replace(tzinfo=None).isoformat(timespec=exact)
        return text if kind == NTZ else f"{text}Z"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    found = json_value(value, kind)
    if isinstance(found, str):
        return found
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def texts_of(column: pa.Array, kind: DataType) -> list[str | None]:
    """The texts of a column; Arrow makes those of types that it writes in the same way."""
    import pyarrow as pa

    if kind in _ALIKE:
        return list(column.cast(pa.string()).to_pylist())
    return [as_text(value, kind) for value in column.to_pylist()]


class Cut:
    """Cuts batches into parts of a result.

    Args:
        form: `JSON_ARRAY`, `ARROW_STREAM` or `CSV`.
        columns: Of the result.
        limits: Where it ends.

    Attributes:
        truncated: Whether there were more rows than the limits let through.
    """

    def __init__(self, form: str, columns: Sequence[Field], limits: Limits) -> None:
        self.truncated = False
        self._form = form
        self._columns = columns
        self._limits = limits
        self._rows = 0
        self._bytes = 0

    def parts(self, batches: Iterable[pa.RecordBatch]) -> Iterator[Part]:
        """The parts; there is one without rows if there are none."""
        pieces = self._arrow if self._form == "ARROW_STREAM" else self._texts
        waiting: list[Any] = []
        rows = size = made = 0
        for piece, count, taken in pieces(batches):
            waiting.append(piece)
            rows, size = rows + count, size + taken
            if size >= self._limits.chunk:
                yield Part(rows, self._joined(waiting))
                waiting, rows, size, made = [], 0, 0, made + 1
        if waiting or not made:
            yield Part(rows, self._joined(waiting))

    def _room(self, rows: int, size: int) -> bool:
        """Whether so much more is let through; counts it if it is."""
        most_rows, most_bytes = self._limits.rows, self._limits.bytes
        fits = (most_rows is None or self._rows + rows <= most_rows) and (
            most_bytes is None or self._bytes + size <= most_bytes
        )
        if fits:
            self._rows += rows
            self._bytes += size
        return fits

    def _texts(self, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, int, int]]:
        kinds = [each.type for each in self._columns]
        for batch in batches:
            texts = [texts_of(c, kind) for c, kind in zip(batch.columns, kinds, strict=True)]
            for row in zip(*texts, strict=True):
                text = self._line(row)
                size = len(text.encode()) + 1
                if not self._room(1, size):
                    self.truncated = True
                    return
                yield text, 1, size

    def _line(self, row: Sequence[str | None]) -> str:
        if self._form == "JSON_ARRAY":
            return json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        return _csv("null" if value is None else value for value in row)

    def _arrow(
        self, batches: Iterable[pa.RecordBatch]
    ) -> Iterator[tuple[pa.RecordBatch, int, int]]:
        for batch in batches:
            size = batch.nbytes // max(batch.num_rows, 1) + 1
            step = max(self._limits.chunk // size, 1)
            start = 0
            while start < batch.num_rows:
                count = min(step, batch.num_rows - start)
                while count and not self._room(count, count * size):
                    self.truncated = True
                    count = self._left(count, size)
                if count:
                    yield batch.slice(start, count), count, count * size
                if self.truncated:
                    return
                start += count

    def _left(self, count: int, size: int) -> int:
        """The rows that still fit."""
        rows = count if self._limits.rows is None else self._limits.rows - self._rows
        most = self._limits.bytes
        fitting = count if most is None else (most - self._bytes) // size
        return max(min(rows, fitting, count), 0)

    def _joined(self, pieces: Sequence[Any]) -> bytes:
        if self._form == "JSON_ARRAY":
            return f"[{','.join(pieces)}]".encode()
        if self._form == "CSV":
            return "".join([_csv(each.name for each in self._columns), *pieces]).encode()
        import pyarrow as pa

        from lakeflow.core.arrow import to_arrow

        schema = pa.schema([pa.field(each.name, to_arrow(each.type)) for each in self._columns])
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, schema) as stream:
            for batch in pieces:
                stream.write_table(pa.Table.from_batches([batch]).cast(schema))
        return sink.getvalue()


def _csv(row: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(row)
    return out.getvalue()
