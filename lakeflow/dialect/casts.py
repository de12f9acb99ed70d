"""Spark's casts (ANSI): which exist, and what each is in DuckDB's SQL.

A cast that this table does not list is an error of the user's where Spark forbids it, and
refused by name where Spark knows it.
"""

from __future__ import annotations

from lakeflow.core.schema import (
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    NTZ,
    STRING,
    TIMESTAMP,
    VOID,
    Array,
    DataType,
    Decimal,
    Map,
    Struct,
)
from lakeflow.dialect.typed import Problem, Typed, cast_sql, raising, refused, text
from lakeflow.dialect.types import (
    FRACTIONAL,
    INTEGRAL,
    INTERVALS,
    duckdb_type,
    identifier,
    is_atomic,
    is_numeric,
)


def cast(value: Typed, to: DataType, zone: str, *, attempt: bool = False) -> Typed:
    """Casts as `CAST` does, or as `TRY_CAST` where `attempt` is set.

    Raises:
        Problem: Spark has no such cast, or we do not.
    """
    if value.type == to:
        return value
    if value.type == VOID:
        return Typed(f"CAST(NULL AS {duckdb_type(to)})", to, None)
    if is_atomic(value.type) and is_atomic(to):
        sql = _atomic(value, to, zone, attempt=attempt)
        constant = value.constant if value.is_constant and _keeps_constant(value, to) else None
        if constant is not None:
            return Typed(sql, to, constant, value.volatile)
        return value.with_sql(sql, to)
    return _nested(value, to, zone, attempt=attempt)


def _keeps_constant(value: Typed, to: DataType) -> bool:
    same_kind = value.type in INTEGRAL and to in INTEGRAL
    return same_kind or (value.type == STRING and to == STRING)


def forbidden(value: DataType, to: DataType) -> Problem:
    """The error of a cast that Spark does not have."""
    return Problem(
        "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION",
        f"cannot cast {value} to {to}.",
        "Convert by a function that says what is meant.",
    )


def _atomic(value: Typed, to: DataType, zone: str, *, attempt: bool) -> str:
    kind = value.type
    if kind == STRING:
        return _from_string(value, to, zone, attempt=attempt)
    if to == STRING:
        return _to_string(value, zone)
    if kind == BOOLEAN:
        return _from_boolean(value, to, attempt=attempt)
    if is_numeric(kind):
        return _from_number(value, to, attempt=attempt)
    if kind == DATE and to in (TIMESTAMP, NTZ):
        local = f"CAST({value.sql} AS TIMESTAMP)"
        return local if to == NTZ else instant(local, zone)
    if kind == NTZ and to in (DATE, TIMESTAMP):
        return f"CAST({value.sql} AS DATE)" if to == DATE else instant(value.sql, zone)
    if kind == TIMESTAMP:
        return _from_timestamp(value, to, zone, attempt=attempt)
    raise forbidden(kind, to)


def instant(sql: str, zone: str) -> str:
    """The instant at which a clock in the zone shows a TIMESTAMP_NTZ."""
    if zone == "UTC":
        return f"make_timestamptz(epoch_us({sql}))"
    return f"spark_first_instant({sql}, {text(zone)})"


def local(sql: str, zone: str) -> str:
    """What a clock in the zone shows at an instant, as TIMESTAMP_NTZ."""
    if zone == "UTC":
        return f"make_timestamp(epoch_us({sql}))"
    return f"timezone({text(zone)}, {sql})"


def _parsed(value: Typed, to: DataType, parsed: str, *, attempt: bool) -> str:
    """A conversion of text that is NULL where the text is malformed, made to raise there."""
    if attempt:
        return parsed
    message = (
        f"'The value ''' || {value.sql} || ''' of the type \"STRING\" cannot be cast to "
        f'"{to}" because it is malformed. Use `try_cast` to tolerate malformed input.\''
    )
    failing = raising("CAST_INVALID_INPUT", message, to)
    return f"coalesce({parsed}, CASE WHEN {value.sql} IS NOT NULL THEN {failing} END)"


def _from_string(value: Typed, to: DataType, zone: str, *, attempt: bool) -> str:
    sql = value.sql
    if to in INTEGRAL:
        parsed = f"TRY_CAST(spark_digits({sql}) AS {duckdb_type(to)})"
    elif to == DOUBLE:
        parsed = f"spark_double({sql})"
    elif to == FLOAT:
        parsed = f"TRY_CAST(spark_double({sql}) AS FLOAT)"
    elif isinstance(to, Decimal):
        parsed = f"TRY_CAST(spark_number({sql}) AS {duckdb_type(to)})"
    elif to == BOOLEAN:
        parsed = f"spark_boolean({sql})"
    elif to == DATE:
        parsed = f"spark_date({sql})"
    elif to == TIMESTAMP:
        parsed = f"spark_timestamp({sql}, {text(zone)})"
    elif to == NTZ:
        parsed = f"spark_ntz({sql})"
    elif to == BINARY:
        return f"encode({sql})"
    else:
        raise forbidden(STRING, to)
    return _parsed(value, to, parsed, attempt=attempt)


def _to_string(value: Typed, zone: str) -> str:
    kind, sql = value.type, value.sql
    if kind in FRACTIONAL:
        return f"spark_float_text({sql})"
    if kind == TIMESTAMP:
        return f"CAST({local(sql, zone)} AS VARCHAR)"
    if kind == BINARY:
        raise refused("CAST of BINARY to STRING", "Use decode(x, 'UTF-8').")
    if isinstance(kind, Decimal) and kind.precision == kind.scale:
        return f"spark_fraction_text(CAST({sql} AS VARCHAR))"
    return f"CAST({sql} AS VARCHAR)"


def _from_boolean(value: Typed, to: DataType, *, attempt: bool) -> str:
    if not is_numeric(to):
        raise forbidden(BOOLEAN, to)
    verb = "TRY_CAST" if attempt else "CAST"
    return f"{verb}(CAST({value.sql} AS INTEGER) AS {duckdb_type(to)})"


def _from_number(value: Typed, to: DataType, *, attempt: bool) -> str:
    kind, sql = value.type, value.sql
    verb = "TRY_CAST" if attempt else "CAST"
    target = duckdb_type(to)
    if to == BOOLEAN:
        return f"({sql} <> 0)"
    if to in INTEGRAL:
        whole = sql if kind in INTEGRAL else f"trunc({sql})"
        return f"{verb}({whole} AS {target})"
    if isinstance(to, Decimal):
        if kind in FRACTIONAL:
            double = sql if kind == DOUBLE else f"CAST({sql} AS DOUBLE)"
            # What is no number becomes NULL in Spark too.
            written = f"CASE WHEN isfinite({sql}) THEN CAST({double} AS VARCHAR) END"
            return f"{verb}({written} AS {target})"
        return f"{verb}({sql} AS {target})"
    if to in FRACTIONAL:
        if isinstance(kind, Decimal):
            # DuckDB divides the unscaled number, which is off by one unit for long decimals.
            return f"{verb}(CAST({sql} AS VARCHAR) AS {target})"
        if (kind, to) == (DOUBLE, FLOAT):
            return f"spark_float({sql})"
        return f"{verb}({sql} AS {target})"
    if to == TIMESTAMP:
        return _number_to_timestamp(value, attempt=attempt)
    raise forbidden(kind, to)


def _number_to_timestamp(value: Typed, *, attempt: bool) -> str:
    verb = "TRY_CAST" if attempt else "CAST"
    if value.type in INTEGRAL:
        micros = f"CAST({value.sql} AS HUGEINT) * 1000000"
    elif isinstance(value.type, Decimal):
        micros = f"trunc(CAST({value.sql} AS DECIMAL(38,6)) * 1000000)"
    else:
        raise refused(f"CAST of {value.type} to TIMESTAMP", "Use timestamp_micros(..).")
    return f"make_timestamptz({verb}({micros} AS BIGINT))"


def _from_timestamp(value: Typed, to: DataType, zone: str, *, attempt: bool) -> str:
    if to == DATE:
        return f"CAST({local(value.sql, zone)} AS DATE)"
    if to == NTZ:
        return local(value.sql, zone)
    verb = "TRY_CAST" if attempt else "CAST"
    micros = f"epoch_us({value.sql})"
    if to in INTEGRAL:
        return f"{verb}(spark_floor_div({micros}, 1000000) AS {duckdb_type(to)})"
    if isinstance(to, Decimal):
        seconds = f"(CAST({micros} AS DECIMAL(20,0)) * CAST(0.000001 AS DECIMAL(6,6)))"
        return f"{verb}({seconds} AS {duckdb_type(to)})"
    if to in FRACTIONAL:
        return f"{verb}({micros} / 1000000.0::DOUBLE AS {duckdb_type(to)})"
    raise forbidden(TIMESTAMP, to)


def _nested(value: Typed, to: DataType, zone: str, *, attempt: bool) -> Typed:
    """Casts element by element; a nested value that fails in part fails as a whole in ANSI."""
    if value.type in INTERVALS or to in INTERVALS:
        if value.type in INTERVALS and to in INTERVALS:
            raise refused(f"CAST of {value.type} to {to}")
        if is_numeric(value.type) or is_numeric(to) or STRING in (value.type, to):
            raise refused(f"CAST of {value.type} to {to}")
        raise forbidden(value.type, to)
    match value.type, to:
        case Array(a), Array(b):
            inner = cast(Typed("e", a), b, zone, attempt=attempt)
            if inner.sql == "e":
                return value.retyped(to)
            sql = f"list_transform({value.sql}, lambda e: {inner.sql})"
            return value.with_sql(sql, to)
        case Struct(a), Struct(b) if len(a) == len(b):
            fields = []
            for x, y in zip(a, b, strict=True):
                one = Typed(f"struct_extract({value.sql}, {text(x.name)})", x.type)
                inner = cast(one, y.type, zone, attempt=attempt)
                fields.append(f"{identifier(y.name)} := {inner.sql}")
            packed = f"struct_pack({', '.join(fields)})"
            sql = f"CASE WHEN {value.sql} IS NOT NULL THEN {packed} END"
            return value.with_sql(cast_sql(sql, to), to)
        case Map(k1, v1), Map(k2, v2):
            key = cast(Typed("(e).key", k1), k2, zone, attempt=attempt)
            inner = cast(Typed("(e).value", v1), v2, zone, attempt=attempt)
            entries = (
                f"list_transform(map_entries({value.sql}), "
                f"lambda e: struct_pack(key := {key.sql}, value := {inner.sql}))"
            )
            return value.with_sql(f"map_from_entries({entries})", to)
    if to == STRING:
        raise refused(f"CAST of {value.type} to STRING", "Use to_json(..).")
    raise forbidden(value.type, to)
