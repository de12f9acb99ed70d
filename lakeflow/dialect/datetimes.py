"""Patterns of dates and times, as `date_format` writes and `to_timestamp` reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from lakeflow.dialect.regular import escaped
from lakeflow.dialect.typed import Problem, refused, text

_WRITTEN = {
    "yyyy": "%Y",
    "MM": "%m",
    "M": "%-m",
    "LL": "%m",
    "L": "%-m",
    "MMM": "%b",
    "LLL": "%b",
    "MMMM": "%B",
    "LLLL": "%B",
    "dd": "%d",
    "d": "%-d",
    "DDD": "%j",
    "D": "%-j",
    "HH": "%H",
    "H": "%-H",
    "hh": "%I",
    "h": "%-I",
    "mm": "%M",
    "m": "%-M",
    "ss": "%S",
    "s": "%-S",
    "a": "%p",
    "E": "%a",
    "EE": "%a",
    "EEE": "%a",
    "EEEE": "%A",
}
_COMPUTED = {
    "yy": "lpad(CAST(year({0}) % 100 AS VARCHAR), 2, '0')",
    "y": "CAST(year({0}) AS VARCHAR)",
    "Q": "CAST(quarter({0}) AS VARCHAR)",
    "q": "CAST(quarter({0}) AS VARCHAR)",
    "QQ": "'0' || CAST(quarter({0}) AS VARCHAR)",
    "qq": "'0' || CAST(quarter({0}) AS VARCHAR)",
    "QQQ": "'Q' || CAST(quarter({0}) AS VARCHAR)",
    "QQQQ": "CAST(quarter({0}) AS VARCHAR) || ['st', 'nd', 'rd', 'th'][quarter({0})] || ' quarter'",
    "kk": "lpad(CAST(CASE WHEN hour({0}) = 0 THEN 24 ELSE hour({0}) END AS VARCHAR), 2, '0')",
    "k": "CAST(CASE WHEN hour({0}) = 0 THEN 24 ELSE hour({0}) END AS VARCHAR)",
    "KK": "lpad(CAST(hour({0}) % 12 AS VARCHAR), 2, '0')",
    "K": "CAST(hour({0}) % 12 AS VARCHAR)",
}
_SHORT = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_LONG = "JANUARY|FEBRUARY|MARCH|APRIL|MAY|JUNE|JULY|AUGUST|SEPTEMBER|OCTOBER|NOVEMBER|DECEMBER"
_SIXTY = "[0-5][0-9]"
_READ = {
    "yyyy": ("y", r"[0-9]{4}|\+[0-9]{5,6}"),
    "yy": ("yy", "[0-9]{2}"),
    "y": ("y", "[0-9]{1,6}"),
    "MM": ("mo", "0[1-9]|1[0-2]"),
    "M": ("mo", "0?[1-9]|1[0-2]"),
    "LL": ("mo", "0[1-9]|1[0-2]"),
    "L": ("mo", "0?[1-9]|1[0-2]"),
    "MMM": ("name", _SHORT),
    "LLL": ("name", _SHORT),
    "MMMM": ("name", _LONG),
    "LLLL": ("name", _LONG),
    "dd": ("d", "[0-3][0-9]"),
    "d": ("d", "[0-3]?[0-9]"),
    "HH": ("h", "[01][0-9]|2[0-3]"),
    "H": ("h", "[01]?[0-9]|2[0-3]"),
    "hh": ("half", "0[1-9]|1[0-2]"),
    "h": ("half", "0?[1-9]|1[0-2]"),
    "mm": ("mi", _SIXTY),
    "m": ("mi", "[0-5]?[0-9]"),
    "ss": ("s", _SIXTY),
    "s": ("s", "[0-5]?[0-9]"),
    "a": ("noon", "AM|PM"),
    "X" * 3: ("z", "Z|[+-][0-9]{2}:[0-9]{2}"),
    "Z": ("z", "[+-][0-9]{4}"),
}
_NAMES = "y yy mo name d h half mi s f noon z".split()


@dataclass(frozen=True)
class Piece:
    """A field of a pattern, text between fields, or a bracket around an optional part."""

    kind: str
    value: str


@cache
def pieces(pattern: str) -> tuple[Piece, ...]:
    """A pattern taken apart.

    Raises:
        Problem: It is none.
    """
    found: list[Piece] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "'":
            stop, literal = _quoted(pattern, position)
            found.append(Piece("text", literal))
            position = stop
            continue
        run = re.compile(r"([A-Za-z])\1*").match(pattern, position)
        if run is not None:
            found.append(Piece("field", run[0]))
            position = run.end()
            continue
        if character in "{}#":
            raise Problem(
                "INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER",
                f"{character} is reserved in the pattern {pattern!r}.",
                f"Write '{character}' in quotes.",
            )
        found.append(Piece("bracket" if character in "[]" else "text", character))
        position += 1
    return tuple(found)


def _quoted(pattern: str, position: int) -> tuple[int, str]:
    if pattern.startswith("''", position):
        return position + 2, "'"
    found = re.compile(r"'((?:[^']|'')*)'").match(pattern, position)
    if found is None:
        raise Problem(
            "INVALID_DATETIME_PATTERN.WITH_SUGGESTION",
            f"The pattern {pattern!r} has an open quote.",
        )
    return found.end(), found[1].replace("''", "'")


def _unknown(field: str, pattern: str) -> Problem:
    return refused(f"{field} in the pattern {pattern!r}", "Use yyyy, MM, dd, HH, mm and ss.")


def writing(pattern: str, local: str, offset: str) -> str:
    """The SQL that writes a TIMESTAMP.

    Args:
        pattern: Spark's.
        local: The clock that is written, in DuckDB's SQL.
        offset: Its distance from UTC in seconds, in DuckDB's SQL.

    Raises:
        Problem: It has a field that is not supported.
    """
    parts: list[str] = []
    simple = ""
    for piece in pieces(pattern):
        if piece.kind == "bracket":
            continue
        if piece.kind == "text":
            simple += piece.value.replace("%", "%%")
        elif piece.value in _WRITTEN:
            simple += _WRITTEN[piece.value]
        else:
            if simple:
                parts.append(_strftime(local, simple))
                simple = ""
            parts.append(_computed(piece.value, pattern, local, offset))
    if simple:
        parts.append(_strftime(local, simple))
    if not parts:
        return f"CASE WHEN {local} IS NOT NULL THEN '' END"
    if len(parts) == 1:
        return parts[0]
    return f"({' || '.join(parts)})"


def _strftime(local: str, pattern: str) -> str:
    name = "spark_strftime" if "%Y" in pattern else "strftime"
    return f"{name}({local}, {text(pattern)})"


def _computed(field: str, pattern: str, local: str, offset: str) -> str:
    if field in _COMPUTED:
        return _COMPUTED[field].replace("{0}", local)
    if set(field) == {"S"} and len(field) <= 9:
        nanos = f"lpad(CAST(microsecond({local}) % 1000000 AS VARCHAR), 6, '0') || '000'"
        return f"left({nanos}, {len(field)})"
    if field == "X" * 3:
        return f"CASE WHEN {offset} = 0 THEN 'Z' ELSE spark_offset_text({offset}, ':') END"
    if field == "x" * 3:
        return f"spark_offset_text({offset}, ':')"
    if field in ("Z", "ZZ", "ZZZ", "xx"):
        return f"spark_offset_text({offset}, '')"
    raise _unknown(field, pattern)


@dataclass(frozen=True)
class Reading:
    """How a text is read: a regular expression and the names of its groups."""

    expression: str
    names: tuple[str, ...]


@cache
def reading(pattern: str) -> Reading:
    """How a pattern reads text.

    Raises:
        Problem: It has a field that is not supported.
    """
    parts: list[str] = []
    names: list[str] = []
    listed = pieces(pattern)
    for position, piece in enumerate(listed):
        if piece.kind == "bracket":
            parts.append("(?:" if piece.value == "[" else ")?")
            continue
        if piece.kind == "text":
            parts.append("".join(escaped(one) for one in piece.value))
            continue
        after = listed[position + 1] if position + 1 < len(listed) else None
        beside = after is not None and after.kind == "field"
        name, expression = _field(piece.value, pattern, beside=beside)
        if name in names:
            raise _unknown(f"a second {piece.value}", pattern)
        names.append(name)
        parts.append(f"({expression})")
    try:
        re.compile("".join(parts))
    except re.error:
        raise _unknown("an open bracket", pattern) from None
    if not {"y", "yy", "mo", "name", "d", "h", "half", "mi", "s"} & set(names):
        raise _unknown("no date or time", pattern)
    return Reading(f"^(?i:{''.join(parts)})$", tuple(names))


def _field(field: str, pattern: str, *, beside: bool) -> tuple[str, str]:
    if set(field) == {"S"} and len(field) <= 9:
        return "f", f"[0-9]{{1,{len(field)}}}"
    if field not in _READ or (beside and len(field) == 1 and field != "a"):
        raise _unknown(field, pattern)
    name, expression = _READ[field]
    return name, "[0-9]{4}" if field == "yyyy" and beside else expression


def micros(found: Reading) -> str:
    """The clock that a text shows, in microseconds, over `p`, the groups of the expression."""
    parts = {name: (f"(p).{name}" if name in found.names else "''") for name in _NAMES}
    year = f"CASE WHEN {parts['y']} = '' THEN 1970 ELSE CAST({parts['y']} AS INTEGER) END"
    if "yy" in found.names:
        year = "2000 + CAST((p).yy AS INTEGER)"
    month = f"spark_part({parts['mo']}, 1)"
    if "name" in found.names:
        months = ", ".join(f"'{name}'" for name in _SHORT.split("|"))
        month = f"list_position([{months}], upper(left((p).name, 3)))"
    hour = f"spark_part({parts['h']}, 0)"
    if "half" in found.names:
        hour = "CAST((p).half AS INTEGER) % 12"
        if "noon" in found.names:
            hour += " + CASE WHEN upper((p).noon) = 'PM' THEN 12 ELSE 0 END"
    clock = (
        f"epoch_us(make_timestamp({year}, {month}, spark_part({parts['d']}, 1), {hour}, "
        f"spark_part({parts['mi']}, 0), spark_part({parts['s']}, 0)))"
    )
    if "f" in found.names:
        clock += " + CAST(rpad(left((p).f, 6), 6, '0') AS BIGINT)"
    return clock
