"""Elements of arrays and maps."""

from __future__ import annotations

from lakeflow.core.schema import INT, Array, Map
from lakeflow.dialect.typed import Problem, Typed, raising
from lakeflow.dialect.types import INTEGRAL, duckdb_type


def map_value(value: Typed, key_sql: str, kind: Map) -> Typed:
    """The value of a key, NULL where the map does not have it."""
    return value.with_sql(f"{value.sql}[{key_sql}]", kind.value)


def element(value: Typed, index: Typed, _zone: str) -> Typed:
    """The element at an index from 0; raises beyond the array's ends."""
    kind = value.type
    assert isinstance(kind, Array)
    if index.type not in INTEGRAL and index.constant is not None:
        raise Problem(
            "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
            f"The index of an array is an integer, not {index.type}.",
        )
    at = f"CAST({index.sql} AS BIGINT)"
    message = (
        f"'The index ' || CAST({at} AS VARCHAR) || ' is out of bounds. The array has ' || "
        f"CAST(len({value.sql}) AS VARCHAR) || ' elements. Use the SQL function `get()`.'"
    )
    failing = raising("INVALID_ARRAY_INDEX", message, kind.element)
    sql = (
        f"CASE WHEN {at} < 0 OR {at} >= len({value.sql}) THEN {failing} "
        f"ELSE list_extract({value.sql}, {at} + 1) END"
    )
    return Typed(sql, kind.element, volatile=value.volatile or index.volatile)


def size(value: Typed) -> Typed:
    """The number of elements, NULL of NULL."""
    function = "cardinality" if isinstance(value.type, Map) else "len"
    return value.with_sql(f"CAST({function}({value.sql}) AS {duckdb_type(INT)})", INT)
