"""The decorators and functions that users write; each only declares.

A decorated function stays a plain function, so that a test can call it with a frame. Outside of a
pipeline that is being loaded the decorators declare nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, overload

from lakeflow.core.errors import DefinitionError, LakeflowError, UnsupportedError
from lakeflow.core.location import Location, caller_location
from lakeflow.core.names import split_name
from lakeflow.core.schema import Schema
from lakeflow.pipelines.elements import (
    Dataset,
    DatasetKind,
    Expectation,
    Flow,
    Violation,
)
from lakeflow.pipelines.functions import defined_at, native_query
from lakeflow.pipelines.options import check_options
from lakeflow.pipelines.registry import ListRegistry, Registry, active_registry

Function = TypeVar("Function", bound=Callable[..., Any])

PENDING = "__lakeflow_expectations__"
DECLARED = "__lakeflow_dataset__"
FLOW = "__lakeflow_flow__"


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
    return _dataset("table", None, query_function, options)


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
    return _dataset("materialized_view", "materialized_view", query_function, options)


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
    return _dataset("temporary_view", "temporary_view", query_function, options)


view = temporary_view


def append_flow(*, target: str, **options: Any) -> Callable[[Function], Function]:
    """Declares a further query whose rows are appended to a streaming table.

    Args:
        target: The streaming table.
        options: `name`, `comment` and `spark_conf`.

    Raises:
        DefinitionError: An option is unknown or of a wrong type.

    Example:
        >>> from lakeflow import sql
        >>> @append_flow(target="orders")
        ... def orders_by_mail():
        ...     return sql("SELECT * FROM STREAM mail_orders")
    """
    location = caller_location()

    def register(registry: Registry, function: Any) -> None:
        check_options("append_flow", {"target": target, **options}, location)
        name = options.get("name") or _name_of(function, location)
        if len(split_name(name)) > 1:
            raise DefinitionError(
                f"The flow {name} has a name of several parts.",
                condition="MULTIPART_FLOW_NAME_NOT_SUPPORTED",
                location=location,
                hint=f"Call it {split_name(name)[-1]}.",
            )
        if getattr(function, PENDING, ()):
            raise _no_rules_of_flows(function, location)
        setattr(function, FLOW, name)
        place = defined_at(function, location)
        registry.register_flow(
            Flow(
                name,
                registry.complete(target),
                native_query(function),
                place,
                options.get("comment"),
                dict(options.get("spark_conf") or {}),
            )
        )

    return declaring(register, location)


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

    def register(registry: Registry, _: None) -> None:
        check_options("create_streaming_table", {"name": name, **options}, location)
        rules = tuple(
            Expectation(rule, condition, kind, location)
            for option, kind in _RULES.items()
            for rule, condition in (options.get(option) or {}).items()
        )
        dataset = _declared(registry, "streaming_table", name, options, location)
        registry.register_dataset(replace(dataset, expectations=rules))

    declaring(register, location)(None)


def add_expectations(function: Any, rules: Sequence[Expectation]) -> None:
    """Adds rules to the dataset that a function declares, above or below its decorator.

    Raises:
        DefinitionError: It declares a flow, which has no rules of its own.
    """
    if getattr(function, FLOW, None) is not None:
        raise _no_rules_of_flows(function, rules[0].location)
    declared: Dataset | None = getattr(function, DECLARED, None)
    if declared is None:
        setattr(function, PENDING, (*rules, *getattr(function, PENDING, ())))
        return
    wider = replace(declared, expectations=(*rules, *declared.expectations))
    setattr(function, DECLARED, wider)
    registry = active_registry()
    if registry is not None:
        registry.register_dataset(wider)


_RULES: dict[str, Violation] = {
    "expect_all": "warn",
    "expect_all_or_drop": "drop",
    "expect_all_or_fail": "fail",
    "expect_all_or_quarantine": "quarantine",
}


def declaring(
    register: Callable[[Registry, Any], None], location: Location
) -> Callable[[Any], Any]:
    """A decorator that gives its function back.

    While a file is loaded an error is kept, so that those of later declarations are told with it.
    Outside of loading everything is checked and nothing kept.
    """

    def declare(function: Any) -> Any:
        registry = active_registry()
        try:
            register(registry or ListRegistry(), function)
        except LakeflowError as error:
            error.location = error.location or location
            if registry is None:
                raise
            registry.register_error(error)
        return function

    return declare


def _dataset(
    decorator: str, kind: DatasetKind | None, function: Any, options: dict[str, Any]
) -> Any:
    location = caller_location()

    def register(registry: Registry, found: Any) -> None:
        if not callable(found):
            raise DefinitionError(
                f"A decorator takes options by name; {found!r} was given by position.",
                condition="DECORATOR_ARGUMENT_NOT_CALLABLE",
                location=location,
                hint=f"Write name={found!r}.",
            )
        check_options(decorator, options, location)
        place = defined_at(found, location)
        name = options.get("name") or _name_of(found, location)
        dataset = _declared(registry, kind, name, options, place)
        dataset = replace(dataset, expectations=tuple(getattr(found, PENDING, ())))
        setattr(found, DECLARED, dataset)
        query = native_query(found)
        registry.register_dataset(dataset)
        conf = dict(options.get("spark_conf") or {})
        registry.register_flow(
            Flow(dataset.name.short, dataset.name, query, place, dataset.comment, conf)
        )

    declare = declaring(register, location)
    return declare if function is None else declare(function)


def _declared(
    registry: Registry,
    kind: DatasetKind | None,
    name: str,
    options: Mapping[str, Any],
    location: Location,
) -> Dataset:
    if options.get("format") not in (None, "delta"):
        raise UnsupportedError(
            f"Tables are Delta tables; format={options['format']!r} is not supported.",
            location=location,
        )
    if kind == "temporary_view" and len(split_name(name)) > 1:
        raise DefinitionError(
            f"The view {name} has a name of several parts.",
            condition="MULTIPART_TEMPORARY_VIEW_NAME_NOT_SUPPORTED",
            location=location,
            hint=f"Call it {split_name(name)[-1]}: a temporary view belongs to no schema.",
        )
    schema = options.get("schema")
    try:
        columns = None if schema is None else Schema.from_ddl(schema)
    except LakeflowError as error:
        error.location = location
        raise
    return Dataset(
        registry.complete(name),
        kind,
        location,
        columns,
        options.get("comment"),
        tuple(options.get("partition_cols") or ()),
        tuple(options.get("cluster_by") or ()),
        dict(options.get("table_properties") or {}),
    )


def _name_of(function: Any, location: Location) -> str:
    name = getattr(function, "__name__", "<unnamed>")
    if name.startswith("<"):
        raise DefinitionError(
            "A query without a name of its own declares nothing.",
            location=location,
            hint="Give it one: name='orders'.",
        )
    return str(name)


def _no_rules_of_flows(function: Any, location: Location) -> DefinitionError:
    return DefinitionError(
        f"{function.__name__} is a flow; expectations belong to the table that it fills.",
        location=location,
        hint="Give them to the table: create_streaming_table(name, expect_all={...}).",
    )
