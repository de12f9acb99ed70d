"""Reads CREATE statements: tables, views and flows."""

from __future__ import annotations

from dataclasses import dataclass, field

from lakeflow.core.errors import DefinitionError, DefinitionErrors, LakeflowError, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.dialect.clauses import Part, clauses_of
from lakeflow.dialect.columns import read_column_list
from lakeflow.dialect.reader import NOT_A_STATEMENT, Reader, list_of_names, unsupported_statement
from lakeflow.dialect.statements import (
    Column,
    CreateFlow,
    CreateTable,
    CreateView,
    Expectation,
    Statement,
    TableKind,
)
from lakeflow.dialect.text import QueryText
from lakeflow.dialect.tokens import Token, name_value, string_value

_OBJECTS = ("TABLE", "VIEW", "FLOW", "FUNCTION")
_QUERY_WORDS = ("SELECT", "WITH", "FROM", "VALUES")


@dataclass
class _Declared:
    """What was read of a CREATE statement so far."""

    errors: list[LakeflowError]
    columns: tuple[Column, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    comment: str | None = None
    partition_columns: tuple[str, ...] = ()
    cluster_columns: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)
    query: QueryText | None = None


def read_create(reader: Reader) -> Statement:
    """Reads a statement that begins with `CREATE`.

    Raises:
        DefinitionErrors: It is wrong or has clauses that are not supported.
        UnsupportedError: Pipelines do not have this statement.
    """
    errors: list[LakeflowError] = []
    first = reader.take()
    modifier = reader.peek()
    modified = reader.accept("OR", "REFRESH") or reader.accept("OR", "REPLACE")
    words = _header(reader, errors)
    clause = clauses_of("statement").get(tuple(words))
    if clause is None:
        known = [
            " ".join(phrase[1:])
            for phrase, known in clauses_of("statement").items()
            if phrase[0] == "CREATE" and known.status == "done"
        ]
        raise unsupported_statement(reader, nearest(" ".join(words[1:]), known) or None)
    if clause.status == "refused":
        raise reader.refused(clause, first, NOT_A_STATEMENT)
    declared = _Declared(errors)
    try:
        if modified and words[-1] == "FLOW":
            raise reader.error("CREATE FLOW has no OR REFRESH or OR REPLACE.", modifier)
        statement = _declaration(reader, words, first, declared)
    except DefinitionErrors:  # all there are: no query was left behind what was refused
        raise
    except DefinitionError as error:
        errors.append(error)
    if errors:
        raise DefinitionErrors(errors)
    return statement


def _header(reader: Reader, errors: list[LakeflowError]) -> list[str]:
    """The words from CREATE to TABLE, VIEW or FLOW, without modifiers."""
    words = ["CREATE"]
    while reader.peek().kind == "word" and len(words) < 6 and words[-1] not in _OBJECTS:
        token = reader.peek()
        if reader.sees("PRIVATE"):
            clause = reader.clause("modifier")
            assert clause is not None
            errors.append(reader.refused(clause, token))
        else:
            word = reader.take().word
            words.append("TEMPORARY" if word == "TEMP" else word)
    return words


def _declaration(reader: Reader, words: list[str], first: Token, declared: _Declared) -> Statement:
    location = reader.location(first)
    if words[-1] == "FLOW":
        return _flow(reader, location)
    reader.accept("IF", "NOT", "EXISTS")
    if words[-1] == "VIEW" and "MATERIALIZED" not in words:
        return _view(reader, location, declared)
    streaming = "STREAMING" in words or "INCREMENTAL" in words
    return _table(
        reader, location, "streaming_table" if streaming else "materialized_view", declared
    )


def _table(reader: Reader, location: Location, kind: TableKind, declared: _Declared) -> CreateTable:
    name, _ = reader.name("a table")
    if reader.sees("("):
        declared.columns, declared.expectations = read_column_list(reader, declared.errors)
    _clauses(reader, "table", declared)
    if kind == "materialized_view":
        _need_query(reader, declared, "a materialized view")
    if declared.partition_columns and declared.cluster_columns:
        raise DefinitionError(
            f"{name} has both PARTITIONED BY and CLUSTER BY.",
            condition="SPECIFY_CLUSTER_BY_WITH_PARTITIONED_BY_IS_NOT_ALLOWED",
            location=location,
            hint="Leave one of them out.",
        )
    return CreateTable(
        name,
        kind,
        location,
        declared.query,
        declared.columns,
        declared.expectations,
        declared.comment,
        declared.partition_columns,
        declared.cluster_columns,
        declared.properties,
    )


def _view(reader: Reader, location: Location, declared: _Declared) -> CreateView:
    name, first = reader.name("a view")
    if "." in [token.word for token in reader.tokens[: reader.position]]:
        raise reader.error(
            f"A temporary view belongs to no schema: {name}.",
            first,
            condition="INVALID_TEMP_OBJ_QUALIFIER",
            hint="Write its name alone.",
        )
    if reader.sees("("):
        declared.columns, declared.expectations = read_column_list(reader, declared.errors)
        for column in declared.columns:
            if column.type is not None or not column.nullable:
                raise DefinitionError(
                    f"The column {column.name} of a view has a type or NOT NULL.",
                    location=column.location,
                    hint="Give only the name, and CAST in the query.",
                )
    _clauses(reader, "view", declared)
    return CreateView(
        name,
        location,
        _need_query(reader, declared, "a view"),
        declared.columns,
        declared.expectations,
        declared.comment,
        declared.properties,
    )


def _need_query(reader: Reader, declared: _Declared, what: str) -> QueryText:
    if declared.query is not None:
        return declared.query
    if declared.errors:
        raise DefinitionErrors(declared.errors)
    raise reader.unexpected(f"AS and a query, which {what} needs,")


def _clauses(reader: Reader, part: Part, declared: _Declared) -> None:
    seen: set[str] = set()
    while not reader.done():
        token = reader.peek()
        clause = reader.clause(part)
        if clause is None:
            hint = "Write AS before the query." if token.word in _QUERY_WORDS else None
            known = [" ".join(words) for words in clauses_of(part)]
            raise reader.unexpected("a clause or AS", known, hint=hint)
        if clause.status == "refused":
            declared.errors.append(reader.refused(clause, token))
            if clause.words.startswith("FLOW"):
                reader.position = len(reader.tokens)
            reader.skip_to_clause(part)
            continue
        if clause.words in seen:
            raise reader.error(
                f"{clause.words} occurs twice.", token, condition="DUPLICATE_CLAUSES"
            )
        seen.add(clause.words)
        match clause.words:
            case "AS":
                declared.query = _query(reader)
            case "COMMENT":
                declared.comment = reader.string("a comment")
            case "TBLPROPERTIES":
                declared.properties = _properties(reader)
            case "PARTITIONED BY":
                declared.partition_columns = list_of_names(reader, "a partition column")
            case "CLUSTER BY":
                declared.cluster_columns = list_of_names(reader, "a clustering column")


def _properties(reader: Reader) -> dict[str, str]:
    properties: dict[str, str] = {}
    for element in reader.inside().elements():
        first = element.peek()
        if first.kind == "string":
            key = string_value(element.take())
        else:
            element.name("a property", most=20)
            key = ".".join(name_value(part) for part in element.tokens[: element.position : 2])
        element.accept("=")
        value = element.peek()
        if value.kind == "string":
            properties_value = string_value(value)
        elif value.kind == "number":
            properties_value = value.text
        elif value.word in ("TRUE", "FALSE"):
            properties_value = value.text.lower()
        else:
            raise element.unexpected(
                f"the value of {key}", hint="A value is a string in quotes, a number, or a boolean."
            )
        element.take()
        if not element.done():
            raise element.unexpected(f"',' or ')' after the value of {key}")
        if key in properties:
            raise element.error(f"{key} occurs twice.", first, condition="DUPLICATE_KEY")
        properties[key] = properties_value
    return properties


def _query(reader: Reader) -> QueryText:
    if reader.done():
        raise reader.unexpected("a query")
    for position in range(reader.position, len(reader.tokens)):
        word = reader.tokens[position].word
        if word == "CREATE":
            _check_not_create(reader, position)
        elif word == "DELAY":
            _check_not_watermark(reader, position)
    return reader.rest()


def _check_not_create(reader: Reader, position: int) -> None:
    """A statement inside a query means that the ';' between them was forgotten."""
    words = [token.word for token in reader.tokens[position + 1 : position + 7]]
    kinds = {"OR", "REFRESH", "REPLACE", "PRIVATE", "TEMPORARY", "TEMP", "STREAMING", "LIVE"}
    kinds |= {"INCREMENTAL", "MATERIALIZED"}
    while words and words[0] in kinds:
        words.pop(0)
    if len(words) > 1 and words[0] in _OBJECTS and words[1] not in ("", ",", ")", ".", "="):
        raise reader.error(
            "A new statement begins inside a query.",
            reader.tokens[position],
            hint="Write ';' before it.",
        )


def _check_not_watermark(reader: Reader, position: int) -> None:
    """`WATERMARK column DELAY OF interval`; each of the words may be a column's name alone."""
    before = reader.tokens[max(reader.position, position - 8) : position]
    clause = clauses_of("query")["WATERMARK",]
    following = Reader(reader.text, reader.tokens[position:])
    for token in reversed(before):
        if token.word == "WATERMARK" and following.sees("DELAY", "OF"):
            if clause.status == "refused":
                raise reader.refused(clause, token)
            return


def _flow(reader: Reader, location: Location) -> CreateFlow:
    name, first = reader.name("a flow")
    if len(reader.tokens[: reader.position]) > 3:
        raise reader.error(
            f"The name of a flow has one part: {name}.",
            first,
            condition="MULTIPART_FLOW_NAME_NOT_SUPPORTED",
        )
    comment = reader.string("a comment") if reader.accept("COMMENT") else None
    reader.expect("AS")
    _flow_clause(reader, "INSERT INTO")
    reader.accept("TABLE")
    target, _ = reader.name("a table")
    if not reader.sees("BY", "NAME"):
        token = reader.peek()
        clause = reader.clause("flow")
        if clause is not None and clause.status == "refused":
            raise reader.refused(clause, token)
        raise UnsupportedError(
            "A flow is only supported with BY NAME.",
            condition=NOT_A_STATEMENT,
            location=reader.location(token),
            hint=f"Write INSERT INTO {target} BY NAME SELECT ...; columns are matched by name.",
        )
    _flow_clause(reader, "BY NAME")
    token = reader.peek()
    clause = reader.clause("flow")
    if clause is not None and clause.status == "refused":
        raise reader.refused(clause, token)
    return CreateFlow(name, target, location, _query(reader), comment)


def _flow_clause(reader: Reader, words: str) -> None:
    """Reads the clause a flow must have here, or refuses the one that is there."""
    token = reader.peek()
    clause = reader.clause("flow")
    if clause is not None and clause.status == "refused":
        raise reader.refused(clause, token)
    if clause is None or clause.words != words:
        if clause is not None:
            reader.position -= len(clause.words.split())
        raise reader.unexpected(
            words, [words], hint="CREATE FLOW name AS INSERT INTO table BY NAME SELECT ..."
        )
