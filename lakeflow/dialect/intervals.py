"""INTERVAL literals."""

from __future__ import annotations

import re

from sqlglot import exp

from lakeflow.dialect.typed import Problem, Typed, refused
from lakeflow.dialect.types import DAY, DAY_TIME, YEAR_MONTH

_MONTHS = {"YEAR": 12, "MONTH": 1}
_MICROS = {
    "WEEK": 7 * 86_400_000_000,
    "DAY": 86_400_000_000,
    "HOUR": 3_600_000_000,
    "MINUTE": 60_000_000,
    "SECOND": 1_000_000,
    "MILLISECOND": 1_000,
    "MICROSECOND": 1,
}
_ORDER = ("DAY", "HOUR", "MINUTE", "SECOND")


def interval(node: exp.Expr) -> Typed:
    """Lowers `INTERVAL 1 DAY`, `INTERVAL '1-2' YEAR TO MONTH` and the like.

    Raises:
        Problem: It is no interval.
    """
    unit = node.args.get("unit")
    value = node.this
    negative = isinstance(value, exp.Neg)
    if isinstance(value, exp.Neg):
        value = value.this
    if not isinstance(value, exp.Literal) or unit is None:
        raise refused(f"{node.sql(dialect='databricks')}", "Write INTERVAL '1' DAY.")
    written = str(value.this).strip()
    if isinstance(unit, exp.IntervalSpan):
        found = _span(written, unit.this.name.upper(), unit.expression.name.upper())
    else:
        found = _single(written, unit.name.upper())
    if negative:
        return found.with_sql(f"(-{found.sql})", found.type)
    return found


def _single(written: str, unit: str) -> Typed:
    unit = unit.removesuffix("S")
    pattern = r"[+-]?[0-9]+(\.[0-9]+)?" if unit == "SECOND" else r"[+-]?[0-9]+"
    if not re.fullmatch(pattern, written):
        raise Problem("INVALID_INTERVAL_FORMAT", f"{written!r} is no number of {unit}s.")
    if unit in _MONTHS:
        return months(int(written) * _MONTHS[unit])
    if unit not in _MICROS:
        raise refused(f"An interval of {unit}")
    if unit == "SECOND":
        whole, _, fraction = written.partition(".")
        sign = -1 if whole.startswith("-") else 1
        micros = sign * (abs(int(whole)) * 1_000_000 + int((fraction + "000000")[:6]))
        return micros_interval(micros, DAY_TIME)
    days = unit in ("DAY", "WEEK")
    return micros_interval(int(written) * _MICROS[unit], DAY if days else DAY_TIME)


def months(count: int) -> Typed:
    """An interval of months."""
    return Typed(f"to_months({count})", YEAR_MONTH)


def micros_interval(micros: int, kind: object) -> Typed:
    """An interval of days to seconds; whole days are kept as days."""
    if kind == DAY:
        return Typed(f"to_days({micros // 86_400_000_000})", DAY)
    return Typed(f"to_microseconds({micros})", DAY_TIME)


def _span(written: str, first: str, last: str) -> Typed:
    if (first, last) == ("YEAR", "MONTH"):
        match = re.fullmatch(r"([+-])?([0-9]+)-([0-9]{1,2})", written)
        if match is None or int(match[3]) > 11:
            raise Problem("INVALID_INTERVAL_FORMAT", f"{written!r} is no YEAR TO MONTH.")
        sign = -1 if match[1] == "-" else 1
        return months(sign * (int(match[2]) * 12 + int(match[3])))
    if first != "DAY" or last not in _ORDER:
        raise refused(f"INTERVAL {first} TO {last}")
    fields = {"HOUR": r"([0-9]{1,2})", "MINUTE": r":([0-9]{1,2})", "SECOND": r":([0-9]{1,2})"}
    wanted = "".join(fields[name] for name in _ORDER[1 : _ORDER.index(last) + 1])
    fraction = r"(?:\.([0-9]{1,9}))?" if last == "SECOND" else ""
    match = re.fullmatch(rf"([+-])?([0-9]+) {wanted}{fraction}", written)
    if match is None:
        raise Problem("INVALID_INTERVAL_FORMAT", f"{written!r} is no {first} TO {last}.")
    micros = 0
    for name, digits in zip(_ORDER, match.groups()[1:], strict=False):
        micros += int(digits) * _MICROS[name]
    if fraction and match.groups()[-1]:
        micros += int((match.groups()[-1] + "000000")[:6])
    return micros_interval(-micros if match[1] == "-" else micros, DAY_TIME)
