"""Functions over dates and instants."""

from __future__ import annotations

import re

from sqlglot import exp

from lakeflow.core.schema import (
    BIGINT,
    DATE,
    DOUBLE,
    INT,
    NTZ,
    STRING,
    TIMESTAMP,
    VOID,
    DataType,
    Decimal,
    Field,
    Struct,
)
from lakeflow.dialect.casts import cast, instant, local
from lakeflow.dialect.functions.table import Call, filled, function, simple
from lakeflow.dialect.nodes import string
from lakeflow.dialect.typed import Problem, Typed, raising, refused
from lakeflow.dialect.types import INTEGRAL, INTERVALS, is_numeric

for _name, _part in (
    ("year", "year"),
    ("month", "month"),
    ("day dayofmonth", "day"),
    ("quarter", "quarter"),
    ("dayofyear", "dayofyear"),
    ("weekofyear", "week"),
):
    simple(_name, [DATE], INT, f"CAST({_part}({{0}}) AS INTEGER)")
simple("dayofweek", [DATE], INT, "CAST(dayofweek({0}) + 1 AS INTEGER)")
simple("weekday", [DATE], INT, "CAST(isodow({0}) - 1 AS INTEGER)")
simple("dayname", [DATE], STRING, "left(dayname({0}), 3)")
simple("monthname", [DATE], STRING, "left(monthname({0}), 3)")
simple("last_day", [DATE], DATE, "last_day({0})")
simple("add_months", [DATE, INT], DATE, "CAST({0} + to_months({1}) AS DATE)")
simple("make_date", [INT, INT, INT], DATE, "make_date({0}, {1}, {2})")
simple("date_from_unix_date", [INT], DATE, "(DATE '1970-01-01' + {0})")
simple("timestamp_micros", [BIGINT], TIMESTAMP, "make_timestamptz({0})")
simple("timestamp_millis", [BIGINT], TIMESTAMP, "make_timestamptz({0} * 1000)")

_UNITS = {
    "YEAR": ("months", 12),
    "QUARTER": ("months", 3),
    "MONTH": ("months", 1),
    "WEEK": ("days", 7),
    "DAY": ("days", 1),
    "DAYOFYEAR": ("days", 1),
    "HOUR": ("micros", 3_600_000_000),
    "MINUTE": ("micros", 60_000_000),
    "SECOND": ("micros", 1_000_000),
    "MILLISECOND": ("micros", 1_000),
    "MICROSECOND": ("micros", 1),
}
_TRUNCATED = {
    **dict.fromkeys(("YEAR", "YYYY", "YY"), "year"),
    "QUARTER": "quarter",
    **dict.fromkeys(("MONTH", "MM", "MON"), "month"),
    "WEEK": "week",
    **dict.fromkeys(("DAY", "DD"), "day"),
    "HOUR": "hour",
    "MINUTE": "minute",
    "SECOND": "second",
    "MILLISECOND": "milliseconds",
    "MICROSECOND": "microseconds",
}
_WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


@function("current_timestamp", "now", arity=0, deterministic=False)
def _now(call: Call) -> Typed:  # noqa: ARG001 - every entry of the table is built alike
    sql = "coalesce(CAST(getvariable('lakeflow_now') AS TIMESTAMPTZ), now())"
    return Typed(sql, TIMESTAMP)


@function("current_date", "curdate", arity=0, deterministic=False)
def _today(call: Call) -> Typed:
    return cast(_now(call), DATE, call.zone)


@function("current_timezone", arity=0)
def _zone(call: Call) -> Typed:
    return string("Etc/UTC" if call.zone == "UTC" else call.zone)


def _clock(call: Call, index: int) -> Typed:
    """An argument as what a clock in the session's zone shows."""
    value = call.raw(index)
    if value.type not in (DATE, NTZ):
        value = call.take(index, TIMESTAMP)
    return cast(value, NTZ, call.zone)


def _exactly(call: Call, kind: DataType) -> Typed:
    """The argument of a function that converts nothing by itself."""
    value = call.raw(0)
    if value.type not in (kind, VOID) and (value.type, kind) != (NTZ, TIMESTAMP):
        raise call.wrong_type(0, str(kind))
    return cast(value, kind, call.zone)


_SINCE_1970 = {
    "unix_date": (DATE, INT, "CAST({0} - DATE '1970-01-01' AS INTEGER)"),
    "unix_micros": (TIMESTAMP, BIGINT, "epoch_us({0})"),
    "unix_millis": (TIMESTAMP, BIGINT, "spark_floor_div(epoch_us({0}), 1000)"),
    "unix_seconds": (TIMESTAMP, BIGINT, "spark_floor_div(epoch_us({0}), 1000000)"),
}


@function(*_SINCE_1970)
def _since_1970(call: Call) -> Typed:
    takes, gives, template = _SINCE_1970[call.name]
    return filled(template, gives, _exactly(call, takes))


@function("hour", "minute", "second")
def _part_of_day(call: Call) -> Typed:
    return filled(f"CAST({call.name}({{0}}) AS INTEGER)", INT, _clock(call, 0))


def _unit(call: Call, index: int) -> str | None:
    """A unit that stands where an argument does, as in `timestampdiff(HOUR, a, b)`."""
    node = call.nodes[index]
    if isinstance(node, exp.Column | exp.Var) and node.name.upper() in _UNITS:
        return node.name.upper()
    return None


@function("date_add", "dateadd", arity=(2, 3))
def _date_add(call: Call) -> Typed:
    if len(call) == 3:
        return _timestampadd(call)
    return filled("({0} + {1})", DATE, call.take(0, DATE), _days(call))


@function("date_sub", arity=2)
def _date_sub(call: Call) -> Typed:
    return filled("({0} - {1})", DATE, call.take(0, DATE), _days(call))


def _days(call: Call) -> Typed:
    given = call.raw(1).type
    if given in INTERVALS:
        raise refused(f"{call.name}(..) of an interval", "Write date + INTERVAL '1' DAY.")
    if given not in (*INTEGRAL[:3], STRING, VOID):
        raise call.wrong_type(1, "INT")
    return call.take(1, INT)


@function("timestampadd", arity=3)
def _timestampadd(call: Call) -> Typed:
    unit = _unit(call, 0)
    if unit is None:
        raise Problem("INVALID_PARAMETER_VALUE.DATETIME_UNIT", f"{call.name}(..) takes a unit.")
    kind, factor = _UNITS[unit]
    value = call.raw(2)
    if value.type != NTZ:
        value = call.take(2, TIMESTAMP)
    count = call.take(1, BIGINT if kind == "micros" else INT)
    if kind == "micros":
        moved = f"epoch_us({{0}}) + {{1}} * {factor}"
        make = "make_timestamp" if value.type == NTZ else "make_timestamptz"
        return filled(f"{make}({moved})", value.type, value, count)
    clock = cast(value, NTZ, call.zone)
    moved = f"({{0}} + to_{kind}(CAST({{1}} * {factor} AS INTEGER)))"
    found = filled(moved, NTZ, clock, count)
    return cast(found, value.type, call.zone)


@function("datediff", "date_diff", arity=(2, 3))
def _datediff(call: Call) -> Typed:
    if len(call) == 3:
        return _timestampdiff(call)
    return filled("CAST({0} - {1} AS INTEGER)", INT, call.take(0, DATE), call.take(1, DATE))


@function("timestampdiff", arity=3)
def _timestampdiff(call: Call) -> Typed:
    unit = _unit(call, 0)
    if unit is None:
        raise Problem("INVALID_PARAMETER_VALUE.DATETIME_UNIT", f"{call.name}(..) takes a unit.")
    kind, factor = _UNITS[unit]
    if kind == "micros":
        a, b = call.take(1, TIMESTAMP), call.take(2, TIMESTAMP)
        return filled(f"((epoch_us({{1}}) - epoch_us({{0}})) // {factor})", BIGINT, a, b)
    if kind == "days":
        sql = f"((epoch_us({{1}}) - epoch_us({{0}})) // {factor * 86_400_000_000})"
    else:
        sql = f"CAST(spark_months({{0}}, {{1}}) // {factor} AS BIGINT)"
    return filled(sql, BIGINT, _clock(call, 1), _clock(call, 2))


@function("date_trunc", arity=2)
def _date_trunc(call: Call) -> Typed:
    value = call.raw(1)
    if value.type != NTZ:
        value = call.take(1, TIMESTAMP)
    unit = _truncation(call, 0)
    if unit is None:
        return Typed("CAST(NULL AS TIMESTAMPTZ)", TIMESTAMP).retyped(TIMESTAMP)
    value = call.take(1, TIMESTAMP)
    clock = cast(value, NTZ, call.zone)
    kind, size = _UNITS[unit.removesuffix("s").upper()]
    if kind == "micros" and call.zone != "UTC":
        # What is cut off is the same for both hours that one clock shows.
        rest = f"((epoch_us({{1}}) % {size} + {size}) % {size})"
        sql = f"make_timestamptz(epoch_us({{0}}) - {rest})"
        return filled(sql, TIMESTAMP, value, clock)
    return cast(filled(f"date_trunc('{unit}', {{0}})", NTZ, clock), TIMESTAMP, call.zone)


def _truncation(call: Call, index: int) -> str | None:
    """DuckDB's word for a constant unit; None where there is no such unit."""
    if call.raw(index).type == VOID:
        return None
    return _TRUNCATED.get(call.text(index).upper())


@function("trunc", arity=2)
def _trunc(call: Call) -> Typed:
    value = call.take(0, DATE)
    unit = _truncation(call, 1)
    if unit not in ("year", "quarter", "month", "week"):
        return Typed("CAST(NULL AS DATE)", DATE)
    return filled(f"CAST(date_trunc('{unit}', {{0}}) AS DATE)", DATE, value)


@function("next_day", arity=2)
def _next_day(call: Call) -> Typed:
    value = call.take(0, DATE)
    if call.raw(1).type == VOID:
        return Typed("CAST(NULL AS DATE)", DATE)
    wanted = call.text(1).upper()
    for number, name in enumerate(_WEEKDAYS, 1):
        if wanted in (name, name[:3], name[:2]):
            return filled(
                f"({{0}} + CAST(({number} - isodow({{0}}) + 6) % 7 + 1 AS INTEGER))", DATE, value
            )
    raise Problem("ILLEGAL_DAY_OF_WEEK", f"{call.text(1)!r} is no day of the week.")


@function("months_between", arity=(2, 3))
def _months_between(call: Call) -> Typed:
    rounds = call.raw(2).constant if len(call) > 2 else True
    if not isinstance(rounds, bool):
        raise refused("months_between(..) with a flag that is not a constant")
    a, b = _clock(call, 0), _clock(call, 1)
    sql = "spark_months_between({0}, {1})"
    if rounds:
        sql = f"(floor({sql} * 100000000 + 0.5) / 100000000)"
    return filled(sql, DOUBLE, a, b)


_SECONDS = Decimal(16, 6)


@function("make_timestamp", "make_timestamp_ltz", "make_timestamp_ntz", arity=(2, 7))
def _make_timestamp(call: Call) -> Typed:
    if len(call) != 6:
        raise refused(f"{call.name}(..) of {len(call)} arguments", "Give six numbers.")
    parts = [call.take(index, INT) for index in range(5)]
    seconds = call.take(5, _SECONDS)
    failing = raising("DATETIME_FIELD_OUT_OF_BOUNDS", "'A second is between 0 and 60.'", NTZ)
    sql = (
        f"CASE WHEN {{5}} > 60 OR {{5}} < 0 THEN {failing} ELSE make_timestamp(epoch_us("
        "make_timestamp({0}, {1}, {2}, {3}, {4}, 0)) + CAST({5} * 1000000 AS BIGINT)) END"
    )
    made = filled(sql, NTZ, *parts, seconds)
    if call.name == "make_timestamp_ntz":
        return made
    return cast(made, TIMESTAMP, call.zone)


@function("timestamp_seconds")
def _timestamp_seconds(call: Call) -> Typed:
    value = call.raw(0)
    if isinstance(value.type, Decimal) and value.type.scale > 6:
        raise refused(f"timestamp_seconds(..) of {value.type}", "Cast it to six digits.")
    if value.type in (*INTEGRAL, VOID) or isinstance(value.type, Decimal):
        return cast(value, TIMESTAMP, call.zone)
    if not is_numeric(value.type):
        raise call.wrong_type(0, "a number")
    return filled("make_timestamptz(CAST(trunc({0} * 1000000) AS BIGINT))", TIMESTAMP, value)


@function("from_utc_timestamp", "to_utc_timestamp", arity=2)
def _shifted(call: Call) -> Typed:
    value = call.take(0, TIMESTAMP)
    zone = _named_zone(call, 1)
    if zone is None:
        return Typed("CAST(NULL AS TIMESTAMPTZ)", TIMESTAMP)
    if call.name == "from_utc_timestamp":
        return value.with_sql(instant(local(value.sql, zone), "UTC"), TIMESTAMP)
    return value.with_sql(instant(local(value.sql, "UTC"), zone), TIMESTAMP)


def _named_zone(call: Call, index: int) -> str | None:
    """A constant time zone, by the name of a region."""
    if call.raw(index).type == VOID:
        return None
    zone = call.text(index)
    if zone not in ("UTC", "GMT") and "/" not in zone:
        raise refused(f"The time zone {zone!r}", "Write a region such as 'Europe/Vienna'.")
    return zone


@function("convert_timezone", arity=(2, 3))
def _convert_timezone(call: Call) -> Typed:
    first = len(call) - 2
    value = call.take(first + 1, NTZ)
    source = _named_zone(call, 0) if first else call.zone
    target = _named_zone(call, first)
    if source is None or target is None:
        return Typed("CAST(NULL AS TIMESTAMP)", NTZ)
    return value.with_sql(local(instant(value.sql, source), target), NTZ)


_FIELDS: dict[str, tuple[str, DataType]] = {
    **dict.fromkeys(("YEAR", "Y", "YEARS", "YR", "YRS"), ("year", INT)),
    **dict.fromkeys(("YEAROFWEEK",), ("isoyear", INT)),
    **dict.fromkeys(("QUARTER", "QTR"), ("quarter", INT)),
    **dict.fromkeys(("MONTH", "MON", "MONS", "MONTHS"), ("month", INT)),
    **dict.fromkeys(("WEEK", "W", "WEEKS"), ("week", INT)),
    **dict.fromkeys(("DAY", "D", "DAYS"), ("day", INT)),
    **dict.fromkeys(("DAYOFWEEK", "DOW"), ("dayofweek", INT)),
    **dict.fromkeys(("DAYOFWEEK_ISO", "DOW_ISO"), ("isodow", INT)),
    "DOY": ("dayofyear", INT),
    **dict.fromkeys(("HOUR", "H", "HOURS", "HR", "HRS"), ("hour", INT)),
    **dict.fromkeys(("MINUTE", "M", "MIN", "MINS", "MINUTES"), ("minute", INT)),
    **dict.fromkeys(("SECOND", "S", "SEC", "SECONDS", "SECS"), ("second", Decimal(8, 6))),
}


@function("date_part", "datepart", "extract", arity=2)
def _date_part(call: Call) -> Typed:
    if call.raw(0).type == VOID:
        return Typed("CAST(NULL AS DOUBLE)", DOUBLE)
    if call.raw(1).type in INTERVALS:
        raise refused(f"{call.name}(..) of {call.raw(1).type}")
    found = _FIELDS.get(call.text(0).upper())
    if found is None:
        raise Problem("INVALID_EXTRACT_FIELD", f"There is no field {call.text(0)}.")
    part, kind = found
    if kind != INT:
        sql = "CAST((epoch_us({0}) % 60000000 + 60000000) % 60000000 AS DECIMAL(14,0)) * 0.000001"
        return filled(f"CAST({sql} AS DECIMAL(8,6))", kind, _clock(call, 1))
    if part in ("hour", "minute"):
        return filled(f"CAST({part}({{0}}) AS INTEGER)", INT, _clock(call, 1))
    more = " + 1" if part == "dayofweek" else ""
    return filled(f"CAST({part}({{0}}){more} AS INTEGER)", INT, call.take(1, DATE))


def now(call: Call) -> Typed:
    """The clock of the update."""
    return _now(call)


@function("window", arity=(2, 4))
def _window(call: Call) -> Typed:
    """The window of fixed length in which an instant lies; the query drops rows without one."""
    if len(call) > 2:
        raise refused("window(..) that slides or starts late", "Give a length alone.")
    value = call.raw(0)
    if value.type != NTZ:
        value = call.take(0, TIMESTAMP)
    length = _length(call)
    make = "make_timestamp" if value.type == NTZ else "make_timestamptz"
    start = f"spark_floor_div(epoch_us({{0}}), {length}) * {length}"
    kind = Struct((Field("start", value.type), Field("end", value.type)))
    sql = f'struct_pack("start" := {make}({start}), "end" := {make}({start} + {length}))'
    return filled(sql, kind, value)


def _length(call: Call) -> int:
    node = call.nodes[1]
    if isinstance(node, exp.Interval):
        raise refused("window(..) of an INTERVAL", "Write window(ts, '10 minutes').")
    total = 0
    written = call.text(1).lower().removeprefix("interval ")
    for number, unit in re.findall(r"(\d+)\s*([a-z]+)", written):
        kind, factor = _UNITS.get(unit.upper().removesuffix("S"), ("", 0))
        if kind not in ("days", "micros"):
            raise refused(f"window(..) of {call.text(1)!r}", "Write '10 minutes' or '1 day'.")
        total += int(number) * factor * (86_400_000_000 if kind == "days" else 1)
    if total <= 0 or re.sub(r"\d+\s*[a-z]+\s*", "", written):
        raise refused(f"window(..) of {call.text(1)!r}", "Write '10 minutes' or '1 day'.")
    return total


@function("uuid", arity=0, deterministic=False)
def _uuid(call: Call) -> Typed:  # noqa: ARG001 - every entry of the table is built alike
    return Typed("CAST(uuid() AS VARCHAR)", STRING, volatile=True)
