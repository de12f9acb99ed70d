"""Arithmetic, comparison and logic with Spark's result types (ANSI)."""

from __future__ import annotations

from lakeflow.core.schema import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    NTZ,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TINYINT,
    VOID,
    DataType,
    Decimal,
    Map,
)
from lakeflow.dialect.casts import cast, instant, local
from lakeflow.dialect.typed import Problem, Typed, cast_sql, named, raising, refused
from lakeflow.dialect.types import (
    DAY,
    DAY_TIME,
    FRACTIONAL,
    INTEGRAL,
    INTERVALS,
    YEAR_MONTH,
    adjusted,
    as_decimal,
    common_type,
    is_atomic,
    is_numeric,
    is_orderable,
)

_DATETIMES = (DATE, TIMESTAMP, NTZ)
_SHORT = 18  # digits of the decimals that DuckDB keeps in 64 bits


def differing(symbol: str, a: DataType, b: DataType) -> Problem:
    """The error of an operator whose operands have no common type."""
    return Problem(
        "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
        f"the operands of {symbol} have types that do not fit: {a} and {b}.",
        "Cast one of them.",
    )


def _wrong(symbol: str, kind: DataType) -> Problem:
    return Problem(
        "DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE", f"{symbol} does not take operands of {kind}."
    )


def literal_decimal(value: Typed) -> Decimal:
    """The decimal of an operand beside a decimal; a constant has the digits that it shows."""
    if value.type in INTEGRAL and value.type != TINYINT and isinstance(value.constant, int):
        return Decimal(max(1, len(str(abs(value.constant)))), 0)
    return as_decimal(value.type)


def unify(values: list[Typed], zone: str, what: str) -> list[Typed]:
    """Brings values to one type, as CASE, IN and COALESCE do.

    Raises:
        Problem: There is no such type.
    """
    kind: DataType = VOID
    for value in values:
        found = common_type(kind, value.type)
        if found is None:
            raise Problem(
                "DATATYPE_MISMATCH.DATA_DIFF_TYPES",
                f"the values of {what} have types that do not fit: {kind} and {value.type}.",
                "Cast them to one type.",
            )
        kind = found
    return [cast(value, kind, zone) for value in values]


def arithmetic(symbol: str, a: Typed, b: Typed, zone: str) -> Typed:
    """Computes `a + b`, `a - b`, `a * b`, `a / b`, `a % b` or `a div b`."""
    temporal = _temporal(symbol, a, b, zone)
    if temporal is not None:
        return temporal
    if a.type in INTERVALS or b.type in INTERVALS:
        raise refused(f"{a.type} {symbol} {b.type}")
    if a.type == VOID and b.type == VOID:
        a = cast(a, DOUBLE, zone)
    kind = common_type(a.type, b.type)
    if kind is None:
        raise differing(symbol, a.type, b.type)
    if kind == STRING:
        if symbol in ("+", "-", "%"):
            raise _wrong(symbol, kind)
        kind = DOUBLE
    if not is_numeric(kind):
        raise _wrong(symbol, kind)
    if isinstance(kind, Decimal):
        return _decimal(symbol, a, b, zone)
    if symbol == "/":
        kind = DOUBLE
    elif symbol == "div":
        if kind in FRACTIONAL:
            raise _wrong("div", kind)
        kind = BIGINT
    return _plain(symbol, cast(a, kind, zone), cast(b, kind, zone), kind)


def _plain(symbol: str, a: Typed, b: Typed, kind: DataType) -> Typed:
    if symbol in "+-*":
        return named(a, f"({{0}} {symbol} {{1}})", kind, b)
    operator = {"/": "/", "div": "//", "%": "%"}[symbol]
    if symbol == "div":
        # DuckDB wraps the smallest number divided by -1 around; a product with -1 raises.
        safe = "CASE WHEN {1} = -1 THEN {0} * {1} ELSE {0} // {1} END"
        return guarded(a, b, safe, kind, symbol)
    return guarded(a, b, f"{{0}} {operator} {{1}}", kind, symbol)


def guarded(a: Typed, b: Typed, template: str, kind: DataType, symbol: str) -> Typed:
    """A division that raises where the divisor is zero and the dividend is not NULL."""
    if isinstance(b.constant, int) and b.constant != 0:
        return named(a, f"({template})", kind, b)
    condition = "REMAINDER_BY_ZERO" if symbol == "%" else "DIVIDE_BY_ZERO"
    hint = "'Division by zero. Use try_divide or NULLIF to get NULL instead.'"
    failing = raising(condition, hint, kind).replace("{", "{{").replace("}", "}}")
    guard = f"CASE WHEN {{1}} = 0 AND {{0}} IS NOT NULL THEN {failing} ELSE {template} END"
    return named(a, guard, kind, b)


def _decimal(symbol: str, a: Typed, b: Typed, zone: str) -> Typed:
    if STRING in (a.type, b.type) or VOID in (a.type, b.type):
        if VOID in (a.type, b.type):
            known = b.type if a.type == VOID else a.type
            a, b = cast(a, known, zone), cast(b, known, zone)
        else:
            raise differing(symbol, a.type, b.type)
    left, right = literal_decimal(a), literal_decimal(b)
    a, b = cast(a, left, zone), cast(b, right, zone)
    p1, s1, p2, s2 = left.precision, left.scale, right.precision, right.scale
    widest = max(s1, s2)
    match symbol:
        case "+" | "-" | "*":
            if symbol == "*":
                digits, scale = p1 + p2 + 1, s1 + s2
            else:
                digits, scale = max(p1 - s1, p2 - s2) + widest + 1, widest
            result = adjusted(digits, scale)
            if result.scale < scale:
                raise _too_long(symbol, left, right)
            if digits > _SHORT and max(p1, p2) <= _SHORT:
                # DuckDB computes short operands in 18 digits, however long their result is.
                a = cast(a, Decimal(_SHORT + 1, s1), zone)
            return named(a, cast_sql(f"({{0}} {symbol} {{1}})", result), result, b)
        case "%":
            result = adjusted(min(p1 - s1, p2 - s2) + widest, widest)
            if max(p1 - s1, p2 - s2) + widest > 38:
                raise _too_long(symbol, left, right)
            return guarded(a, b, cast_sql("({0} % {1})", result), result, "%")
        case "/":
            return _quotient(a, b, left, right)
    raise refused(f"DIV of {left} and {right}", "Cast both to BIGINT, or use floor(a / b).")


def _too_long(symbol: str, a: Decimal, b: Decimal) -> Problem:
    return refused(
        f"{a} {symbol} {b}, whose exact result has more than 38 digits,",
        "Cast the operands to fewer digits.",
    )


def _quotient(a: Typed, b: Typed, left: Decimal, right: Decimal) -> Typed:
    scale = max(6, left.scale + right.precision + 1)
    result = adjusted(left.precision - left.scale + right.scale + scale, scale)
    shift = result.scale - left.scale + right.scale
    if shift < 0:
        raise _too_long("/", left, right)
    quotient = (
        f"spark_quotient({unscaled('{0}', left)}, {unscaled('{1}', right)}, {power_of_ten(shift)})"
    )
    sql = scaled(quotient, result)
    return guarded(a, b, sql, result, "/")


def power_of_ten(exponent: int) -> str:
    """Ten to a power, as a HUGEINT."""
    return f"CAST('1{'0' * exponent}' AS HUGEINT)"


def unscaled(sql: str, kind: Decimal) -> str:
    """The digits of a decimal as a HUGEINT."""
    if kind.scale == 0:
        return f"CAST({sql} AS HUGEINT)"
    if kind.scale <= 19:
        return f"spark_unscaled({sql}, {power_of_ten(kind.scale)})"
    # The product with the power of ten would not fit; the text of the number always does.
    return f"CAST(replace(CAST({sql} AS VARCHAR), '.', '') AS HUGEINT)"


def scaled(digits: str, kind: Decimal) -> str:
    """The decimal whose digits are those of a HUGEINT."""
    if kind.scale == 0:
        return cast_sql(digits, kind)
    unit = f"CAST('0.{'0' * (kind.scale - 1)}1' AS DECIMAL({kind.scale},{kind.scale}))"
    return cast_sql(f"(CAST({digits} AS DECIMAL(38,0)) * {unit})", kind)


def _temporal(symbol: str, a: Typed, b: Typed, zone: str) -> Typed | None:
    """Arithmetic of dates, timestamps and intervals; None if this is none."""
    if symbol not in "+-":
        return None
    if a.type in (*INTERVALS, INT, SMALLINT, TINYINT) and b.type in _DATETIMES and symbol == "+":
        a, b = b, a
    if a.type == DATE and b.type in (INT, SMALLINT, TINYINT):
        return named(a, f"({{0}} {symbol} CAST({{1}} AS INTEGER))", DATE, b)
    if a.type in _DATETIMES and b.type in INTERVALS:
        return shift(symbol, a, b, zone)
    if symbol == "-" and a.type in _DATETIMES and b.type in _DATETIMES:
        return _difference(a, b, zone)
    if a.type in INTERVALS and b.type in INTERVALS:
        kind = common_type(a.type, b.type)
        if kind is None:
            raise differing(symbol, a.type, b.type)
        return named(a, f"({{0}} {symbol} {{1}})", kind, b)
    return None


def shift(symbol: str, a: Typed, b: Typed, zone: str) -> Typed:
    """A date or timestamp moved by an interval; days and months move the zone's clock."""
    if a.type == DATE and b.type in (DAY, YEAR_MONTH):
        return named(a, f"CAST(({{0}} {symbol} {{1}}) AS DATE)", DATE, b)
    if a.type == DATE:
        a = cast(a, TIMESTAMP, zone)
    if a.type == NTZ:
        return named(a, f"({{0}} {symbol} {{1}})", NTZ, b)
    if b.type == YEAR_MONTH:
        return named(a, instant(f"({local('{0}', zone)} {symbol} {{1}})", zone), TIMESTAMP, b)
    micros = "CAST(epoch_us({1}) AS BIGINT)"
    if zone == "UTC":
        return named(a, f"make_timestamptz(epoch_us({{0}}) {symbol} {micros})", TIMESTAMP, b)
    # Days move the clock of the zone, what is left over is exact time.
    clock = local("{0}", zone)
    days = instant(f"({clock} {symbol} to_days(CAST({micros} // 86400000000 AS INTEGER)))", zone)
    rest = f"{micros} % 86400000000"
    return named(a, f"make_timestamptz(epoch_us({days}) {symbol} {rest})", TIMESTAMP, b)


def _difference(a: Typed, b: Typed, zone: str) -> Typed:
    if a.type == DATE and b.type == DATE:
        return named(a, "to_days(CAST({0} - {1} AS INTEGER))", DAY, b)
    kind = common_type(a.type, b.type)
    assert kind is not None
    a, b = cast(a, kind, zone), cast(b, kind, zone)
    return named(a, "to_microseconds(epoch_us({0}) - epoch_us({1}))", DAY_TIME, b)


_SYMBOLS = {"=": "=", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def comparable(symbol: str, a: Typed, b: Typed, zone: str) -> tuple[Typed, Typed]:
    """Brings two operands of a comparison to one type.

    Raises:
        Problem: They cannot be compared.
    """
    if is_numeric(a.type) and is_numeric(b.type):
        kind: DataType | None = _numeric_pair(a, b)
    else:
        kind = common_type(a.type, b.type)
    if kind is None:
        raise differing(symbol, a.type, b.type)
    if not is_orderable(kind):
        raise Problem("DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", f"{symbol} cannot compare {kind}.")
    if not is_atomic(kind) and kind not in INTERVALS and symbol not in ("=", "<=>", "<>"):
        raise refused(f"{symbol} of {kind}")
    if isinstance(kind, Map):
        raise differing(symbol, a.type, b.type)
    return cast(a, kind, zone), cast(b, kind, zone)


def _numeric_pair(a: Typed, b: Typed) -> DataType | None:
    if isinstance(a.type, Decimal) and b.type in INTEGRAL:
        return common_type(a.type, literal_decimal(b))
    if isinstance(b.type, Decimal) and a.type in INTEGRAL:
        return common_type(literal_decimal(a), b.type)
    return common_type(a.type, b.type)


def comparison(symbol: str, a: Typed, b: Typed, zone: str) -> Typed:
    """Computes `a = b`, `a < b` and so on, and `<=>`."""
    a, b = comparable(symbol, a, b, zone)
    operator = "IS NOT DISTINCT FROM" if symbol == "<=>" else _SYMBOLS[symbol]
    return named(a, f"({{0}} {operator} {{1}})", BOOLEAN, b)


def condition(value: Typed, what: str, zone: str) -> Typed:
    """A value as a boolean.

    Raises:
        Problem: It is none.
    """
    if value.type == VOID and what == "WHERE":
        raise Problem("DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "WHERE takes a BOOLEAN, not VOID.")
    if value.type in (BOOLEAN, VOID):
        return cast(value, BOOLEAN, zone)
    if value.type == STRING and what in ("AND", "OR", "NOT"):
        return cast(value, BOOLEAN, zone)
    raise Problem(
        "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
        f"{what} takes a BOOLEAN, not {value.type}.",
        "Compare the value with something.",
    )
