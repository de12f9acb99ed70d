"""Queries that a function can return or read, and the types that a read can have."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TypeVar, overload

from lakeflow.core.errors import UnsupportedError
from lakeflow.core.location import Location, caller_location
from lakeflow.pipelines.elements import SqlQuery

Value = TypeVar("Value")

LAZY_FRAME = "polars.LazyFrame"
DATA_FRAME = "polars.DataFrame"
RELATION = "duckdb.DuckDBPyRelation"
READER = "pyarrow.RecordBatchReader"
TABLE = "pyarrow.Table"

KINDS = (LAZY_FRAME, DATA_FRAME, RELATION, READER, TABLE)
"""Types that a parameter or a read may ask for, by their full names."""

_PACKAGES = {"pl": "polars", "pa": "pyarrow", "polars": "polars", "pyarrow": "pyarrow"}
_PACKAGES["duckdb"] = "duckdb"

Bound = Callable[[str, bool], Any]
_bound: ContextVar[Bound | None] = ContextVar("bound", default=None)


@contextmanager
def bound_reads(values: Mapping[str, Any]) -> Iterator[None]:
    """Inside, `read` and `read_stream` with a type give these values.

    Args:
        values: Key of a read, as `read_key` makes it -> its value.
    """

    def find(name: str, streaming: bool) -> Any:
        key = read_key(name, streaming)
        if key not in values:
            verb = "read_stream" if streaming else "read"
            raise UnsupportedError(
                f"{verb}({name!r}, ...) was not seen before the function was called.",
                location=caller_location(),
                hint="Read with a literal name in the query function itself, or give the function "
                f"a parameter: {name.rsplit('.', maxsplit=1)[-1]}={verb}({name!r}).",
            )
        return values[key]

    token = _bound.set(find)
    try:
        yield
    finally:
        _bound.reset(token)


def read_key(name: str, streaming: bool) -> str:
    """The key of a read inside a function; no parameter can have it."""
    return f"{'read_stream' if streaming else 'read'} {name}"


def sql(
    text: str, *, dialect: Literal["spark", "duckdb"] = "spark", **inputs: str | SqlQuery
) -> SqlQuery:
    """A query as text, to be returned by a query function.

    Args:
        text: One SELECT.
        dialect: `spark`, or `duckdb` to use DuckDB's SQL as it is.
        inputs: Names in the text that stand for other datasets or queries.

    Example:
        >>> sql("SELECT count(*) AS n FROM o", o="orders").inputs
        {'o': 'orders'}
    """
    return SqlQuery(text, caller_location(), dict(inputs), dialect)


@overload
def read(name: str) -> SqlQuery: ...
@overload
def read(name: str, kind: type[Value]) -> Value: ...
def read(name: str, kind: Any = None) -> Any:
    """All rows of a dataset: as a query, or inside a query function as a value of a type.

    Args:
        name: The dataset.
        kind: `pl.LazyFrame`, `pl.DataFrame`, `duckdb.DuckDBPyRelation`, `pa.RecordBatchReader` or
            `pa.Table`; a query if omitted.

    Example:
        >>> read("orders").text
        'SELECT * FROM orders'
    """
    return _read(name, False, kind)


@overload
def read_stream(name: str) -> SqlQuery: ...
@overload
def read_stream(name: str, kind: type[Value]) -> Value: ...
def read_stream(name: str, kind: Any = None) -> Any:
    """The new rows of a dataset; see `read`.

    Args:
        name: The dataset.
        kind: As in `read`.

    Example:
        >>> read_stream("orders").text
        'SELECT * FROM STREAM orders'
    """
    return _read(name, True, kind)


def _read(name: str, streaming: bool, kind: Any) -> Any:
    find = _bound.get()
    if kind is not None and find is not None:
        return find(name, streaming)
    location = caller_location()
    text = f"SELECT * FROM {'STREAM ' if streaming else ''}{name}"
    full = None if kind is None else kind_of(kind, {}, f"read({name!r})", location)
    return SqlQuery(text, location, dataset=name, streaming=streaming, kind=full)


def kind_of(annotation: Any, namespace: Mapping[str, Any], what: str, location: Location) -> str:
    """The full name of a type that a parameter asks for.

    The library is not imported; an annotation as text is looked up in what the user's file has
    imported.

    Args:
        annotation: A type, or its text.
        namespace: Names that the text may use.
        what: Who asks, for errors.
        location: Where.

    Raises:
        UnsupportedError: It is none of `KINDS`.
    """
    if isinstance(annotation, str):
        said = annotation.strip("'\"")  # both quoted and made text by `from __future__`
        found = _resolved(said, namespace)
        full = _from_text(said) if found is None else _full_name(found)
    else:
        full = said = _full_name(annotation)
    if full in KINDS:
        return full
    raise UnsupportedError(
        f"{what} asks for a {said}.",
        location=location,
        hint=f"It can be one of {', '.join(KINDS)}.",
    )


def _resolved(text: str, namespace: Mapping[str, Any]) -> Any:
    root, *rest = text.split(".")
    found = namespace.get(root)
    for name in rest:
        found = getattr(found, name, None)
    return found


def _full_name(found: Any) -> str:
    package = str(getattr(found, "__module__", "")).split(".")[0].lstrip("_")
    return f"{package}.{getattr(found, '__qualname__', repr(found))}"


def _from_text(text: str) -> str:
    """The kind that a text means whose library is imported for type checkers only."""
    package, _, last = text.rpartition(".")
    if package:
        return f"{_PACKAGES.get(package, package)}.{last}"
    found = [kind for kind in KINDS if kind.endswith(f".{last}") and last != "DataFrame"]
    return found[0] if found else last


def kind_of_value(value: Any) -> str:
    """The full name of a value's type, without importing its library."""
    for kind in KINDS:
        package, name = kind.split(".")
        library = sys.modules.get(package)
        if library is not None and isinstance(value, getattr(library, name)):
            return kind
    return _full_name(type(value))
