"""From JSON to a value, without ever changing it: SQL over the JSON text of one value.

Numbers that DuckDB's JSON reader would print differently (`1.10`, more digits than a double has)
are first marked: written as strings that begin with a character no text contains, so that their
own digits reach the column. Every conversion here knows the mark.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from lakeflow.core.errors import UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.schema import (
    DATE,
    DOUBLE,
    FLOAT,
    NTZ,
    STRING,
    TIMESTAMP,
    Array,
    DataType,
    Field,
    Map,
    Primitive,
    Struct,
)
from lakeflow.engine.files import sql
from lakeflow.engine.files.options import ReadOptions
from lakeflow.engine.files.values import Conversion, conversion

MARK = "\ufdd0"
RISKY = rf"[0-9]\.[0-9]*0([^0-9.]|$)|[0-9][eE]|[0-9][0-9.]{{15}}|0\.0000|{MARK}|\\u[fF][dD][dD]0"
"""Matches lines with a number that DuckDB might print differently, or with the mark."""

CLASH = rf"{MARK}|\\u[fF][dD][dD]0"
"""Matches lines that have the mark already."""

_NUMBER = r'("(?:[^"\\]|\\.)*")|(-?[0-9][0-9.eE+-]*)'


def marked(line: str) -> str:
    """SQL of a line whose numbers are marked strings."""
    # Strings match first and come back as they are; numbers come back between two control
    # characters, which JSON text cannot contain.
    found = f"regexp_replace({line}, {sql.text(_NUMBER)}, '\\1' || chr(1) || '\\2' || chr(2), 'g')"
    numbers = f"replace({found}, chr(1) || chr(2), '')"
    return f"replace(replace({numbers}, chr(1), '\"{MARK}'), chr(2), '\"')"


def unmarked(value: str) -> str:
    """SQL of JSON text with its marked numbers written as numbers again."""
    back = f"regexp_replace({value}, '\"{MARK}([^\"]*)\"', '\\1', 'g')"
    return f"CASE WHEN contains({value}, '{MARK}') THEN {back} ELSE {value} END"


def plain(value: str) -> str:
    """SQL of the text of one scalar: a marked number without its mark, the rest untouched."""
    return f"CASE WHEN starts_with({value}, '\"{MARK}') THEN {value}[3:-2] ELSE {value} END"


@dataclass(frozen=True, slots=True)
class Scalar:
    """How JSON becomes a value that is not nested.

    Args:
        text: SQL of the text to convert, of the SQL of a JSON text; NULL where it cannot fit.
        conversion: From that text on; None where the text is the value.
    """

    text: Callable[[str], str]
    conversion: Conversion | None

    def value(self, json_text: str, depth: int = 0) -> str:  # noqa: ARG002 - one shape with Nested
        """The whole conversion as one expression."""
        text = f"({self.text(json_text)})"
        return text if self.conversion is None else self.conversion.of(text)

    def lost(self, json_text: str, depth: int = 0) -> str:
        """Whether something is lost in the value, as one expression."""
        return f"({json_text} IS NOT NULL AND ({self.value(json_text, depth)}) IS NULL)"


@dataclass(frozen=True, slots=True)
class Nested:
    """How JSON becomes a nested value; what of it fits stays, the rest is NULL.

    Args:
        value: SQL of the value, of the SQL of a JSON text and the depth of lambdas around it.
        lost: SQL that says whether something is lost in the value.
    """

    value: Callable[[str, int], str]
    lost: Callable[[str, int], str]


def json_conversion(
    kind: DataType, options: ReadOptions, time_zone: str, field: Field, location: Location | None
) -> Scalar | Nested:
    """How JSON becomes `kind`.

    Raises:
        UnsupportedError: JSON is not read as this type.
    """

    def inner(child: DataType) -> Scalar | Nested:
        return json_conversion(child, options, time_zone, field, location)

    match kind:
        case Primitive("string" | "void"):
            return Scalar(_string, None)
        case Primitive("boolean"):
            return Scalar(
                lambda x: x,
                Conversion("{x}", "CASE {x} WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END"),
            )
        case Primitive("binary"):
            raise UnsupportedError(
                f"The column {field.name} of type {kind} cannot be read from JSON.",
                condition="UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE",
                location=location,
                hint="Read it as STRING, and decode it in the query.",
            )
        case Struct(fields):
            return _struct([(f.name, inner(f.type)) for f in fields], sql.type_name(kind))
        case Array(element):
            return _array(inner(element), sql.type_name(kind))
        case Map(key, value):
            if key != STRING:
                raise UnsupportedError(
                    f"The map {field.name} has keys of type {key}; those of JSON are STRING.",
                    location=location,
                )
            return _map(inner(value), sql.type_name(kind))
    scalar = conversion(kind, options, time_zone, field, location)
    if kind in (DATE, TIMESTAMP, NTZ):
        return Scalar(_quoted, scalar)
    return Scalar(_floating if kind in (FLOAT, DOUBLE) else plain, scalar)


def _string(x: str) -> str:
    return (
        f"CASE WHEN starts_with({x}, '\"{MARK}') THEN {x}[3:-2]"
        f" WHEN starts_with({x}, '\"') THEN ({x}::JSON ->> '$') ELSE {unmarked(x)} END"
    )


def _quoted(x: str) -> str:
    string = f"starts_with({x}, '\"') AND NOT starts_with({x}, '\"{MARK}')"
    return f"CASE WHEN {string} THEN ({x}::JSON ->> '$') END"


def _floating(x: str) -> str:
    words = ("NaN", "Infinity", "+Infinity", "-Infinity", "INF", "+INF", "-INF")
    listed = ", ".join(f"'\"{word}\"'" for word in words)
    return f"CASE WHEN {x} IN ({listed}) THEN {x}[2:-2] ELSE {plain(x)} END"


def _struct(parts: list[tuple[str, Scalar | Nested]], kind: str) -> Nested:
    def member(x: str, name: str) -> str:
        path = "$." + json.dumps(name, ensure_ascii=False)
        return f"nullif(json_extract({x}, {sql.text(path)})::VARCHAR, 'null')"

    def value(x: str, depth: int) -> str:
        packed = ", ".join(
            f"{sql.text(name)}: {part.value(member(x, name), depth)}" for name, part in parts
        )
        return f"CASE WHEN starts_with({x}, '{{') THEN {{{packed}}}::{kind} END"

    def lost(x: str, depth: int) -> str:
        key, names = f"e{depth}", ", ".join(sql.text(name) for name, _ in parts)
        unknown = f"list_transform(json_keys({x}), lambda {key}: {key} NOT IN ({names}))"
        inner = [part.lost(member(x, name), depth) for name, part in parts]
        either = " OR ".join([f"coalesce(list_bool_or({unknown}), FALSE)", *inner])
        return f"({x} IS NOT NULL AND (NOT starts_with({x}, '{{') OR {either}))"

    return Nested(value, lost)


def _array(part: Scalar | Nested, kind: str) -> Nested:
    def each(x: str, depth: int, what: Callable[[str, int], str]) -> str:
        element = f"nullif(e{depth}::VARCHAR, 'null')"
        inner = what(element, depth + 1)
        return f"list_transform(from_json({x}, '[\"JSON\"]'), lambda e{depth}: {inner})"

    return Nested(
        lambda x, depth: (
            f"CASE WHEN starts_with({x}, '[') THEN {each(x, depth, part.value)}::{kind} END"
        ),
        lambda x, depth: (
            f"({x} IS NOT NULL AND (NOT starts_with({x}, '[')"
            f" OR coalesce(list_bool_or({each(x, depth, part.lost)}), FALSE)))"
        ),
    )


def _map(part: Scalar | Nested, kind: str) -> Nested:
    def entries(x: str) -> str:
        return f"map_entries(from_json({x}, '\"MAP(VARCHAR,JSON)\"'))"

    def value(x: str, depth: int) -> str:
        inner = part.value(f"nullif(e{depth}.value::VARCHAR, 'null')", depth + 1)
        pairs = (
            f"list_transform({entries(x)}, lambda e{depth}: {{'k': e{depth}.key, 'v': {inner}}})"
        )
        return f"CASE WHEN starts_with({x}, '{{') THEN map_from_entries({pairs})::{kind} END"

    def lost(x: str, depth: int) -> str:
        inner = part.lost(f"nullif(e{depth}.value::VARCHAR, 'null')", depth + 1)
        either = f"list_bool_or(list_transform({entries(x)}, lambda e{depth}: {inner}))"
        either = f"coalesce({either}, FALSE)"
        return f"({x} IS NOT NULL AND (NOT starts_with({x}, '{{') OR {either}))"

    return Nested(value, lost)
