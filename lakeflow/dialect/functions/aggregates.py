"""Aggregate functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from lakeflow.core.schema import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    STRING,
    VOID,
    Array,
    DataType,
    Decimal,
    Map,
)
from lakeflow.dialect.casts import cast
from lakeflow.dialect.functions.table import Call
from lakeflow.dialect.operators import power_of_ten, scaled, unscaled
from lakeflow.dialect.typed import Problem, Typed, cast_sql, refused
from lakeflow.dialect.types import INTEGRAL, INTERVALS, is_numeric, is_orderable


@dataclass(frozen=True)
class Aggregate:
    """A lowered aggregate call.

    Args:
        calls: Calls of DuckDB's aggregates, to which FILTER or OVER can be added.
        pattern: The result over them, as `{0}`, `{1}` ..
        type: Spark's type of the result.
    """

    calls: tuple[str, ...]
    pattern: str
    type: DataType


Build = Callable[[Call, bool, bool], Aggregate]


@dataclass(frozen=True)
class Entry:
    """An aggregate function of the table.

    Args:
        minimum: Fewest arguments.
        maximum: Most arguments; None for any number.
        build: Lowers a call, given whether DISTINCT and IGNORE NULLS are written.
    """

    minimum: int
    maximum: int | None
    build: Build


AGGREGATES: dict[str, Entry] = {}


def aggregate(*names: str, arity: tuple[int, int | None] = (1, 1)) -> Callable[[Build], Build]:
    """Registers an aggregate function under its names."""

    def register(build: Build) -> Build:
        for name in names:
            AGGREGATES[name] = Entry(*arity, build)
        return build

    return register


def _word(distinct: bool) -> str:
    return "DISTINCT " if distinct else ""


def _no_nulls_clause(call: Call, ignore: bool) -> None:
    if ignore:
        raise refused(f"IGNORE NULLS of {call.name}(..)")


def number(call: Call, index: int = 0) -> Typed:
    """An argument as the number it is; text becomes a DOUBLE."""
    value = call.raw(index)
    if value.type in (STRING, VOID):
        value = cast(value, DOUBLE, call.zone)
    if value.type in INTERVALS:
        raise refused(f"{call.name}(..) of {value.type}")
    if not is_numeric(value.type):
        raise call.wrong_type(index, "a number")
    return value


@aggregate("count", arity=(0, None))
def _count(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _no_nulls_clause(call, ignore)
    if not call.nodes:
        raise Problem("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "count() takes an argument.")
    if isinstance(call.nodes[0], exp.Star):
        if distinct:
            raise refused("count(DISTINCT *)", "Name the columns.")
        return Aggregate(("count(*)",), "{0}", BIGINT)
    values = call.all
    if distinct and any(isinstance(value.type, Map) for value in values):
        raise refused("count(DISTINCT ..) of a MAP")
    if len(values) == 1:
        return Aggregate((f"count({_word(distinct)}{values[0].sql})",), "{0}", BIGINT)
    row = f"row({', '.join(value.sql for value in values)})"
    whole = " AND ".join(f"{value.sql} IS NOT NULL" for value in values)
    inner = f"CASE WHEN {whole} THEN {row} END"
    return Aggregate((f"count({_word(distinct)}{inner})",), "{0}", BIGINT)


@aggregate("sum")
def _sum(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _no_nulls_clause(call, ignore)
    value = number(call)
    if value.type in INTEGRAL:
        return Aggregate((f"sum({_word(distinct)}{value.sql})",), "CAST({0} AS BIGINT)", BIGINT)
    if isinstance(value.type, Decimal):
        kind = Decimal(min(38, value.type.precision + 10), value.type.scale)
        return Aggregate((f"sum({_word(distinct)}{value.sql})",), cast_sql("{0}", kind), kind)
    inner = f"CAST({value.sql} AS DOUBLE)" if value.type != DOUBLE else value.sql
    return Aggregate((f"sum({_word(distinct)}{inner})",), "{0}", DOUBLE)


@aggregate("avg", "mean")
def _avg(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _no_nulls_clause(call, ignore)
    value = number(call)
    word = _word(distinct)
    if isinstance(value.type, Decimal):
        return _decimal_average(value, value.type, word)
    if value.type in INTEGRAL and value.type != BIGINT:
        # Spark sums doubles; a sum of small integers is as exact whatever the order.
        calls = (f"sum({word}{value.sql})", f"count({word}{value.sql})")
        return Aggregate(calls, "(CAST({0} AS DOUBLE) / nullif({1}, 0))", DOUBLE)
    inner = f"CAST({value.sql} AS DOUBLE)" if value.type != DOUBLE else value.sql
    calls = (f"sum({word}{inner})", f"count({word}{inner})")
    return Aggregate(calls, "({0} / nullif({1}, 0))", DOUBLE)


def _decimal_average(value: Typed, kind: Decimal, word: str) -> Aggregate:
    result = Decimal(min(38, kind.precision + 4), min(38, kind.scale + 4))
    total = Decimal(min(38, kind.precision + 10), kind.scale)
    shift = result.scale - kind.scale
    digits = unscaled(cast_sql("{0}", total), total)
    quotient = f"spark_quotient({digits}, nullif(CAST({{1}} AS HUGEINT), 0), {power_of_ten(shift)})"
    calls = (f"sum({word}{value.sql})", f"count({word}{value.sql})")
    return Aggregate(calls, scaled(quotient, result), result)


@aggregate("min", "max")
def _extreme(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _ = distinct
    _no_nulls_clause(call, ignore)
    value = call.raw(0)
    if not is_orderable(value.type):
        raise Problem(
            "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
            f"{call.name}(..) cannot compare {value.type}.",
        )
    if isinstance(value.type, Array) or str(value.type).startswith("STRUCT"):
        raise refused(f"{call.name}(..) of {value.type}")
    return Aggregate((f"{call.name}({value.sql})",), "{0}", value.type)


@aggregate("max_by", "min_by", arity=(2, 3))
def _by(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _no_nulls_clause(call, ignore)
    if distinct:
        raise refused(f"{call.name}(DISTINCT ..)")
    if len(call) == 3:
        raise refused(f"{call.name}(..) of several values")
    value, order = call.raw(0), call.raw(1)
    if not is_orderable(order.type):
        raise Problem(
            "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
            f"{call.name}(..) cannot compare {order.type}.",
        )
    if str(order.type).startswith(("STRUCT", "ARRAY")):
        raise refused(f"{call.name}(..) by {order.type}")
    name = "arg_max_null" if call.name == "max_by" else "arg_min_null"
    return Aggregate((f"{name}({value.sql}, {order.sql})",), "{0}", value.type)


@aggregate("count_if")
def _count_if(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _no_nulls_clause(call, ignore)
    value = call.take(0, BOOLEAN)
    inner = f"CASE WHEN {value.sql} THEN 1 END"
    if distinct:
        inner = f"DISTINCT {inner}"
    return Aggregate((f"count({inner})",), "{0}", BIGINT)


@aggregate("bool_and", "every", "bool_or", "any", "some")
def _boolean(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _ = distinct
    _no_nulls_clause(call, ignore)
    value = call.take(0, BOOLEAN)
    name = "bool_and" if call.name in ("bool_and", "every") else "bool_or"
    return Aggregate((f"{name}({value.sql})",), "{0}", BOOLEAN)


@aggregate("first", "first_value", "last", "last_value", "any_value", arity=(1, 2))
def _first(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    if distinct:
        raise refused(f"{call.name}(DISTINCT ..)")
    if len(call) == 2:
        flag = call.raw(1).constant
        if not isinstance(flag, bool):
            raise refused(f"{call.name}(..) with a flag that is not a constant")
        ignore = flag or ignore
    value = call.raw(0)
    name = "last" if call.name.startswith("last") else "first"
    if ignore:
        # DuckDB's any_value is the first value that is not NULL.
        if name == "last":
            raise refused("last(..) that ignores nulls", "Use max_by(value, order).")
        return Aggregate((f"any_value({value.sql})",), "{0}", value.type)
    return Aggregate((f"{name}({value.sql})",), "{0}", value.type)


@aggregate("collect_list", "array_agg", "collect_set")
def _collect(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _no_nulls_clause(call, ignore)
    value = call.raw(0)
    if value.type == VOID:
        raise refused(f"{call.name}(NULL)")
    once = distinct or call.name == "collect_set"
    if once and isinstance(value.type, Map):
        raise refused(f"{call.name}(..) of a MAP")
    empty = cast_sql("[]", Array(value.type))
    pattern = f"coalesce(list_filter({{0}}, lambda e: e IS NOT NULL), {empty})"
    return Aggregate((f"list({_word(once)}{value.sql})",), pattern, Array(value.type))


def _moment(name: str, duckdb: str) -> None:
    def build(call: Call, distinct: bool, ignore: bool) -> Aggregate:
        _no_nulls_clause(call, ignore)
        value = call.take(0, DOUBLE)
        word = _word(distinct)
        calls = (f"{duckdb}({word}{value.sql})",)
        return Aggregate(calls, "{0}", DOUBLE)

    AGGREGATES[name] = Entry(1, 1, build)


for _name, _duckdb in (
    ("stddev", "stddev_samp"),
    ("std", "stddev_samp"),
    ("stddev_samp", "stddev_samp"),
    ("stddev_pop", "stddev_pop"),
    ("variance", "var_samp"),
    ("var_samp", "var_samp"),
    ("var_pop", "var_pop"),
):
    _moment(_name, _duckdb)


def _pair(name: str) -> None:
    def build(call: Call, distinct: bool, ignore: bool) -> Aggregate:
        _no_nulls_clause(call, ignore)
        if distinct:
            raise refused(f"{name}(DISTINCT ..)")
        a, b = call.take(0, DOUBLE), call.take(1, DOUBLE)
        # DuckDB's second argument is Spark's first: rounding differs by the order.
        pair = f"{b.sql}, {a.sql}"
        if name != "corr":
            return Aggregate((f"{name}({pair})",), "{0}", DOUBLE)
        calls = (f"corr({pair})", f"regr_sxx({pair})", f"regr_syy({pair})")
        return Aggregate(calls, "CASE WHEN {1} <> 0 AND {2} <> 0 THEN {0} END", DOUBLE)

    AGGREGATES[name] = Entry(2, 2, build)


for _name in ("corr", "covar_pop", "covar_samp"):
    _pair(_name)


@aggregate("median")
def _median(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _no_nulls_clause(call, ignore)
    value = number(call)
    inner = cast(value, DOUBLE, call.zone).sql
    return Aggregate((f"quantile_cont({_word(distinct)}{inner}, 0.5)",), "{0}", DOUBLE)


@aggregate("percentile_approx", "approx_percentile", arity=(2, 3))
def _percentile_approx(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    """Exact, which is within any accuracy asked for: the smallest value at or above the share."""
    _no_nulls_clause(call, ignore)
    value = call.raw(0)
    if not is_numeric(value.type) or isinstance(call.raw(1).type, Array):
        raise refused(f"{call.name}(..) of {value.type} at {call.raw(1).type}")
    share = call.raw(1).constant
    if share is None or isinstance(share, str) or not call.raw(1).is_constant:
        raise refused(f"{call.name}(..) at a share that is not a constant")
    if not 0 <= float(str(share)) <= 1:
        raise Problem("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "The share must be between 0 and 1.")
    if len(call) == 3 and call.whole(2) <= 0:
        raise Problem("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "The accuracy must be positive.")
    sql = f"quantile_disc({_word(distinct)}{value.sql}, {share})"
    return Aggregate((sql,), "{0}", value.type)


@aggregate("approx_count_distinct", arity=(1, 2))
def _approximate(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    """Exact, which is within any deviation asked for."""
    _ = distinct
    _no_nulls_clause(call, ignore)
    value = call.raw(0)
    if isinstance(value.type, Map):
        raise call.wrong_type(0, "comparable")
    return Aggregate((f"count(DISTINCT {value.sql})",), "{0}", BIGINT)


@aggregate("grouping", "grouping_id", arity=(0, None))
def _grouping(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    """Known to the grouping itself; a window has none."""
    raise refused(f"{call.name}(..) here{' with DISTINCT' if distinct or ignore else ''}")


@aggregate("bit_and", "bit_or", "bit_xor")
def _bits(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _no_nulls_clause(call, ignore)
    value = call.raw(0)
    if value.type not in INTEGRAL:
        raise call.wrong_type(0, "an integer")
    return Aggregate((f"{call.name}({_word(distinct)}{value.sql})",), "{0}", value.type)
