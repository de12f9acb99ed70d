"""Spark's date and time patterns, such as `dd/MM/yyyy`, in DuckDB's spelling."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakeflow.core.errors import UnsupportedError
from lakeflow.core.location import Location

_LETTERS = {
    "yyyy": "%Y",
    "uuuu": "%Y",
    "MM": "%m",
    "M": "%-m",
    "MMM": "%b",
    "MMMM": "%B",
    "dd": "%d",
    "d": "%-d",
    "HH": "%H",
    "H": "%-H",
    "hh": "%I",
    "h": "%-I",
    "mm": "%M",
    "m": "%-M",
    "ss": "%S",
    "s": "%-S",
    "SSS": "%g",
    "SSSSSS": "%f",
    "a": "%p",
    "EEE": "%a",
    "EEEE": "%A",
    "DDD": "%j",
}
_ZONES = {
    "X" * 3: r"(Z|[+-]\d{2}:\d{2})$",
    "XX": r"(Z|[+-]\d{4})$",
    "X": r"(Z|[+-]\d{2}(\d{2})?)$",
    "xxx": r"([+-]\d{2}:\d{2})$",
    "Z": r"([+-]\d{4})$",
}
_TOKEN = re.compile(r"'((?:[^']|'')*)'|(([A-Za-z])\3*)|([^A-Za-z'])")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern in DuckDB's words.

    Args:
        strptime: The pattern without its zone.
        zone: Regular expression of the zone at the end; empty where there is none.
    """

    strptime: str
    zone: str


def read_pattern(spark: str, option: str, location: Location | None) -> Pattern:
    """Reads a pattern of Spark.

    Raises:
        UnsupportedError: The pattern has a letter that is not supported.
    """
    written, zone, position = "", "", 0
    while position < len(spark):
        token = _TOKEN.match(spark, position)
        if token is None or zone:
            raise _unsupported(spark, spark[position:], option, location)
        quoted, letters, _, other = token.groups()
        if letters in _ZONES:
            zone = _ZONES[letters]
        elif letters is not None and letters not in _LETTERS:
            raise _unsupported(spark, letters, option, location)
        elif letters is not None:
            written += _LETTERS[letters]
        else:
            literal = other if other is not None else quoted.replace("''", "'") or "'"
            if literal in "[]{}#" and other is not None:
                raise _unsupported(spark, literal, option, location)
            written += literal.replace("%", "%%")
        position = token.end()
    return Pattern(written, zone)


def _unsupported(spark: str, part: str, option: str, location: Location | None) -> UnsupportedError:
    known = ", ".join([*_LETTERS, *_ZONES])
    return UnsupportedError(
        f"{part!r} in the {option} {spark!r} is not supported.",
        location=location,
        hint=f"Letters are {known}; a zone comes last; other letters need single quotes.",
    )
