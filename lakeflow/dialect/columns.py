"""Reads what stands between the parentheses after a dataset's name: columns and constraints."""

from __future__ import annotations

from lakeflow.core.errors import DefinitionError, LakeflowError
from lakeflow.core.names import nearest
from lakeflow.core.schema import DataType, parse_type
from lakeflow.dialect.clauses import clauses_of
from lakeflow.dialect.reader import Reader
from lakeflow.dialect.statements import Column, Expectation, Violation

_DEEPEST_TYPE = 50

_VIOLATIONS: dict[str, Violation] = {
    "ON VIOLATION DROP ROW": "drop",
    "ON VIOLATION FAIL UPDATE": "fail",
    "ON VIOLATION QUARANTINE": "quarantine",
}


def read_column_list(
    reader: Reader, errors: list[LakeflowError]
) -> tuple[tuple[Column, ...], tuple[Expectation, ...]]:
    """Reads `(column [type] ..., CONSTRAINT name EXPECT (predicate) ...)`.

    Args:
        reader: Stands at the opening parenthesis.
        errors: What is wrong with an element is added here, and the next element is read.

    Raises:
        DefinitionError: The list has no end.
    """
    columns: list[Column] = []
    expectations: list[Expectation] = []
    for element in reader.inside().elements():
        try:
            if element.sees("CONSTRAINT") or _is_key(element):
                expectations.append(_constraint(element))
            else:
                columns.append(_column(element, errors))
            if not element.done():
                raise element.unexpected("',' or ')'", ["CONSTRAINT"])
        except DefinitionError as error:
            errors.append(error)
    _compare(columns, expectations, errors)
    return tuple(columns), tuple(expectations)


def _is_key(reader: Reader) -> bool:
    return reader.sees("PRIMARY", "KEY") or reader.sees("FOREIGN", "KEY")


def _constraint(reader: Reader) -> Expectation:
    first = reader.peek()
    name = reader.identifier("a constraint") if reader.accept("CONSTRAINT") else ""
    token = reader.peek()
    clause = reader.clause("constraint")
    if clause is not None and clause.status == "refused":
        raise reader.refused(clause, token)
    if clause is None or clause.words != "EXPECT":
        if clause is not None:
            reader.position -= len(clause.words.split())
        raise reader.unexpected("EXPECT (predicate)", ["EXPECT"])
    opening = reader.peek()
    predicate = reader.inside()
    if predicate.done():
        raise reader.error(f"The expectation {name} has no predicate.", opening)
    return Expectation(name, predicate.rest(), _violation(reader), reader.location(first))


def _violation(reader: Reader) -> Violation:
    if reader.done():
        return "warn"
    clause = reader.clause("constraint")
    if clause is not None and clause.words in _VIOLATIONS:
        return _VIOLATIONS[clause.words]
    reader.expect("ON", "VIOLATION")
    actions = [words.removeprefix("ON VIOLATION ") for words in _VIOLATIONS]
    found = " ".join(token.text for token in reader.tokens[reader.position :])
    raise reader.error(
        "ON VIOLATION has DROP ROW, FAIL UPDATE or QUARANTINE after it"
        + (f", not {found[:40]!r}." if found else "."),
        hint=nearest(found.upper(), actions)
        or "A violating row is kept and counted where ON VIOLATION is left out.",
    )


def _column(reader: Reader, errors: list[LakeflowError]) -> Column:
    first = reader.peek()
    name = reader.identifier("a column")
    kind = None if reader.done() or reader.at_clause("column") else _type(reader)
    nullable = True
    comment = None
    while not reader.done():
        token = reader.peek()
        clause = reader.clause("column")
        if clause is None:
            known = [" ".join(words) for words in clauses_of("column")]
            raise reader.unexpected("',' or ')'", known)
        if clause.status == "refused":
            errors.append(reader.refused(clause, token))
            reader.skip_to_clause("column")
        elif clause.words == "COMMENT":
            comment = reader.string("a comment")
        else:
            nullable = False
    return Column(name, reader.location(first), kind, nullable, comment)


def _type(reader: Reader) -> DataType:
    first = last = reader.take()
    depth = deepest = 0
    while depth > 0 or (last is first and (reader.sees("<") or reader.sees("("))):
        if reader.done():
            raise reader.error(f"The type {first.text.upper()} is never closed.", first)
        last = reader.take()
        depth += (last.word in ("<", "(")) - (last.word in (">", ")"))
        deepest = max(deepest, depth)
    if deepest > _DEEPEST_TYPE:
        raise reader.error(f"The type is nested more than {_DEEPEST_TYPE} deep.", first)
    tokens = [token for token in reader.tokens if first.start <= token.start <= last.start]
    text = reader.text.text[first.start : last.end]
    if "--" in text or "/*" in text:
        text = " ".join(token.text for token in tokens)
    try:
        return parse_type(text)
    except DefinitionError as error:
        raise type(error)(
            error.message,
            condition=error.condition,
            location=reader.location(first),
            hint=error.hint,
        ) from None


def _compare(
    columns: list[Column],
    expectations: list[Expectation],
    errors: list[LakeflowError],
) -> None:
    seen: set[str] = set()
    for column in columns:
        if column.name.lower() in seen:
            errors.append(
                DefinitionError(
                    f"The column {column.name} occurs twice.",
                    condition="COLUMN_ALREADY_EXISTS",
                    location=column.location,
                )
            )
        seen.add(column.name.lower())
        if (column.type is None) != (columns[0].type is None):
            has = "no type, but others have" if column.type is None else "a type, but not others"
            errors.append(
                DefinitionError(
                    f"The column {column.name} has {has}.",
                    location=column.location,
                    hint="Give a type to every column of the list, or to none.",
                )
            )
    names: set[str] = set()
    for expectation in expectations:
        if expectation.name in names:
            errors.append(
                DefinitionError(
                    f"The expectation {expectation.name} occurs twice.",
                    location=expectation.location,
                )
            )
        names.add(expectation.name)
