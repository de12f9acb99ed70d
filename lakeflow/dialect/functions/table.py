"""The one table of functions: Spark's name, how many arguments, and how it is lowered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from lakeflow.core.schema import (
    BINARY,
    DATE,
    NTZ,
    STRING,
    TIMESTAMP,
    VOID,
    Array,
    DataType,
)
from lakeflow.dialect.casts import cast
from lakeflow.dialect.typed import Problem, Typed, refused
from lakeflow.dialect.types import INTERVALS, is_atomic, is_numeric

if TYPE_CHECKING:
    from lakeflow.dialect.expressions import Expressions


@dataclass
class Call:
    """One call of a function.

    Args:
        here: Where it stands.
        name: The function, in lower case.
        nodes: The arguments as written.
        node: The call itself.
    """

    here: Expressions
    name: str
    nodes: Sequence[exp.Expr]
    node: exp.Expr
    _lowered: dict[int, Typed] = field(default_factory=dict)

    @property
    def zone(self) -> str:
        """The session's time zone."""
        return self.here.zone

    def __len__(self) -> int:
        return len(self.nodes)

    def raw(self, index: int) -> Typed:
        """An argument with the type it has."""
        if index not in self._lowered:
            self._lowered[index] = self.here.lower(self.nodes[index])
        return self._lowered[index]

    @property
    def all(self) -> list[Typed]:
        """Every argument with the type it has."""
        return [self.raw(index) for index in range(len(self))]

    def take(self, index: int, kind: DataType) -> Typed:
        """An argument brought to the type that the function takes.

        Raises:
            Problem: Spark does not convert it by itself.
        """
        return accept(self.raw(index), kind, self.zone, f"{self.name}(..)", index)

    def constant(self, index: int, kind: type) -> object:
        """An argument that must be written as a constant.

        Raises:
            Problem: It is not.
        """
        value = self.raw(index).constant
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            raise Problem(
                "",
                f"Argument {index + 1} of {self.name}(..) other than a constant {kind.__name__}",
            )
        return value

    def text(self, index: int) -> str:
        """A constant STRING argument."""
        found = self.constant(index, str)
        assert isinstance(found, str)
        return found

    def whole(self, index: int) -> int:
        """A constant integer argument."""
        found = self.constant(index, int)
        assert isinstance(found, int)
        return found

    def wrong_type(self, index: int, expected: str) -> Problem:
        """The error of an argument of a type that the function does not take."""
        return unexpected(f"{self.name}(..)", index, expected, self.raw(index).type)


def unexpected(what: str, index: int, expected: str, found: DataType) -> Problem:
    """The error of an argument of the wrong type."""
    return Problem(
        "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
        f"argument {index + 1} of {what} must be {expected}, not {found}.",
        "Cast it.",
    )


def accept(value: Typed, kind: DataType, zone: str, what: str, index: int) -> Typed:
    """Brings a value to the type of a parameter where Spark (ANSI) does so by itself.

    Raises:
        Problem: It does not.
    """
    if value.type == kind or _converts(value.type, kind):
        return cast(value, kind, zone)
    if value.type in INTERVALS and kind == STRING:
        raise refused(f"{value.type} as argument {index + 1} of {what}")
    if (value.type, kind) == (BINARY, STRING):
        raise refused(f"BINARY as argument {index + 1} of {what}", "Use decode(x, 'UTF-8').")
    raise unexpected(what, index, str(kind), value.type)


def _converts(given: DataType, wanted: DataType) -> bool:
    if given == VOID:
        return True
    if not is_atomic(given) or not is_atomic(wanted):
        return _nested_converts(given, wanted)
    if given == STRING:
        return True
    if wanted == STRING:
        return given != BINARY
    if is_numeric(given) and is_numeric(wanted):
        return True
    return {given, wanted} <= {DATE, TIMESTAMP, NTZ}


def _nested_converts(given: DataType, wanted: DataType) -> bool:
    if given in INTERVALS or wanted in INTERVALS:
        return False
    match given, wanted:
        case Array(a), Array(b):
            return a == b or _converts(a, b)
    return False


Build = Callable[[Call], Typed]


@dataclass(frozen=True)
class Function:
    """A scalar function.

    Args:
        minimum: Fewest arguments.
        maximum: Most arguments; None for any number.
        build: Lowers a call.
        deterministic: Whether the same arguments give the same value at any time.
    """

    minimum: int
    maximum: int | None
    build: Build
    deterministic: bool = True


FUNCTIONS: dict[str, Function] = {}


def function(
    *names: str, arity: int | tuple[int, int | None] = 1, deterministic: bool = True
) -> Callable[[Build], Build]:
    """Registers a function under its names."""
    least, most = (arity, arity) if isinstance(arity, int) else arity

    def register(build: Build) -> Build:
        for name in names:
            FUNCTIONS[name] = Function(least, most, build, deterministic)
        return build

    return register


def simple(names: str, takes: Sequence[DataType], gives: DataType, template: str) -> None:
    """Registers functions with parameters of fixed types and a template of DuckDB's SQL."""

    def build(call: Call) -> Typed:
        values = [call.take(index, kind) for index, kind in enumerate(takes)]
        sql = template.format(*(value.sql for value in values))
        return Typed(sql, gives, volatile=any(value.volatile for value in values))

    for name in names.split():
        FUNCTIONS[name] = Function(len(takes), len(takes), build)


def filled(template: str, kind: DataType, *values: Typed) -> Typed:
    """A template of DuckDB's SQL filled with values."""
    sql = template.format(*(value.sql for value in values))
    return Typed(sql, kind, volatile=any(value.volatile for value in values))


def check_arity(name: str, count: int, least: int, most: int | None) -> None:
    """Refuses a wrong number of arguments.

    Raises:
        Problem: WRONG_NUM_ARGS.
    """
    if count >= least and (most is None or count <= most):
        return
    if most is None:
        expected = f"at least {least}"
    else:
        expected = str(least) if least == most else f"{least} to {most}"
    raise Problem(
        "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
        f"{name}(..) takes {expected} arguments, not {count}.",
    )
