"""Functions over regular expressions and patterns of LIKE."""

from __future__ import annotations

import re

from lakeflow.core.schema import BOOLEAN, INT, STRING, Array
from lakeflow.dialect.functions.table import Call, filled, function
from lakeflow.dialect.regular import Regular, escaped, replacement, translated
from lakeflow.dialect.typed import Problem, Typed, raising, refused, text


def _pattern(call: Call, index: int, *, searching: bool = False) -> Regular | None:
    """The constant pattern of a call; None where it is NULL."""
    value = call.take(index, STRING)
    if value.is_constant and value.constant is None:
        return None
    return translated(call.text(index), searching=searching)


def _nothing(kind: object) -> Typed:
    if kind == BOOLEAN:
        return Typed("CAST(NULL AS BOOLEAN)", BOOLEAN)
    if kind == INT:
        return Typed("CAST(NULL AS INTEGER)", INT)
    if kind == STRING:
        return Typed("CAST(NULL AS VARCHAR)", STRING)
    return Typed("CAST(NULL AS VARCHAR[])", Array(STRING))


@function("rlike", "regexp_like", "regexp", arity=2)
def _rlike(call: Call) -> Typed:
    value, pattern = call.take(0, STRING), _pattern(call, 1, searching=True)
    if pattern is None:
        return _nothing(BOOLEAN)
    return filled(f"regexp_matches({{0}}, {_slot(pattern.test)})", BOOLEAN, value)


def _slot(pattern: str) -> str:
    return text(pattern).replace("{", "{{").replace("}", "}}")


def _group(call: Call, pattern: Regular) -> int:
    index = call.whole(2) if len(call) > 2 else 1
    if not 0 <= index <= pattern.groups:
        raise Problem(
            "INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX",
            f"The pattern has {pattern.groups} groups, and not a group {index}.",
            "Give the number of a group, or 0 for the whole match.",
        )
    return index


@function("regexp_extract", arity=(2, 3))
def _extract(call: Call) -> Typed:
    value, pattern = call.take(0, STRING), _pattern(call, 1)
    if pattern is None:
        return _nothing(STRING)
    index = _group(call, pattern)
    found = pattern.text
    if pattern.ends:
        found = f"({pattern.text}){pattern.test[len(pattern.text) :]}"
        index += 1
    return filled(f"regexp_extract({{0}}, {_slot(found)}, {index})", STRING, value)


def _every(call: Call, pattern: Regular | None) -> Regular:
    """A pattern all of whose matches are wanted."""
    assert pattern is not None
    if pattern.nullable:
        raise refused(
            f"{call.name}(..) of a pattern that can match nothing", "Write + instead of *."
        )
    return pattern


@function("regexp_extract_all", arity=(2, 3))
def _extract_all(call: Call) -> Typed:
    value, pattern = call.take(0, STRING), _pattern(call, 1)
    if pattern is None:
        return _nothing(Array(STRING))
    index = _group(call, pattern)
    if _every(call, pattern).ends:
        raise refused(f"$ in the pattern of {call.name}(..)")
    sql = f"regexp_extract_all({{0}}, {_slot(pattern.text)}, {index})"
    return filled(sql, Array(STRING), value)


@function("regexp_count", arity=2)
def _count(call: Call) -> Typed:
    value, pattern = call.take(0, STRING), _pattern(call, 1)
    if pattern is None:
        return _nothing(INT)
    found = _every(call, pattern).test
    return filled(f"CAST(len(regexp_extract_all({{0}}, {_slot(found)})) AS INTEGER)", INT, value)


@function("regexp_substr", arity=2)
def _first(call: Call) -> Typed:
    value, pattern = call.take(0, STRING), _pattern(call, 1)
    if pattern is None:
        return _nothing(STRING)
    if _every(call, pattern).ends:
        raise refused(f"$ in the pattern of {call.name}(..)")
    return filled(f"nullif(regexp_extract({{0}}, {_slot(pattern.text)}), '')", STRING, value)


@function("regexp_replace", arity=(3, 4))
def _replace(call: Call) -> Typed:
    value, pattern = call.take(0, STRING), _pattern(call, 1)
    new = call.take(2, STRING)
    if pattern is None or (new.is_constant and new.constant is None):
        return _nothing(STRING)
    if len(call) > 3 and call.whole(3) != 1:
        if call.whole(3) < 1:
            raise Problem("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "The position begins with 1.")
        raise refused("regexp_replace(..) from a position beyond the first")
    _every(call, pattern)
    if new.is_constant:
        put = replacement(call.text(2), pattern.groups)
        if pattern.ends:
            if pattern.groups > 8:
                raise refused("A pattern with $ and more than eight groups")
            put += f"\\{pattern.groups + 1}"
        sql = f"regexp_replace({{0}}, {_slot(pattern.kept)}, {_slot(put)}, 'g')"
        return filled(sql, STRING, value)
    raise refused("regexp_replace(..) with a replacement that is not a constant")


@function("split", arity=(2, 3))
def _split(call: Call) -> Typed:
    value, pattern = call.take(0, STRING), _pattern(call, 1)
    if pattern is None:
        return _nothing(Array(STRING))
    limit = call.whole(2) if len(call) > 2 else -1
    if limit > 0:
        return _limited(pattern, value, limit)
    if pattern.literal == "":
        sql = "CASE WHEN {0} = '' THEN [''] ELSE string_split({0}, '') END"
        return filled(sql, Array(STRING), value)
    if pattern.nullable or pattern.ends:
        raise refused("split(..) by a pattern that can match nothing")
    if pattern.literal is not None:
        return filled(f"string_split({{0}}, {_slot(pattern.literal)})", Array(STRING), value)
    return filled(f"string_split_regex({{0}}, {_slot(pattern.text)})", Array(STRING), value)


def _limited(pattern: Regular, value: Typed, limit: int) -> Typed:
    if not pattern.literal:
        raise refused("split(..) with a limit by anything but a fixed string")
    separator = _slot(pattern.literal)
    sql = (
        f"list_transform([string_split({{0}}, {separator})], lambda p: "
        f"CASE WHEN len(p) <= {limit} THEN p ELSE list_concat(p[:{limit - 1}], "
        f"[array_to_string(p[{limit}:], {separator})]) END)[1]"
    )
    return filled(sql, Array(STRING), value)


@function("like", "ilike", arity=(2, 3))
def _like(call: Call) -> Typed:
    value, pattern = call.take(0, STRING), call.take(1, STRING)
    if pattern.is_constant and pattern.constant is None:
        return _nothing(BOOLEAN)
    escape = call.text(2) if len(call) > 2 else "\\"
    if len(escape) != 1:
        raise Problem("INVALID_ESCAPE_CHAR", "ESCAPE takes one character.")
    if call.name == "ilike":
        value, pattern = (
            filled("spark_lower({0})", STRING, value),
            Typed(f"spark_lower({pattern.sql})", STRING, pattern.constant),
        )
    if isinstance(pattern.constant, str):
        for found in re.finditer(rf"{re.escape(escape)}(.?)", pattern.constant, re.DOTALL):
            if found[1] not in ("_", "%", escape) or not found[1]:
                raise _misplaced(escape)
        if escape not in pattern.constant:
            return filled("({0} LIKE {1})", BOOLEAN, value, pattern)
        return filled(f"({{0}} LIKE {{1}} ESCAPE {text(escape)})", BOOLEAN, value, pattern)
    one = escaped(escape)
    malformed = rf"^([^{one}]|{one}[_%{one}])*{one}($|[^_%{one}])"
    failing = raising("INVALID_FORMAT", "'A pattern of LIKE has a misplaced escape.'", BOOLEAN)
    sql = (
        f"CASE WHEN regexp_matches({{1}}, {_slot(malformed)}) THEN {failing} "
        f"ELSE {{0}} LIKE {{1}} ESCAPE {text(escape)} END"
    )
    return filled(sql, BOOLEAN, value, pattern)


def _misplaced(escape: str) -> Problem:
    return Problem(
        "INVALID_FORMAT.ESC_IN_THE_MIDDLE",
        f"{escape} stands before a character other than _, % and itself.",
        f"Write {escape}{escape} for the character itself.",
    )
