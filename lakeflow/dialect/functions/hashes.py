"""Spark's hash functions, which other systems' keys depend on."""

from __future__ import annotations

from lakeflow.core.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    INT,
    NTZ,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TINYINT,
    VOID,
    Decimal,
    Map,
)
from lakeflow.dialect.functions.table import Call, function
from lakeflow.dialect.operators import unscaled
from lakeflow.dialect.typed import Problem, Typed, refused


@function("hash", arity=(1, None))
def _hash(call: Call) -> Typed:
    sql = _chained(call, "murmur", "CAST(42 AS UBIGINT)")
    signed = (
        f"CASE WHEN h >= 2147483648 THEN CAST(h AS BIGINT) - {2**32} ELSE CAST(h AS BIGINT) END"
    )
    return _result(call, f"list_transform([{sql}], lambda h: CAST({signed} AS INTEGER))[1]", INT)


@function("xxhash64", arity=(1, None))
def _xxhash64(call: Call) -> Typed:
    sql = _chained(call, "xx", "CAST(42 AS UBIGINT)")
    signed = (
        f"CAST(h AS HUGEINT) - CASE WHEN h >= {2**63} THEN CAST('{2**64}' AS HUGEINT) ELSE 0 END"
    )
    return _result(call, f"list_transform([{sql}], lambda h: CAST({signed} AS BIGINT))[1]", BIGINT)


def _result(call: Call, sql: str, kind: object) -> Typed:
    assert kind in (INT, BIGINT)
    volatile = any(value.volatile for value in call.all)
    return Typed(sql, INT if kind == INT else BIGINT, volatile=volatile)


def _chained(call: Call, family: str, seed: str) -> str:
    """The hash of each argument is the seed of the next; NULL changes nothing."""
    for value in call.all:
        if isinstance(value.type, Map):
            raise Problem(
                "DATATYPE_MISMATCH.HASH_MAP_TYPE", f"{call.name}(..) does not take a MAP."
            )
        if value.type == VOID:
            continue
        step = _step(call, family, value)
        seed = f"list_transform([{seed}], lambda s: coalesce({step}, s))[1]"
    return seed


def _step(call: Call, family: str, value: Typed) -> str:
    kind, sql = value.type, value.sql
    if kind in (INT, SMALLINT, TINYINT, BOOLEAN):
        return f"spark_{family}_int(CAST({sql} AS BIGINT), s)"
    if kind == DATE:
        return f"spark_{family}_int(CAST({sql} - DATE '1970-01-01' AS BIGINT), s)"
    if kind == BIGINT:
        return f"spark_{family}_long({sql}, s)"
    if kind in (TIMESTAMP, NTZ):
        return f"spark_{family}_long(epoch_us({sql}), s)"
    if isinstance(kind, Decimal) and kind.precision <= 18:
        return f"spark_{family}_long({unscaled(sql, kind)}, s)"
    if kind in (STRING, BINARY):
        octets = f"encode({sql})" if kind == STRING else sql
        return f"spark_{family}_bytes(hex({octets}), s)"
    raise refused(f"{call.name}(..) of {kind}", "Cast it to STRING.")
