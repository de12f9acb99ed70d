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
CLASH = rf"{MARK}|\\u[fF][dD][dD]0"
"""Matches lines that have the mark already."""

RISKY = rf"[0-9]\.[0-9]+0([^0-9.]|$)|[0-9][eE]|[0-9][0-9.]{{15}}|0\.0000|-0([^0-9.]|$)|{CLASH}"
"""Matches lines with a number that DuckDB might print differently, or with the mark."""

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


def _plain(value: str) -> str:
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

    def pair(self, json_text: str, depth: int) -> str:  # noqa: ARG002 - one shape with Nested
        """SQL of a struct of the value `v` and whether something is lost in it, `l`."""
        if self.conversion is None:
            return f"{{'v': {self.text(json_text)}, 'l': FALSE}}"
        value = f"({self.conversion.of(f'({self.text(json_text)})')})"
        return f"{{'v': {value}, 'l': {json_text} IS NOT NULL AND {value} IS NULL}}"


@dataclass(frozen=True, slots=True)
class Nested:
    """How JSON becomes a nested value; what of it fits stays, the rest is NULL.

    Args:
        pair: SQL of a struct of the value `v` and whether something is lost in it, `l`; of the SQL
            of a JSON text and the depth of lambdas around it.
    """

    pair: Callable[[str, int], str]


DEEPEST = 10
"""Levels of nesting that are converted; DuckDB's time to plan doubles with each."""


def refuse_deep(field: Field, location: Location | None) -> None:
    """Refuses a column that is nested too deep to be converted.

    Raises:
        UnsupportedError: It is.
    """
    if _levels(field.type) > DEEPEST:
        raise UnsupportedError(
            f"The column {field.name} is nested deeper than {DEEPEST} levels.",
            condition="UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE",
            location=location,
            hint="Read its inner part as STRING.",
        )


def _levels(kind: DataType) -> int:
    match kind:
        case Struct(fields):
            return 1 + max((_levels(field.type) for field in fields), default=0)
        case Array(inner) | Map(_, inner):
            return 1 + _levels(inner)
    return 0


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
                Conversion("{x}", "CASE {t} WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END"),
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
    return Scalar(_floating if kind in (FLOAT, DOUBLE) else _plain, scalar)


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
    return f"CASE WHEN {x} IN ({listed}) THEN {x}[2:-2] ELSE {_plain(x)} END"


def _bound(value: str, name: str, result: str) -> str:
    """SQL of a result in which a value that is computed once has a name."""
    return f"list_transform([{value}], lambda {name}: {result})[1]"


def _guarded(x: str, opening: str, kind: str, result: str) -> str:
    """The pair of a JSON text that has to begin with a bracket."""
    nothing = f"'v': NULL::{kind}"
    return (
        f"CASE WHEN {x} IS NULL THEN {{{nothing}, 'l': FALSE}}"
        f" WHEN NOT starts_with({x}, '{opening}') THEN {{{nothing}, 'l': TRUE}} ELSE {result} END"
    )


def _member(struct: str, name: str) -> str:
    return f"nullif({struct}.{sql.name(name)}::VARCHAR, 'null')"


def _struct(parts: list[tuple[str, Scalar | Nested]], kind: str) -> Nested:
    shape = sql.text(json.dumps(dict.fromkeys((n for n, _ in parts), "JSON"), ensure_ascii=False))
    names = ", ".join(sql.text(name) for name, _ in parts)

    def pair(x: str, depth: int) -> str:
        e, r, k = f"e{depth}", f"r{depth}", f"k{depth}"
        inner = [
            f"'p{n}': {part.pair(_member(f'{e}.o', name), depth + 1)}"
            for n, (name, part) in enumerate(parts)
        ]
        packed = ", ".join(f"{sql.name(name)}: {r}.p{n}.v" for n, (name, _) in enumerate(parts))
        unknown = f"len(list_filter({e}.k, lambda {k}: {k} NOT IN ({names}))) > 0"
        twice = f"len(list_distinct({e}.k)) < len({e}.k)"
        lost = " OR ".join([*(f"{r}.p{n}.l" for n in range(len(parts))), unknown, twice])
        result = _bound(f"{{{', '.join(inner)}}}", r, f"{{'v': {{{packed}}}::{kind}, 'l': {lost}}}")
        opened = f"{{'o': from_json({x}, {shape}), 'k': json_keys({x})}}"
        return _guarded(x, "{", kind, _bound(opened, e, result))

    return Nested(pair)


def _array(part: Scalar | Nested, kind: str) -> Nested:
    def pair(x: str, depth: int) -> str:
        e, r, w = f"e{depth}", f"r{depth}", f"w{depth}"
        element = part.pair(f"nullif({e}::VARCHAR, 'null')", depth + 1)
        each = f"list_transform(from_json({x}, '[\"JSON\"]'), lambda {e}: {element})"
        value = f"list_transform({r}, lambda {w}: {w}.v)::{kind}"
        lost = f"coalesce(list_bool_or(list_transform({r}, lambda {w}: {w}.l)), FALSE)"
        return _guarded(x, "[", kind, _bound(each, r, f"{{'v': {value}, 'l': {lost}}}"))

    return Nested(pair)


def _map(part: Scalar | Nested, kind: str) -> Nested:
    def pair(x: str, depth: int) -> str:
        e, r, w = f"e{depth}", f"r{depth}", f"w{depth}"
        # A map with a key twice has no entries here.
        entries = f"map_entries(from_json({x}, '\"MAP(VARCHAR,JSON)\"'))"
        inner = part.pair(f"nullif({e}.value::VARCHAR, 'null')", depth + 1)
        each = f"list_transform({entries}, lambda {e}: {{'k': {e}.key, 'p': {inner}}})"
        pairs = f"list_transform({r}, lambda {w}: {{'k': {w}.k, 'v': {w}.p.v}})"
        some = f"list_bool_or(list_transform({r}, lambda {w}: {w}.p.l))"
        lost = f"{r} IS NULL OR coalesce({some}, FALSE)"
        result = f"{{'v': map_from_entries({pairs})::{kind}, 'l': {lost}}}"
        return _guarded(x, "{", kind, _bound(each, r, result))

    return Nested(pair)
