"""Statistical aggregate functions, and aggregates that give NULL where others raise."""

from __future__ import annotations

from lakeflow.core.schema import BIGINT, DOUBLE, VOID, Array, Decimal, Map
from lakeflow.dialect.functions.aggregates import AGGREGATES, Aggregate, Entry, aggregate, number
from lakeflow.dialect.functions.table import Call
from lakeflow.dialect.typed import Problem, Typed, refused
from lakeflow.dialect.types import INTEGRAL, INTERVALS


def _plain(call: Call, distinct: bool, ignore: bool) -> None:
    if distinct or ignore:
        raise refused(f"DISTINCT or IGNORE NULLS of {call.name}(..)")


_PAIRED = ("regr_avgx", "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy")


@aggregate(*_PAIRED, arity=(2, 2))
def _regression(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _plain(call, distinct, ignore)
    y, x = call.take(0, DOUBLE), call.take(1, DOUBLE)
    both = f"{y.sql} IS NOT NULL AND {x.sql} IS NOT NULL"
    if call.name in ("regr_avgx", "regr_avgy"):
        value = x if call.name == "regr_avgx" else y
        return Aggregate((f"avg(CASE WHEN {both} THEN {value.sql} END)",), "{0}", DOUBLE)
    return Aggregate((f"{call.name}({y.sql}, {x.sql})",), "{0}", DOUBLE)


@aggregate("regr_count", arity=(2, 2))
def _pairs(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _plain(call, distinct, ignore)
    y, x = call.take(0, DOUBLE), call.take(1, DOUBLE)
    return Aggregate((f"regr_count({y.sql}, {x.sql})",), "CAST({0} AS BIGINT)", BIGINT)


@aggregate("regr_r2", arity=(2, 2))
def _fit(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _plain(call, distinct, ignore)
    pair = f"{call.take(1, DOUBLE).sql}, {call.take(0, DOUBLE).sql}"
    calls = (f"corr({pair})", f"regr_syy({pair})", f"regr_sxx({pair})")
    found = "CASE WHEN {1} = 0 THEN NULL WHEN {2} = 0 THEN 1 ELSE {0} * {0} END"
    return Aggregate(calls, f"CAST({found} AS DOUBLE)", DOUBLE)


@aggregate("regr_slope", "regr_intercept", arity=(2, 2))
def _line(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _plain(call, distinct, ignore)
    pair = f"{call.take(0, DOUBLE).sql}, {call.take(1, DOUBLE).sql}"
    calls = (f"{call.name}({pair})", f"regr_sxx({pair})")
    return Aggregate(calls, "CASE WHEN {1} <> 0 THEN {0} END", DOUBLE)


@aggregate("kurtosis")
def _kurtosis(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _plain(call, distinct, ignore)
    value, infinite = _finite(call)
    calls = (f"kurtosis_pop({value})", f"var_pop({value})", infinite)
    return Aggregate(calls, f"CASE WHEN {{2}} THEN {_NAN} WHEN {{1}} <> 0 THEN {{0}} END", DOUBLE)


@aggregate("skewness")
def _skewness(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    """DuckDB corrects for the size of the sample; Spark does not."""
    _plain(call, distinct, ignore)
    value, infinite = _finite(call)
    calls = (f"skewness({value})", f"var_pop({value})", f"count({value})", infinite)
    shrunk = "{0} * ({2} - 2) / sqrt(CAST({2} AS DOUBLE) * ({2} - 1))"
    known = f"CASE WHEN {{2}} = 2 THEN 0 ELSE {shrunk} END"
    return Aggregate(calls, f"CASE WHEN {{3}} THEN {_NAN} WHEN {{1}} <> 0 THEN {known} END", DOUBLE)


_NAN = "CAST('nan' AS DOUBLE)"


def _finite(call: Call) -> tuple[str, str]:
    """The numbers with which DuckDB can compute, and an aggregate that tells whether all are."""
    value = call.take(0, DOUBLE).sql
    return f"CASE WHEN isfinite({value}) THEN {value} END", f"bool_or(NOT isfinite({value}))"


@aggregate("percentile", arity=(2, 3))
def _percentile(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    if ignore or len(call) > 2:
        raise refused("percentile(..) with frequencies or IGNORE NULLS")
    if call.raw(0).type in INTERVALS:
        raise refused(f"percentile(..) of {call.raw(0).type}")
    value = call.take(0, DOUBLE)
    share = call.raw(1)
    if isinstance(share.type, Array) or not share.is_constant or isinstance(share.constant, str):
        raise refused("percentile(..) at anything but one constant share")
    if share.constant is None or not 0 <= float(str(share.constant)) <= 1:
        raise Problem("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "A share lies between 0 and 1.")
    word = "DISTINCT " if distinct else ""
    return Aggregate((f"quantile_cont({word}{value.sql}, {share.constant})",), "{0}", DOUBLE)


@aggregate("mode", arity=(1, 2))
def _mode(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    _plain(call, distinct, ignore)
    if len(call) > 1:
        raise refused("mode(..) with a rule for ties")
    value = call.raw(0)
    if isinstance(value.type, Map) or value.type == VOID:
        raise refused(f"mode(..) of {value.type}")
    return Aggregate((f"mode({value.sql})",), "{0}", value.type)


@aggregate("try_sum")
def _try_sum(call: Call, distinct: bool, ignore: bool) -> Aggregate:
    if ignore or call.raw(0).type in INTERVALS:
        raise refused(f"try_sum(..) of {call.raw(0).type}")
    value: Typed = number(call)
    if isinstance(value.type, Decimal):
        raise refused(f"try_sum(..) of {value.type}", "Use sum(..).")
    word = "DISTINCT " if distinct else ""
    if value.type in INTEGRAL:
        return Aggregate((f"sum({word}{value.sql})",), "TRY_CAST({0} AS BIGINT)", BIGINT)
    return Aggregate((f"sum({word}CAST({value.sql} AS DOUBLE))",), "{0}", DOUBLE)


AGGREGATES["try_avg"] = Entry(
    1, 1, lambda call, distinct, ignore: _try_avg(call, distinct=distinct, ignore=ignore)
)


def _try_avg(call: Call, *, distinct: bool, ignore: bool) -> Aggregate:
    value = call.raw(0)
    if isinstance(value.type, Decimal) or value.type in INTERVALS:
        raise refused(f"try_avg(..) of {value.type}", "Use avg(..).")
    return AGGREGATES["avg"].build(call, distinct, ignore)
