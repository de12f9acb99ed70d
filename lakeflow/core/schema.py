"""Columns and types, in Spark's words, and their two spellings: DDL text and Delta's JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from lakeflow.core.errors import DefinitionError
from lakeflow.core.names import nearest, quote

PRIMITIVES = (
    "boolean tinyint smallint int bigint float double string binary date timestamp timestamp_ntz"
).split()
"""Types without parameters that a Delta table can hold, by Spark's names."""

_SYNONYMS = {
    "byte": "tinyint",
    "short": "smallint",
    "integer": "int",
    "long": "bigint",
    "real": "float",
    "bool": "boolean",
    "numeric": "decimal",
    "dec": "decimal",
    "timestamp_ltz": "timestamp",
}
_DELTA_NAMES = {"tinyint": "byte", "smallint": "short", "int": "integer", "bigint": "long"}
_FROM_DELTA = {delta: name for name, delta in _DELTA_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Primitive:
    """A type without parameters; `name` is one of `PRIMITIVES`, or `void` (the type of NULL)."""

    name: str

    def __str__(self) -> str:
        return self.name.upper()


@dataclass(frozen=True, slots=True)
class Decimal:
    """An exact number of `precision` digits, `scale` of them after the point."""

    precision: int
    scale: int

    def __str__(self) -> str:
        return f"DECIMAL({self.precision},{self.scale})"


@dataclass(frozen=True, slots=True)
class Array:
    """A list of values of one type."""

    element: DataType

    def __str__(self) -> str:
        return f"ARRAY<{self.element}>"


@dataclass(frozen=True, slots=True)
class Map:
    """Keys with values."""

    key: DataType
    value: DataType

    def __str__(self) -> str:
        return f"MAP<{self.key}, {self.value}>"


@dataclass(frozen=True, slots=True)
class Struct:
    """Named values."""

    fields: tuple[Field, ...]

    def __str__(self) -> str:
        return "STRUCT<" + ", ".join(f"{quote(f.name)}: {f.type}" for f in self.fields) + ">"


DataType = Primitive | Decimal | Array | Map | Struct

BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, STRING, BINARY, DATE, TIMESTAMP, NTZ = (
    Primitive(name) for name in PRIMITIVES
)
VOID = Primitive("void")


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a table or a field of a struct."""

    name: str
    type: DataType
    nullable: bool = True
    comment: str | None = None

    def __str__(self) -> str:
        text = f"{quote(self.name)} {self.type}"
        return text if self.nullable else f"{text} NOT NULL"


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a table, in order; names differ by more than case.

    Example:
        >>> Schema.from_ddl("id BIGINT NOT NULL, price DECIMAL(10,2)").names
        ('id', 'price')
    """

    fields: tuple[Field, ...]

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __str__(self) -> str:
        return ", ".join(str(field) for field in self.fields)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(field.name for field in self.fields)

    def find(self, name: str) -> Field | None:
        """The column of this name, whatever its case."""
        lowered = name.lower()
        return next((f for f in self.fields if f.name.lower() == lowered), None)

    def nullable(self) -> Schema:
        """The same columns, each of them nullable."""
        return Schema(tuple(replace(field, nullable=True) for field in self.fields))

    @classmethod
    def from_ddl(cls, text: str) -> Schema:
        """Reads a column list such as `id BIGINT NOT NULL, tags ARRAY<STRING>`.

        Raises:
            DefinitionError: The text is no column list, or names a type that does not exist.
        """
        return cls(_DdlReader(text).columns())

    def to_delta(self) -> str:
        """The `schemaString` of a Delta table."""
        return json.dumps(_to_delta(Struct(self.fields)))

    @classmethod
    def from_delta(cls, text: str) -> Schema:
        """Reads the `schemaString` of a Delta table.

        Raises:
            DefinitionError: The schema holds a type that is not supported, which is named.
        """
        struct = _from_delta(json.loads(text))
        assert isinstance(struct, Struct)
        return cls(struct.fields)


def types_within(kind: DataType) -> Iterator[DataType]:
    """A type and all those that it is made of."""
    yield kind
    match kind:
        case Array(element):
            yield from types_within(element)
        case Map(key, value):
            yield from types_within(key)
            yield from types_within(value)
        case Struct(fields):
            for field in fields:
                yield from types_within(field.type)


def parse_type(text: str) -> DataType:
    """Reads one type, such as `MAP<STRING, DECIMAL(10,2)>`.

    Raises:
        DefinitionError: The text is no type.
    """
    reader = _DdlReader(text)
    found = reader.type()
    reader.end()
    return found


def _to_delta(kind: DataType) -> Any:
    match kind:
        case Primitive(name):
            return _DELTA_NAMES.get(name, name)
        case Decimal(precision, scale):
            return f"decimal({precision},{scale})"
        case Array(element):
            return {"type": "array", "elementType": _to_delta(element), "containsNull": True}
        case Map(key, value):
            return {
                "type": "map",
                "keyType": _to_delta(key),
                "valueType": _to_delta(value),
                "valueContainsNull": True,
            }
        case Struct(fields):
            return {
                "type": "struct",
                "fields": [
                    {
                        "name": field.name,
                        "type": _to_delta(field.type),
                        "nullable": field.nullable,
                        "metadata": {} if field.comment is None else {"comment": field.comment},
                    }
                    for field in fields
                ],
            }


def _from_delta(value: Any) -> DataType:
    if isinstance(value, str):
        if match := re.fullmatch(r"decimal\((\d+),\s*(-?\d+)\)", value):
            return Decimal(int(match[1]), int(match[2]))
        name = _FROM_DELTA.get(value, value)
        if name in PRIMITIVES:
            return Primitive(name)
        raise DefinitionError(f"The column type {value!r} of a Delta table is not supported.")
    match value["type"]:
        case "array":
            return Array(_from_delta(value["elementType"]))
        case "map":
            return Map(_from_delta(value["keyType"]), _from_delta(value["valueType"]))
        case "struct":
            return Struct(
                tuple(
                    Field(
                        field["name"],
                        _from_delta(field["type"]),
                        field["nullable"],
                        field.get("metadata", {}).get("comment"),
                    )
                    for field in value["fields"]
                )
            )
        case other:
            raise DefinitionError(f"The column type {other!r} of a Delta table is not supported.")


_TOKEN = re.compile(r"\s*(`(?:[^`]|``)+`|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|\w+|[<>(),:])")


class _DdlReader:
    """Reads types and column lists token by token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = []
        position = 0
        stripped = text.rstrip()
        while position < len(stripped):
            match = _TOKEN.match(stripped, position)
            if match is None:
                raise self.error(f"unexpected {stripped[position:].lstrip()[:1]!r}")
            self.tokens.append(match[1])
            position = match.end()
        self.index = 0

    def error(self, problem: str) -> DefinitionError:
        return DefinitionError(
            f"{self.text!r} is not a column list: {problem}.", condition="PARSE_SYNTAX_ERROR"
        )

    def peek(self) -> str:
        return self.tokens[self.index] if self.index < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token.upper() != expected):
            raise self.error(f"expected {expected or 'a word'!r}, found {token or 'the end'!r}")
        self.index += 1
        return token

    def accept(self, word: str) -> bool:
        if self.peek().upper() == word:
            self.index += 1
            return True
        return False

    def end(self) -> None:
        if self.peek():
            raise self.error(f"unexpected {self.peek()!r}")

    def name(self) -> str:
        token = self.take()
        if token.startswith("`"):
            return token[1:-1].replace("``", "`")
        if not re.fullmatch(r"\w+", token):
            raise self.error(f"{token!r} is not a name")
        return token

    def columns(self) -> tuple[Field, ...]:
        fields = self.fields("")
        self.end()
        seen: set[str] = set()
        for field in fields:
            if field.name.lower() in seen:
                raise DefinitionError(
                    f"The column {quote(field.name)} occurs twice in {self.text!r}.",
                    condition="COLUMN_ALREADY_EXISTS",
                )
            seen.add(field.name.lower())
        return fields

    def fields(self, closing: str) -> tuple[Field, ...]:
        fields: list[Field] = []
        while self.peek() != closing:
            name = self.name()
            self.accept(":")
            kind = self.type()
            nullable = True
            if self.accept("NOT"):
                self.take("NULL")
                nullable = False
            comment = None
            if self.accept("COMMENT"):
                comment = re.sub(r"\\(.)|''", lambda m: m[1] or "'", self.take()[1:-1])
            fields.append(Field(name, kind, nullable, comment))
            if not self.accept(","):
                break
        return tuple(fields)

    def number(self) -> int:
        token = self.take()
        if not re.fullmatch("[0-9]{1,9}", token):
            raise self.error(f"{token!r} is not a number")
        return int(token)

    def type(self) -> DataType:
        word = self.take().lower()
        word = _SYNONYMS.get(word, word)
        match word:
            case "array":
                self.take("<")
                element = self.type()
                self.take(">")
                return Array(element)
            case "map":
                self.take("<")
                key = self.type()
                self.take(",")
                value = self.type()
                self.take(">")
                return Map(key, value)
            case "struct":
                self.take("<")
                fields = self.fields(">")
                self.take(">")
                return Struct(fields)
            case "decimal":
                return self.decimal()
            case "varchar" | "char":
                self.take("(")
                self.number()
                self.take(")")
                raise DefinitionError(
                    f"{word.upper()} with a length is not supported in {self.text!r}.",
                    hint="Use STRING, and an expectation on length(column) where it matters.",
                )
        if word not in PRIMITIVES:
            known = [*PRIMITIVES, *_SYNONYMS, "array", "map", "struct", "decimal"]
            raise DefinitionError(
                f"{word.upper()} is not a type that a table can hold, in {self.text!r}.",
                condition="UNSUPPORTED_DATATYPE",
                hint=nearest(word, known) or None,
            )
        return Primitive(word)

    def decimal(self) -> Decimal:
        precision, scale = 10, 0
        if self.accept("("):
            precision = self.number()
            if self.accept(","):
                scale = self.number()
            self.take(")")
        if not 1 <= precision <= 38 or not 0 <= scale <= precision:
            raise self.error(f"DECIMAL({precision},{scale}) is out of range")
        return Decimal(precision, scale)
