"""Query functions: what their parameters ask for, what they read inside, how they are called."""

from __future__ import annotations

import ast
import inspect
import textwrap
import traceback
from collections.abc import Callable, Iterator, Mapping
from types import CodeType
from typing import Any

from lakeflow.core.errors import DefinitionError, LakeflowError, UnsupportedError
from lakeflow.core.location import Location, caller_location
from lakeflow.pipelines.elements import NativeQuery, Parameter, SqlQuery
from lakeflow.pipelines.queries import (
    bound_reads,
    kind_of,
    read,
    read_key,
    read_stream,
)


def defined_at(function: Callable[..., Any], fallback: Location) -> Location:
    """Where a function is defined."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return fallback if code is None else Location(code.co_filename, code.co_firstlineno)


def native_query(function: Callable[..., Any]) -> NativeQuery:
    """A function as the query of a flow.

    A parameter without a default names a dataset; one whose default is `read(...)`,
    `read_stream(...)` or `sql(...)` gets the rows of that; any other default is the user's own.

    Raises:
        UnsupportedError: A parameter asks for a type that there is not.
    """
    location = defined_at(function, caller_location())
    namespace = _namespace(function)
    parameters = []
    for parameter in inspect.signature(function).parameters.values():
        default = None if parameter.default is parameter.empty else parameter.default
        if parameter.default is not parameter.empty and not isinstance(default, SqlQuery):
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UnsupportedError(
                f"{function.__name__} takes *{parameter.name}; a parameter names one dataset.",
                location=location,
                hint="Name each dataset that it reads.",
            )
        kind = default.kind if isinstance(default, SqlQuery) else None
        if parameter.annotation is not parameter.empty:
            what = f"The parameter {parameter.name} of {function.__name__}"
            kind = kind_of(parameter.annotation, namespace, what, location)
        parameters.append(Parameter(parameter.name, kind, default))
    inside = tuple(_inner_reads(function, namespace, location))
    return NativeQuery(function, tuple(parameters), location, inside)


def invoke(query: NativeQuery, values: Mapping[str, Any]) -> Any:
    """Calls a function.

    Args:
        query: The function.
        values: Name of a parameter, or key of a read inside -> its value.

    Raises:
        DefinitionError: It raises something; the error names the line that did.
    """
    names = {parameter.name for parameter in query.parameters}
    arguments = {name: value for name, value in values.items() if name in names}
    with bound_reads(values):
        try:
            return query.function(**arguments)
        except (LakeflowError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            raise function_error(query, error) from error


def function_error(query: NativeQuery, error: BaseException) -> DefinitionError:
    """What a function raised, with the line of the user's file that did."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if f.filename == query.location.file and f.lineno]
    location = Location(query.location.file, lines[-1]) if lines else query.location
    return DefinitionError(
        f"{query.function.__name__} raised {type(error).__name__}: {error}",
        condition="QUERY_FUNCTION_FAILED",
        location=location,
    )


def _namespace(function: Callable[..., Any]) -> dict[str, Any]:
    """The names that a function's text can use: globals, closure and defaults."""
    plain = inspect.unwrap(function)
    found = dict(getattr(plain, "__globals__", {}))
    code, closure = getattr(plain, "__code__", None), getattr(plain, "__closure__", None)
    for name, cell in zip(code.co_freevars if code else (), closure or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # the name is given its value later
            continue
    return found


def _inner_reads(
    function: Callable[..., Any], namespace: Mapping[str, Any], location: Location
) -> Iterator[Parameter]:
    """Calls of `read` and `read_stream` with a type, in the function's text.

    What a query reads must be known before it is called, so a name has to be a literal, or a name
    that has one value: a default argument, or a global or enclosing one.
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or not _mentions_a_read(code):
        return
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except OSError:
        return
    known = dict(namespace)
    for parameter in inspect.signature(function).parameters.values():
        known[parameter.name] = parameter.default
    seen: set[str] = set()
    for node in ast.walk(ast.parse(text).body[0]):
        if not isinstance(node, ast.Call):
            continue
        verb = _looked_up(node.func, known)
        kinds = [*node.args[1:], *(k.value for k in node.keywords if k.arg == "kind")]
        if verb not in (read, read_stream) or not kinds or not node.args:
            continue
        place = location.shifted(node.lineno - 1)
        name = _looked_up(node.args[0], known)
        if not isinstance(name, str):
            raise UnsupportedError(
                f"{function.__name__} reads {ast.unparse(node.args[0])}, whose name cannot be "
                "known before the function is called.",
                location=place,
                hint="Write the name as a literal, or as the default of a parameter.",
            )
        kind = kind_of(ast.unparse(kinds[0]), known, f"{ast.unparse(node)}", place)
        streaming = verb is read_stream
        key = read_key(name, streaming)
        if key not in seen:
            seen.add(key)
            query = SqlQuery("", place, dataset=name, streaming=streaming, kind=kind)
            yield Parameter(key, kind, query)


def _mentions_a_read(code: CodeType) -> bool:
    """Whether a function's code names something like `read`, whatever it was imported as."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    names = {*code.co_names, *code.co_freevars}
    return any("read" in name for name in names) or any(map(_mentions_a_read, inner))


def _looked_up(node: ast.expr, known: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return known.get(name)
        case ast.Attribute(value, name):
            return getattr(_looked_up(value, known), name, None)
    return None
