"""The decorators and functions that users write; each only declares.

A decorated function stays a plain function, so that a test can call it with a frame. Outside of a
pipeline that is being loaded the decorators declare nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, overload

from lakeflow.core.errors import DefinitionError, UnsupportedError
from lakeflow.core.location import Location, caller_location
from lakeflow.core.names import TableName, nearest
from lakeflow.core.schema import Schema
from lakeflow.pipelines.elements import (
    Dataset,
    DatasetKind,
    Expectation,
    Flow,
    Violation,
)
from lakeflow.pipelines.functions import defined_at, native_query
from lakeflow.pipelines.registry import active_registry

Function = TypeVar("Function", bound=Callable[..., Any])

PENDING = "__lakeflow_expectations__"
DECLARED = "__lakeflow_dataset__"

_OPTIONS = ("name", "comment", "spark_conf", "table_properties", "partition_cols", "cluster_by")
_TABLE_OPTIONS = frozenset({*_OPTIONS, "schema", "format"})
_VIEW_OPTIONS = frozenset({"name", "comment", "spark_conf"})
_STREAMING_OPTIONS = frozenset(
    {*_TABLE_OPTIONS, "expect_all", "expect_all_or_drop", "expect_all_or_fail"}
    | {"expect_all_or_quarantine"}
)
_REFUSED = frozenset(
    "path row_filter private temporary cluster_by_auto refresh_policy once replace_using "
    "sequence_by import_checkpoint depends_on full_refresh".split()
)


@overload
def table(query_function: Function, /) -> Function: ...
@overload
def table(**options: Any) -> Callable[[Function], Function]: ...
def table(query_function: Any = None, /, **options: Any) -> Any:
    """Declares a table: a streaming table, or a materialized view if its query is a batch query.

    Args:
        query_function: The function, when the decorator is used without parentheses.
        options: `name`, `comment`, `spark_conf`, `table_properties`, `partition_cols`,
            `cluster_by`, `schema` (DDL text) and `format` (`delta`).

    Raises:
        DefinitionError: An option is unknown or of a wrong type.

    Example:
        >>> from lakeflow import sql
        >>> @table(comment="Orders worth looking at")
        ... def large_orders():
        ...     return sql("SELECT * FROM STREAM orders WHERE amount > 1000")
        >>> large_orders().text
        'SELECT * FROM STREAM orders WHERE amount > 1000'
    """
    return _dataset(None, query_function, options, _TABLE_OPTIONS)


@overload
def materialized_view(query_function: Function, /) -> Function: ...
@overload
def materialized_view(**options: Any) -> Callable[[Function], Function]: ...
def materialized_view(query_function: Any = None, /, **options: Any) -> Any:
    """Declares a materialized view: always what its query gives over its inputs now.

    Args:
        query_function: The function, when the decorator is used without parentheses.
        options: As for `table`.

    Raises:
        DefinitionError: An option is unknown or of a wrong type.

    Example:
        >>> from lakeflow import sql
        >>> @materialized_view
        ... def orders_per_day():
        ...     return sql("SELECT day, count(*) AS orders FROM orders GROUP BY day")
    """
    return _dataset("materialized_view", query_function, options, _TABLE_OPTIONS)


@overload
def temporary_view(query_function: Function, /) -> Function: ...
@overload
def temporary_view(**options: Any) -> Callable[[Function], Function]: ...
def temporary_view(query_function: Any = None, /, **options: Any) -> Any:
    """Declares a view that other queries of the pipeline can read and that is not stored.

    Args:
        query_function: The function, when the decorator is used without parentheses.
        options: `name`, `comment`, `spark_conf`.

    Raises:
        DefinitionError: An option is unknown or of a wrong type.

    Example:
        >>> from lakeflow import sql
        >>> @temporary_view
        ... def paid():
        ...     return sql("SELECT * FROM orders WHERE paid")
    """
    return _dataset("temporary_view", query_function, options, _VIEW_OPTIONS)


view = temporary_view


def append_flow(
    *,
    target: str,
    name: str | None = None,
    comment: str | None = None,
    spark_conf: Mapping[str, str] | None = None,
    **unknown: Any,
) -> Callable[[Function], Function]:
    """Declares a further query whose rows are appended to a streaming table.

    Args:
        target: The streaming table.
        name: The flow's name; the function's if omitted.
        comment: What it is for.
        spark_conf: Settings of this flow only.
        unknown: Refused by name.

    Raises:
        DefinitionError: An option is unknown.

    Example:
        >>> from lakeflow import sql
        >>> @append_flow(target="orders")
        ... def orders_by_mail():
        ...     return sql("SELECT * FROM STREAM mail_orders")
    """
    location = caller_location()
    known = frozenset({"target", "name", "comment", "spark_conf"})
    _check_options(unknown, known, location)

    def declare(function: Function) -> Function:
        registry = active_registry()
        if registry is not None:
            registry.register_flow(
                Flow(
                    name or function.__name__,
                    TableName.parse(target),
                    native_query(function),
                    defined_at(function, location),
                    comment,
                    dict(spark_conf or {}),
                )
            )
        return function

    return declare


def create_streaming_table(name: str, **options: Any) -> None:
    """Declares a streaming table that only flows fill.

    Args:
        name: Its name.
        options: As for `table`, and `expect_all`, `expect_all_or_drop`, `expect_all_or_fail`,
            `expect_all_or_quarantine`: expectations, name -> condition.

    Raises:
        DefinitionError: An option is unknown or of a wrong type.

    Example:
        >>> create_streaming_table("orders", expect_all_or_drop={"has id": "id IS NOT NULL"})
    """
    location = caller_location()
    _check_options(options, _STREAMING_OPTIONS, location)
    kinds: dict[str, Violation] = {
        "expect_all": "warn",
        "expect_all_or_drop": "drop",
        "expect_all_or_fail": "fail",
        "expect_all_or_quarantine": "quarantine",
    }
    rules = tuple(
        Expectation(rule, condition, kind, location)
        for option, kind in kinds.items()
        for rule, condition in (options.pop(option, None) or {}).items()
    )
    registry = active_registry()
    if registry is not None:
        dataset = _declared("streaming_table", name, options, location)
        registry.register_dataset(replace(dataset, expectations=rules))


def add_expectations(function: Function, rules: Sequence[Expectation]) -> Function:
    """Adds rules to the dataset that a function declares, above or below its decorator."""
    declared: Dataset | None = getattr(function, DECLARED, None)
    if declared is None:
        pending = (*rules, *getattr(function, PENDING, ()))
        setattr(function, PENDING, pending)
        return function
    wider = replace(declared, expectations=(*rules, *declared.expectations))
    setattr(function, DECLARED, wider)
    registry = active_registry()
    if registry is not None:
        registry.register_dataset(wider)
    return function


def _dataset(
    kind: DatasetKind | None, function: Any, options: dict[str, Any], known: frozenset[str]
) -> Any:
    location = caller_location()
    if function is not None and not callable(function):
        raise DefinitionError(
            f"A decorator takes options by name; {function!r} was given by position.",
            condition="DECORATOR_ARGUMENT_NOT_CALLABLE",
            location=location,
            hint=f"Write name={function!r}.",
        )
    _check_options(options, known, location)

    def declare(found: Function) -> Function:
        if not callable(found):
            raise DefinitionError(f"{found!r} is not a function.", location=location)
        place = defined_at(found, location)
        dataset = _declared(kind, options.get("name") or found.__name__, options, place)
        dataset = replace(dataset, expectations=tuple(getattr(found, PENDING, ())))
        setattr(found, DECLARED, dataset)
        registry = active_registry()
        if registry is not None:
            registry.register_dataset(dataset)
            query = native_query(found)
            conf = dict(options.get("spark_conf") or {})
            registry.register_flow(
                Flow(dataset.name.short, dataset.name, query, place, dataset.comment, conf)
            )
        return found

    return declare if function is None else declare(function)


def _declared(
    kind: DatasetKind | None, name: str, options: Mapping[str, Any], location: Location
) -> Dataset:
    if options.get("format") not in (None, "delta"):
        raise UnsupportedError(
            f"Tables are Delta tables; format={options['format']!r} is not supported.",
            location=location,
        )
    schema = options.get("schema")
    return Dataset(
        TableName.parse(_typed("name", name, str, location)),
        kind,
        location,
        Schema.from_ddl(schema) if isinstance(schema, str) else schema,
        _typed("comment", options.get("comment"), str, location),
        tuple(_typed("partition_cols", options.get("partition_cols"), list, location) or ()),
        tuple(_typed("cluster_by", options.get("cluster_by"), list, location) or ()),
        dict(_typed("table_properties", options.get("table_properties"), dict, location) or {}),
    )


def _typed(name: str, value: Any, kind: type, location: Location) -> Any:
    if value is None or isinstance(value, kind):
        return value
    raise DefinitionError(
        f"{name} is a {kind.__name__}, not {value!r}.",
        condition="NOT_EXPECTED_TYPE",
        location=location,
    )


def _check_options(options: Mapping[str, Any], known: frozenset[str], location: Location) -> None:
    for option in options:
        if option in known:
            continue
        if option in _REFUSED:
            raise UnsupportedError(f"The option {option} is not supported.", location=location)
        raise DefinitionError(
            f"{option} is not an option here.",
            location=location,
            hint=nearest(option, known) or f"Options are {', '.join(sorted(known))}.",
        )
