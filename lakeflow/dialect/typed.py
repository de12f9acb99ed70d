"""A lowered expression: DuckDB's SQL with Spark's type."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal as Number
from typing import Final

from lakeflow.core.schema import VOID, DataType
from lakeflow.dialect.types import FRACTIONAL, duckdb_type


class _NoConstant:
    """The value of what is not written as a constant."""


NO_CONSTANT: Final = _NoConstant()

Constant = str | int | Number | float | bool | None | _NoConstant


@dataclass(frozen=True, slots=True)
class Typed:
    """An expression in DuckDB's SQL that has exactly DuckDB's counterpart of `type`.

    Args:
        sql: An operand: it can stand beside any operator without more parentheses.
        type: Spark's type.
        constant: The value, where the user wrote a constant.
        volatile: Whether two evaluations may differ.
    """

    sql: str
    type: DataType
    constant: Constant = NO_CONSTANT
    volatile: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether the user wrote a constant."""
        return not isinstance(self.constant, _NoConstant)

    def with_sql(self, sql: str, kind: DataType) -> Typed:
        """Something computed from this."""
        return Typed(sql, kind, volatile=self.volatile)

    def retyped(self, kind: DataType) -> Typed:
        """The same SQL under another name of its type."""
        return replace(self, type=kind)


NULL = Typed("NULL", VOID, None)


def text(value: str) -> str:
    """A string as DuckDB's literal."""
    if "\0" in value:
        parts = value.split("\0")
        return "(" + " || chr(0) || ".join(text(part) for part in parts) + ")"
    return "'" + value.replace("'", "''") + "'"


def cast_sql(sql: str, kind: DataType) -> str:
    """DuckDB's own cast, for where it is known to do what Spark does."""
    return f"CAST({sql} AS {duckdb_type(kind)})"


def keyed(value: Typed) -> Typed:
    """A value by which rows are grouped: of the two zeros of a floating number it has one."""
    if value.type not in FRACTIONAL:
        return value
    return value.with_sql(f"({value.sql} + {cast_sql('0', value.type)})", value.type)


_PARAMETERS = re.compile(r'lambda ((?:"[^"]+"(?:, )?)+):')
_OPERAND = re.compile(r'(?<!["\w])operand(?:_[0-9]+)?(?!["\w])')


def unnamed(sql: str) -> str:
    """SQL by which two lowerings of one expression are equal.

    Names of what lambdas take are fresh in each; they are numbered in their order.
    """
    if "lambda" not in sql:
        return sql
    quoted = (name for head in _PARAMETERS.findall(sql) for name in re.findall('"[^"]+"', head))
    for number, name in enumerate(dict.fromkeys([*quoted, *_OPERAND.findall(sql)])):
        pattern = re.escape(name) if name.startswith('"') else rf'(?<!["\w]){name}(?!["\w])'
        sql = re.sub(pattern, f"\0{number}", sql)
    return sql


def raising(condition: str, message_sql: str, kind: DataType) -> str:
    """SQL that fails with one of Spark's conditions; `message_sql` is an expression."""
    return cast_sql(f"error({text(f'[{condition}] ')} || {message_sql})", kind)


ERROR_CALL = re.compile(
    r"CAST\(error\((?:[^'()]|'(?:[^']|'')*'|\([^()]*\))*\) AS [^()]*(?:\([0-9,]+\))?\)"
)
"""A call that `raising` writes, as far as its message holds no nested calls."""


def named(value: Typed, template: str, kind: DataType, *others: Typed) -> Typed:
    """Fills `{0}`, `{1}` .. of a template with this and other expressions."""
    return Typed(
        template.format(value.sql, *(other.sql for other in others)),
        kind,
        volatile=value.volatile or any(other.volatile for other in others),
    )


class Problem(Exception):
    """An error of the user's in an expression; who knows the place turns it into one with it.

    Args:
        condition: Spark's error condition; empty where valid Spark SQL is not supported here.
        message: What is wrong, or what is not supported.
        hint: What to do about it.
    """

    def __init__(self, condition: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.condition = condition
        self.message = message
        self.hint = hint


def refused(what: str, hint: str | None = None) -> Problem:
    """The refusal of something that Spark knows and we do not."""
    return Problem("", what, hint)
