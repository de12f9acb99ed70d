"""Golden pairs: a SQL file of a pipeline and what the parser says about it.

A case begins with `-- ==== name`; what follows is the file, from its line 1. `-- ---- parameters`
(lines `name=value`) may come next, then `-- ---- expected`: the statements, or the errors, as
`show` prints them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakeflow.core.errors import DefinitionErrors
from lakeflow.core.location import Location
from lakeflow.dialect.parse import parse_statements
from lakeflow.dialect.statements import (
    Column,
    CreateFlow,
    CreateTable,
    CreateView,
    SetOption,
    Statement,
    UseName,
)
from lakeflow.dialect.text import QueryText

FOLDER = Path(__file__).parent / "statements"


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    parameters: Mapping[str, str]
    expected: str


def cases() -> Iterator[Case]:
    for path in sorted(FOLDER.glob("*.sql")):
        for block in path.read_text().split("-- ==== ")[1:]:
            name, _, rest = block.partition("\n")
            text, _, expected = rest.partition("-- ---- expected\n")
            text, _, parameters = text.partition("-- ---- parameters\n")
            pairs = dict(line.split("=", 1) for line in parameters.splitlines())
            yield Case(f"{path.stem}: {name}", text, pairs, expected.strip())


def place(location: Location | None) -> str:
    assert location is not None
    assert location.file == "a.sql"
    return f"{location.line}:{location.column}"


def query(text: QueryText) -> str:
    lines = text.text.split("\n")
    return f"  query {place(text.location)} | " + "\n    | ".join(lines)


def column(value: Column) -> str:
    words = [f"  column {place(value.location)} {value.name}"]
    words += [] if value.type is None else [str(value.type)]
    words += [] if value.nullable else ["NOT NULL"]
    words += [] if value.comment is None else [f"COMMENT {value.comment!r}"]
    return " ".join(words)


def common(value: CreateTable | CreateView) -> Iterator[str]:
    yield from map(column, value.columns)
    for rule in value.expectations:
        yield (
            f"  expect {place(rule.location)} {rule.violation} {rule.name!r}: "
            f"{place(rule.predicate.location)} | {rule.predicate.text}"
        )
    if value.comment is not None:
        yield f"  comment {value.comment!r}"
    for key, property_value in value.properties.items():
        yield f"  property {key} = {property_value!r}"


def lines(value: Statement) -> Iterator[str]:
    start = place(value.location)
    match value:
        case CreateTable():
            yield f"{start} {value.kind} {value.name}"
            yield from common(value)
            if value.partition_columns:
                yield f"  partition {list(value.partition_columns)}"
            if value.cluster_columns:
                yield f"  cluster {list(value.cluster_columns)}"
            if value.query is not None:
                yield query(value.query)
        case CreateView():
            yield f"{start} view {value.name}"
            yield from common(value)
            yield query(value.query)
        case CreateFlow():
            yield f"{start} flow {value.name} into {value.target}"
            if value.comment is not None:
                yield f"  comment {value.comment!r}"
            yield query(value.query)
        case SetOption():
            yield f"{start} set {value.name} = {value.value!r}"
        case UseName():
            yield f"{start} use {value.kind} {value.name}"


def show(text: str, parameters: Mapping[str, str]) -> str:
    try:
        statements = parse_statements(text, "a.sql", parameters)
    except DefinitionErrors as errors:
        return "\n".join(
            f"{place(error.location)} {type(error).__name__} [{error.condition}] {error.message}"
            + (f"\n    {error.hint}" if error.hint else "")
            for error in errors.errors
        )
    return "\n".join(line for statement in statements for line in lines(statement))


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_golden(case):
    assert show(case.text, case.parameters) == case.expected
