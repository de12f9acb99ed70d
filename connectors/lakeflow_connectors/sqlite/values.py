"""Types of SQLite's columns, and its values in them: each fits exactly or is refused.

SQLite lets any value into any column, so what is declared is no promise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Context, Inexact, InvalidOperation
from decimal import Decimal as Number
from typing import Any

from lakeflow.core.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    NTZ,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TINYINT,
    DataType,
    Decimal,
)

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?")
_INSTANT = re.compile(_TIME.pattern + r"(?:Z|[+-]\d\d:\d\d)?")
_BITS = {TINYINT: 8, SMALLINT: 16, INT: 32, BIGINT: 64}


def declared_type(declared: str) -> DataType:
    """The type of a column, by what its declaration says.

    Dates, times, booleans and decimals go by the names that everybody gives them; everything else
    by SQLite's rules of affinity. A time is TIMESTAMP_NTZ: SQLite stores no zone.
    """
    text = declared.upper().strip()
    exact = re.fullmatch(r"(?:DECIMAL|NUMERIC|DEC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", text)
    if exact and 1 <= int(exact[1]) <= 38 and int(exact[2] or 0) <= int(exact[1]):
        return Decimal(int(exact[1]), int(exact[2] or 0))
    named = {"BOOL": BOOLEAN, "BOOLEAN": BOOLEAN, "DATE": DATE, "DATETIME": NTZ, "TIMESTAMP": NTZ}
    if text in named:
        return named[text]
    for parts, kind in (
        (("INT",), BIGINT),
        (("CHAR", "CLOB", "TEXT"), STRING),
        (("BLOB",), BINARY),
        (("REAL", "FLOA", "DOUB", "DEC", "NUM"), DOUBLE),
    ):
        if any(part in text for part in parts):
            return kind
    return STRING


def readable(kind: DataType) -> bool:
    """Whether a column can be read as a type."""
    return isinstance(kind, Decimal) or kind in _READERS or kind in _BITS


def read_column(kind: DataType, column: Sequence[Any]) -> list[Any]:
    """The values as those of a type, NULL as None.

    Raises:
        Misfit: One does not fit.
    """
    read = _reader(kind)
    found = []
    for number, value in enumerate(column):
        try:
            found.append(None if value is None else read(value))
        except (ValueError, TypeError, ArithmeticError) as error:
            raise Misfit(number, value) from error
    return found


class Misfit(Exception):
    """A value that does not fit its column.

    Args:
        number: Of the value in the column.
        value: As SQLite gives it.
    """

    def __init__(self, number: int, value: object) -> None:
        super().__init__(number, value)
        self.number = number
        self.value = value


def _reader(kind: DataType) -> Callable[[Any], Any]:
    if isinstance(kind, Decimal):
        return lambda value: _decimal(value, kind)
    if kind in _BITS:
        bound = 1 << (_BITS[kind] - 1)
        return lambda value: _require(value, type(value) is int and -bound <= value < bound)
    return _READERS[kind]


def _require(value: Any, fits: bool) -> Any:
    if not fits:
        raise ValueError
    return value


def _decimal(value: Any, kind: Decimal) -> Number:
    """A number of so many digits; a float is the shortest decimal that stands for it."""
    text = repr(_require(value, type(value) in (int, float)))
    exact = Context(prec=kind.precision, traps=[Inexact, InvalidOperation])
    return exact.quantize(Number(text), Number(1).scaleb(-kind.scale))


def _instant(value: str) -> datetime:
    """SQLite's own convention: a time without a zone is UTC."""
    found = datetime.fromisoformat(_require(value, _INSTANT.fullmatch(value) is not None))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


_READERS: dict[DataType, Callable[[Any], Any]] = {
    DOUBLE: lambda value: float(
        _require(value, type(value) in (int, float) and float(value) == value)
    ),
    BOOLEAN: lambda value: bool(_require(value, type(value) is int and value in (0, 1))),
    STRING: lambda value: _require(value, type(value) is str),
    BINARY: lambda value: _require(value, type(value) is bytes),
    DATE: lambda value: date.fromisoformat(_require(value, _DATE.fullmatch(value) is not None)),
    NTZ: lambda value: datetime.fromisoformat(_require(value, _TIME.fullmatch(value) is not None)),
    TIMESTAMP: _instant,
}
