"""Functions that read and write dates and instants by a pattern."""

from __future__ import annotations

from lakeflow.core.schema import BIGINT, DATE, NTZ, STRING, TIMESTAMP, VOID, DataType
from lakeflow.dialect.casts import cast
from lakeflow.dialect.datetimes import micros, reading, writing
from lakeflow.dialect.functions.dates import now
from lakeflow.dialect.functions.table import Call, filled, function
from lakeflow.dialect.typed import Typed, cast_sql, raising, refused, text
from lakeflow.dialect.types import is_numeric

_DEFAULT = "yyyy-MM-dd HH:mm:ss"


def _pattern(call: Call, index: int) -> str | None:
    """A constant pattern; None where it is NULL."""
    if call.raw(index).type == VOID:
        return None
    return call.text(index)


def _null(kind: DataType) -> Typed:
    return Typed(cast_sql("NULL", kind), kind)


def _written(call: Call, value: Typed, pattern: str) -> Typed:
    clock = cast(value, NTZ, call.zone)
    offset = f"((epoch_us({clock.sql}) - epoch_us({value.sql})) // 1000000)"
    return clock.with_sql(writing(pattern, clock.sql, offset), STRING)


@function("date_format", arity=2)
def _date_format(call: Call) -> Typed:
    value = call.take(0, TIMESTAMP)
    pattern = _pattern(call, 1)
    return _null(STRING) if pattern is None else _written(call, value, pattern)


@function("from_unixtime", arity=(1, 2))
def _from_unixtime(call: Call) -> Typed:
    seconds = call.take(0, BIGINT)
    pattern = _pattern(call, 1) if len(call) > 1 else _DEFAULT
    if pattern is None:
        return _null(STRING)
    value = filled("make_timestamptz({0} * 1000000)", TIMESTAMP, seconds)
    return _written(call, value, pattern)


def _read(call: Call, kind: DataType, *, attempt: bool) -> Typed:
    """Reads text by a pattern, or converts a value as a cast does."""
    value = call.raw(0)
    if is_numeric(value.type):
        raise refused(f"{call.name}(..) of {value.type}", "Cast it to STRING.")
    if value.type not in (STRING, VOID):
        call.take(0, kind)
        return cast(value, kind, call.zone)
    if len(call) == 1:
        return cast(value, kind, call.zone, attempt=attempt)
    pattern = _pattern(call, 1)
    if pattern is None or value.type == VOID:
        return _null(kind)
    found = reading(pattern)
    names = ", ".join(f"'{name}'" for name in found.names)
    clock = micros(found)
    expression = text(found.expression)
    if kind == TIMESTAMP and "z" in found.names:
        offset = "CASE WHEN upper((p).z) = 'Z' THEN 0 ELSE spark_offset((p).z) END"
        made = f"make_timestamptz({clock} - {offset})"
    elif "z" in found.names:
        made = f"make_timestamp({clock})"
    else:
        made = cast(Typed(f"make_timestamp({clock})", NTZ), kind, call.zone).sql
    if kind == DATE:
        made = f"CAST(make_timestamp({clock}) AS DATE)"
    parsed = (
        f"CASE WHEN regexp_matches({value.sql}, {expression}) THEN list_transform("
        f"[regexp_extract({value.sql}, {expression}, [{names}])], lambda p: TRY({made}))[1] END"
    )
    if attempt:
        return value.with_sql(parsed, kind)
    told = text(f"' is not written as {pattern}.")
    message = "'The text ''' || " + f"{value.sql} || {told}"
    failing = raising("CANNOT_PARSE_TIMESTAMP", message, kind)
    sql = f"coalesce({parsed}, CASE WHEN {value.sql} IS NOT NULL THEN {failing} END)"
    return value.with_sql(sql, kind)


@function("to_timestamp", "to_timestamp_ltz", arity=(1, 2))
def _to_timestamp(call: Call) -> Typed:
    return _read(call, TIMESTAMP, attempt=False)


@function("try_to_timestamp", arity=(1, 2))
def _try_to_timestamp(call: Call) -> Typed:
    return _read(call, TIMESTAMP, attempt=True)


@function("to_timestamp_ntz", arity=(1, 2))
def _to_timestamp_ntz(call: Call) -> Typed:
    return _read(call, NTZ, attempt=False)


@function("to_date", arity=(1, 2))
def _to_date(call: Call) -> Typed:
    return _read(call, DATE, attempt=False)


@function("try_to_date", arity=(1, 2))
def _try_to_date(call: Call) -> Typed:
    return _read(call, DATE, attempt=True)


def _seconds(value: Typed) -> Typed:
    return filled("(epoch_us({0}) // 1000000)", BIGINT, value)


@function("to_unix_timestamp", arity=(1, 2))
def _to_unix_timestamp(call: Call) -> Typed:
    return _seconds(_unix(call))


@function("unix_timestamp", arity=(0, 2), deterministic=True)
def _unix_timestamp(call: Call) -> Typed:
    if not call.nodes:
        call.here.analysis.deterministic = False
        return _seconds(now(call))
    return _seconds(_unix(call))


def _unix(call: Call) -> Typed:
    if call.raw(0).type == NTZ:
        return call.raw(0)
    if len(call) > 1 or call.raw(0).type != STRING:
        return _read(call, TIMESTAMP, attempt=False)
    with_pattern = Call(call.here, call.name, call.nodes, call.node)
    return _read_default(with_pattern)


def _read_default(call: Call) -> Typed:
    from sqlglot import exp

    nodes = [*call.nodes, exp.Literal.string(_DEFAULT)]
    return _read(Call(call.here, call.name, nodes, call.node), TIMESTAMP, attempt=False)
