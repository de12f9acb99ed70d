"""Functions over numbers."""

from __future__ import annotations

from lakeflow.core.schema import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    FLOAT,
    INT,
    SMALLINT,
    STRING,
    TINYINT,
    VOID,
    DataType,
    Decimal,
)
from lakeflow.dialect.casts import cast
from lakeflow.dialect.functions.table import Call, filled, function, simple
from lakeflow.dialect.operators import arithmetic
from lakeflow.dialect.typed import NULL, Typed, cast_sql, raising, refused
from lakeflow.dialect.types import (
    FRACTIONAL,
    INTEGRAL,
    INTERVALS,
    as_decimal,
    common_type,
    duckdb_type,
    is_numeric,
)


def _real(names: str, template: str) -> None:
    simple(names, [DOUBLE], DOUBLE, template)


_NAN = "CAST('nan' AS DOUBLE)"

_real("exp", "exp({0})")
_real("expm1", "spark_expm1({0})")
_real("ln", "CASE WHEN {0} > 0 THEN ln({0}) END")
_real("log10", "CASE WHEN {0} > 0 THEN log10({0}) END")
_real("log2", "CASE WHEN {0} > 0 THEN log2({0}) END")
_real("log1p", "spark_log1p({0})")
_real("sqrt", f"CASE WHEN {{0}} < 0 THEN {_NAN} ELSE sqrt({{0}}) END")
_real("cbrt", "cbrt({0})")
_real("sin", f"CASE WHEN isinf({{0}}) THEN {_NAN} ELSE sin({{0}}) END")
_real("cos", f"CASE WHEN isinf({{0}}) THEN {_NAN} ELSE cos({{0}}) END")
_real("tan", f"CASE WHEN isinf({{0}}) THEN {_NAN} ELSE tan({{0}}) END")
_real("cot", "spark_cot({0})")
_real("sec", f"CASE WHEN isinf({{0}}) THEN {_NAN} ELSE 1 / cos({{0}}) END")
_real("csc", f"CASE WHEN isinf({{0}}) THEN {_NAN} ELSE 1 / sin({{0}}) END")
_real("asin", f"CASE WHEN abs({{0}}) > 1 THEN {_NAN} ELSE asin({{0}}) END")
_real("acos", f"CASE WHEN abs({{0}}) > 1 THEN {_NAN} ELSE acos({{0}}) END")
_real("atan", "atan({0})")
_real("sinh", "sinh({0})")
_real("cosh", "cosh({0})")
_real("tanh", "tanh({0})")
_real("asinh", "asinh({0})")
_real("acosh", f"CASE WHEN {{0}} < 1 THEN {_NAN} ELSE acosh({{0}}) END")
_real("atanh", "spark_atanh({0})")
_real("degrees", "degrees({0})")
_real("radians", "radians({0})")
_real("rint", "spark_rint({0})")
_real("sign signum", "CAST(spark_signum({0}) AS DOUBLE)")
simple("atan2", [DOUBLE, DOUBLE], DOUBLE, "atan2({0} + 0.0, {1} + 0.0)")
simple("hypot", [DOUBLE, DOUBLE], DOUBLE, "spark_hypot({0}, {1})")
simple("pow power", [DOUBLE, DOUBLE], DOUBLE, "spark_pow({0}, {1})")
simple("e", [], DOUBLE, "CAST(2.718281828459045 AS DOUBLE)")
simple("pi", [], DOUBLE, "pi()")
simple(
    "factorial",
    [INT],
    BIGINT,
    "CASE WHEN {0} BETWEEN 0 AND 20 THEN CAST(factorial({0}) AS BIGINT) END",
)
simple("bin", [BIGINT], STRING, "spark_binary({0})")


@function("log", arity=(1, 2))
def _log(call: Call) -> Typed:
    if len(call) == 1:
        return filled("CASE WHEN {0} > 0 THEN ln({0}) END", DOUBLE, call.take(0, DOUBLE))
    sql = "CASE WHEN {0} > 0 AND {1} > 0 THEN ln({1}) / ln({0}) END"
    return filled(sql, DOUBLE, call.take(0, DOUBLE), call.take(1, DOUBLE))


def _numeric(call: Call, index: int = 0) -> Typed:
    """An argument as the number it is; text becomes a DOUBLE."""
    value = call.raw(index)
    if value.type in INTERVALS:
        raise refused(f"{call.name}(..) of {value.type}")
    return value if is_numeric(value.type) else call.take(index, DOUBLE)


@function("abs")
def _abs(call: Call) -> Typed:
    value = _numeric(call)
    return filled("abs({0})", value.type, value)


@function("positive")
def _positive(call: Call) -> Typed:
    return _numeric(call)


@function("negative")
def _negative(call: Call) -> Typed:
    from lakeflow.dialect.nodes import negated

    return negated(_numeric(call), call.zone)


@function("round", "bround", arity=(1, 2))
def _round(call: Call) -> Typed:
    value = _numeric(call)
    places = call.whole(1) if len(call) > 1 else 0
    half = "half_even" if call.name == "bround" else "half_up"
    if isinstance(value.type, Decimal):
        return _decimal_to(value, value.type, places, f"spark_{half}")
    if value.type in INTEGRAL:
        if places >= 0:
            return value
        unit = f"CAST('1{'0' * min(-places, 30)}' AS HUGEINT)"
        whole = f"spark_{half}(CAST({{0}} AS HUGEINT), {unit}) * {unit}"
        return filled(cast_sql(f"({whole})", value.type), value.type, value)
    if not -15 <= places <= 15:
        raise refused(f"{call.name}(..) of {value.type} to {places} digits")
    sql = f"spark_{half}_double({{0}}, {places})"
    if places < 0:
        unit = f"CAST('1{'0' * -places}' AS HUGEINT)"
        sql = f"spark_{half}_units({{0}}, {unit})"
    if value.type == FLOAT:
        return filled(f"CAST({sql} AS FLOAT)", FLOAT, cast(value, DOUBLE, call.zone))
    return filled(sql, DOUBLE, value)


def _decimal_to(value: Typed, kind: Decimal, places: int, division: str) -> Typed:
    """A decimal with some places left, of a type that has room for a carry."""
    integral = kind.precision - kind.scale + 1
    if places < 0:
        result = Decimal(min(38, max(integral, 1 - places)), 0)
    else:
        scale = min(kind.scale, places)
        result = Decimal(min(38, integral + scale), scale)
    if places >= kind.scale:
        return filled(cast_sql("{0}", result), result, value)
    return filled(_cut(kind, result, places, division), result, value)


def _cut(kind: Decimal, result: Decimal, places: int, division: str) -> str:
    """A decimal cut to a place by a division of its digits."""
    from lakeflow.dialect.operators import power_of_ten, scaled, unscaled

    digits = unscaled("{0}", kind)
    unit = power_of_ten(min(kind.scale - places, 38))
    whole = f"{division}({digits}, {unit})"
    if places < 0:
        return cast_sql(f"({whole} * {power_of_ten(-places)})", result)
    return scaled(whole, result)


@function("floor", arity=(1, 2))
def _floor(call: Call) -> Typed:
    return _whole(call, "spark_floor_div")


@function("ceil", "ceiling", arity=(1, 2))
def _ceiling(call: Call) -> Typed:
    return _whole(call, "spark_ceil_div")


_SHOWN = {TINYINT: (3, 0), SMALLINT: (5, 0), INT: (10, 0), BIGINT: (20, 0), DOUBLE: (30, 15)}
_SHOWN[FLOAT] = (14, 7)


def _whole(call: Call, division: str) -> Typed:
    value = _numeric(call)
    if len(call) == 2:
        return _whole_to(call, value, division)
    if value.type in INTEGRAL:
        return cast(value, BIGINT, call.zone)
    if isinstance(value.type, Decimal):
        return value if value.type.scale == 0 else _decimal_to(value, value.type, 0, division)
    name = "floor" if division == "spark_floor_div" else "ceil"
    inner = value.sql if value.type == DOUBLE else f"CAST({value.sql} AS DOUBLE)"
    sql = f"CASE WHEN isnan({inner}) THEN 0 ELSE CAST({name}({inner}) AS BIGINT) END"
    return value.with_sql(sql, BIGINT)


def _whole_to(call: Call, value: Typed, division: str) -> Typed:
    places = call.whole(1)
    if not isinstance(value.type, Decimal):
        if value.type not in INTEGRAL:
            raise refused(f"{call.name}(..) of {value.type} to a number of digits", "Cast it.")
        value = cast(value, as_decimal(value.type), call.zone)
    assert isinstance(value.type, Decimal)
    return _decimal_to(value, value.type, places, division)


@function("isnan")
def _isnan(call: Call) -> Typed:
    value = call.raw(0)
    if value.type not in FRACTIONAL:
        value = call.take(0, DOUBLE)
    return filled("coalesce(isnan({0}), false)", BOOLEAN, value)


@function("nanvl", arity=2)
def _nanvl(call: Call) -> Typed:
    kinds = {call.raw(0).type, call.raw(1).type}
    kind = FLOAT if kinds <= {FLOAT, VOID} and FLOAT in kinds else DOUBLE
    values = call.take(0, kind), call.take(1, kind)
    return filled("CASE WHEN isnan({0}) THEN {1} ELSE {0} END", kind, *values)


@function("nullifzero")
def _nullifzero(call: Call) -> Typed:
    if call.raw(0).type == VOID:
        return NULL
    value = _numeric(call)
    return filled("CASE WHEN {0} = 0 THEN NULL ELSE {0} END", value.type, value)


@function("zeroifnull")
def _zeroifnull(call: Call) -> Typed:
    value = call.raw(0)
    kind = common_type(value.type, INT)
    if kind is None:
        raise call.wrong_type(0, "a number")
    return filled("coalesce({0}, 0)", kind, cast(value, kind, call.zone))


@function("mod", arity=2)
def _mod(call: Call) -> Typed:
    return arithmetic("%", call.raw(0), call.raw(1), call.zone)


@function("div", arity=2)
def _div(call: Call) -> Typed:
    return arithmetic("div", call.raw(0), call.raw(1), call.zone)


@function("pmod", arity=2)
def _pmod(call: Call) -> Typed:
    rest = arithmetic("%", call.raw(0), call.raw(1), call.zone)
    if not is_numeric(rest.type):
        raise call.wrong_type(0, "a number")
    if isinstance(rest.type, Decimal) and not (call.raw(0).type == call.raw(1).type == rest.type):
        raise refused("pmod(..) of two different decimals", "Cast them to one type.")
    divisor = cast(call.raw(1), rest.type, call.zone)
    sql = "CASE WHEN {0} < 0 THEN ({0} + {1}) % {1} ELSE {0} END"
    return filled(cast_sql(sql, rest.type), rest.type, rest, divisor)


def _attempted(call: Call, symbol: str) -> Typed:
    """An operator that is NULL where it would raise, unlike its operands."""
    a, b = call.raw(0), call.raw(1)
    if any(value.type in INTERVALS or not _computes(value) for value in (a, b)):
        raise refused(f"{call.name}(..) of {a.type} and {b.type}")
    names = [call.here.analysis.alias("operand") for _ in (a, b)]
    inside = [Typed(f"(p).{name}", value.type) for name, value in zip(names, (a, b), strict=True)]
    for index, value in enumerate((a, b)):
        if value.is_constant or _simple(value.sql):
            inside[index] = value
    found = arithmetic(symbol, inside[0], inside[1], call.zone)
    computed = _without_errors(found.sql)
    if all(one is value for one, value in zip(inside, (a, b), strict=True)):
        return found.with_sql(computed, found.type)
    packed = ", ".join(f"{n} := {v.sql}" for n, v in zip(names, (a, b), strict=True))
    sql = f"list_transform([struct_pack({packed})], lambda p: {computed})[1]"
    return Typed(sql, found.type, volatile=a.volatile or b.volatile)


def _computes(value: Typed) -> bool:
    return is_numeric(value.type) or value.type == VOID


def _simple(sql: str) -> bool:
    """Whether nothing in the SQL can raise: a column."""
    return sql.replace('"', "").replace(".", "").replace("_", "").isalnum()


def _without_errors(sql: str) -> str:
    """DuckDB's TRY takes no error(..), which is replaced by NULL where it stood."""
    from lakeflow.dialect.typed import ERROR_CALL

    return f"TRY({ERROR_CALL.sub('NULL', sql)})"


@function("try_add", arity=2)
def _try_add(call: Call) -> Typed:
    return _attempted(call, "+")


@function("try_subtract", arity=2)
def _try_subtract(call: Call) -> Typed:
    return _attempted(call, "-")


@function("try_multiply", arity=2)
def _try_multiply(call: Call) -> Typed:
    return _attempted(call, "*")


@function("try_divide", arity=2)
def _try_divide(call: Call) -> Typed:
    return _attempted(call, "/")


@function("try_mod", arity=2)
def _try_mod(call: Call) -> Typed:
    return _attempted(call, "%")


def _bits_of(call: Call) -> tuple[list[Typed], DataType]:
    values = call.all
    kind: DataType = VOID
    for value in values:
        kind = common_type(kind, value.type) or STRING
    kind = INT if kind == VOID else kind
    if kind not in INTEGRAL:
        raise call.wrong_type(0, "an integer")
    return [cast(value, kind, call.zone) for value in values], kind


@function("&", "|", "^", arity=2)
def _bitwise(call: Call) -> Typed:
    values, kind = _bits_of(call)
    if call.name == "^":
        return filled("xor({0}, {1})", kind, *values)
    return filled(f"({{0}} {call.name} {{1}})", kind, *values)


@function("~")
def _complement(call: Call) -> Typed:
    values, kind = _bits_of(call)
    return filled("(~{0})", kind, *values)


@function("shiftleft", "shiftright", "shiftrightunsigned", arity=2)
def _shift(call: Call) -> Typed:
    value = call.raw(0)
    kind = value.type if value.type in (INT, BIGINT) else INT
    value, count = call.take(0, kind), call.take(1, INT)
    width = 64 if kind == BIGINT else 32
    sql = f"spark_{call.name}({{0}}, {{1}}, {width})"
    return filled(f"CAST({sql} AS {duckdb_type(kind)})", kind, value, count)


@function("bit_count")
def _bit_count(call: Call) -> Typed:
    value = call.raw(0)
    if value.type not in (*INTEGRAL, BOOLEAN):
        raise call.wrong_type(0, "an integer")
    return filled("CAST(bit_count(CAST({0} AS BIGINT)) AS INTEGER)", INT, value)


@function("bit_get", "getbit", arity=2)
def _bit_get(call: Call) -> Typed:
    value, position = call.raw(0), call.take(1, INT)
    if value.type not in INTEGRAL:
        raise call.wrong_type(0, "an integer")
    width = {TINYINT: 8, SMALLINT: 16, INT: 32, BIGINT: 64}[value.type]
    failing = raising(
        "INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE", "'The position is out of range.'", TINYINT
    )
    sql = (
        f"CASE WHEN {{1}} < 0 OR {{1}} >= {width} THEN {failing} "
        "ELSE CAST((CAST({0} AS BIGINT) >> CAST({1} AS BIGINT)) & 1 AS TINYINT) END"
    )
    return filled(sql, TINYINT, value, position)


@function("width_bucket", arity=4)
def _width_bucket(call: Call) -> Typed:
    if call.raw(0).type in INTERVALS:
        raise refused(f"width_bucket(..) of {call.raw(0).type}")
    values = [call.take(0, DOUBLE), call.take(1, DOUBLE), call.take(2, DOUBLE)]
    return filled("spark_width_bucket({0}, {1}, {2}, {3})", BIGINT, *values, call.take(3, BIGINT))
