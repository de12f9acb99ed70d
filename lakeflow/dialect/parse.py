"""The text of a SQL file of a pipeline -> its statements."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lakeflow.core.errors import DefinitionError, DefinitionErrors, LakeflowError
from lakeflow.core.location import Location
from lakeflow.dialect.create import read_create
from lakeflow.dialect.reader import Reader, unsupported_statement
from lakeflow.dialect.statements import SetOption, Statement, UseName
from lakeflow.dialect.substitute import substitute
from lakeflow.dialect.text import QueryText
from lakeflow.dialect.tokens import Token, name_value, tokenise

_COMMAND = re.compile(r"--\s*COMMAND\s*-{3,}\s*")


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What a SQL file says, as far as it can be read.

    Args:
        statements: Those that are right.
        errors: What is wrong with the others, in the order of their places.
    """

    statements: tuple[Statement, ...]
    errors: tuple[LakeflowError, ...]


def parse_statements(
    text: str, file: str, parameters: Mapping[str, str] = {}
) -> tuple[Statement, ...]:
    """The statements of a SQL file of a pipeline, all of which have to be right.

    Args:
        text: The file's content.
        file: The file's path as the user gave it, for errors.
        parameters: Values of `${name}`.

    Raises:
        DefinitionErrors: Statements are wrong or not supported; all of them are named.

    Example:
        >>> parse_statements("CREATE MATERIALIZED VIEW a AS SELECT 1 AS x", "a.sql")[0].name
        'a'
    """
    parsed = parse_file(text, file, parameters)
    if parsed.errors:
        raise DefinitionErrors(parsed.errors)
    return parsed.statements


def parse_file(text: str, file: str, parameters: Mapping[str, str] = {}) -> ParsedFile:
    """Reads a SQL file of a pipeline; one wrong statement does not hide the others.

    Statements end at `;` and at a notebook's `-- COMMAND ----------`. The value of `${name}` is
    put in before a statement is read; `SET name = value` gives one to the statements after it.

    Args:
        text: The file's content.
        file: The file's path as the user gave it, for errors.
        parameters: Values of `${name}`.
    """
    source = QueryText(text, Location(file, 1, 1))
    known = dict(parameters)
    statements: list[Statement] = []
    errors: list[LakeflowError] = []
    for tokens in _pieces(tokenise(source)):
        try:
            statement = _statement(*_with_values(source, tokens, known))
        except DefinitionErrors as several:
            errors.extend(several.errors)
        except LakeflowError as error:
            errors.append(error)
        else:
            statements.append(statement)
            if isinstance(statement, SetOption):
                known[statement.name] = statement.value
    return ParsedFile(tuple(statements), tuple(sorted(errors, key=_place)))


def _place(error: LakeflowError) -> tuple[int, int]:
    location = error.location
    return (location.line, location.column or 0) if location else (0, 0)


def _pieces(tokens: Sequence[Token]) -> list[list[Token]]:
    pieces: list[list[Token]] = [[]]
    for token in tokens:
        is_command = token.kind == "comment" and _COMMAND.fullmatch(token.text)
        if token.word == ";" or is_command:
            pieces.append([])
        else:
            pieces[-1].append(token)
    return [piece for piece in pieces if any(token.kind != "comment" for token in piece)]


def _with_values(
    source: QueryText, tokens: list[Token], parameters: Mapping[str, str]
) -> tuple[QueryText, list[Token]]:
    """The text of one statement, parameters put in, and its tokens without comments."""
    _check_closed(source, tokens)
    if any("${" in token.text for token in tokens if token.kind != "comment"):
        start, stop = tokens[0].start, tokens[-1].end
        location = tokens[0].location(source.location.file)
        source = QueryText(source.text[start:stop], location)
        source = substitute(source, tokenise(source), parameters)
        tokens = tokenise(source)
        _check_closed(source, tokens)
        for token in tokens:
            if token.word == ";":
                raise DefinitionError(
                    "The value of a parameter has a ';' outside a string.",
                    condition="PARSE_SYNTAX_ERROR",
                    location=token.location(location.file),
                )
    return source, [token for token in tokens if token.kind != "comment"]


def _check_closed(source: QueryText, tokens: Sequence[Token]) -> None:
    for token in tokens:
        if token.kind == "unclosed":
            comment = token.text.startswith("/*")
            what = "comment" if comment else "name" if token.text[0] == "`" else "string"
            raise DefinitionError(
                f"This {what} is never closed.",
                condition="UNCLOSED_BRACKETED_COMMENT" if comment else "PARSE_SYNTAX_ERROR",
                location=token.location(source.location.file),
                hint="Add '*/'; comments inside comments need their own." if comment else None,
            )


def _statement(text: QueryText, tokens: list[Token]) -> Statement:
    if not tokens:
        raise DefinitionError(
            "The values of parameters leave no statement.", location=text.location
        )
    reader = Reader(text, tokens)
    match reader.peek().word:
        case "CREATE":
            return read_create(reader)
        case "SET":
            return _set(reader)
        case "USE":
            return _use(reader)
    raise unsupported_statement(reader)


def _set(reader: Reader) -> SetOption | UseName:
    location = reader.location(reader.take())
    keyed = reader.peek(1).word in ("=", ".")
    if not keyed and reader.accept("CATALOG"):
        return _catalog(reader, location)
    equals = next((i for i, token in enumerate(reader.tokens) if token.word == "="), 0)
    named = reader.tokens[1:equals]
    if not named or (not keyed and named[0].word in ("TIME", "VAR", "VARIABLE")):
        raise unsupported_statement(reader, "Write SET name = value.")
    name = reader.text.text[named[0].start : named[-1].end]
    if len(named) == 1 and named[0].kind == "quoted":
        name = name_value(named[0])
    elif re.search(r"[\s'\"`]", name):
        raise reader.error(
            f"The name of a setting has no spaces or quotes: {name}",
            named[0],
            hint="Write SET name = value.",
        )
    reader.position = equals + 1
    return SetOption(name, _value(reader), location)


def _value(reader: Reader) -> str:
    """All that is left as text, without comments."""
    if reader.done():
        return ""
    tokens = reader.tokens[reader.position :]
    if len(tokens) == 1 and tokens[0].kind == "quoted":
        return name_value(tokens[0])
    pieces = [tokens[0].text]
    for before, token in pairwise(tokens):
        gap = reader.text.text[before.end : token.start]
        pieces += [gap if not gap.strip() else " ", token.text]
    return "".join(pieces)


def _use(reader: Reader) -> UseName:
    location = reader.location(reader.take())
    if reader.accept("CATALOG"):
        return _catalog(reader, location)
    if reader.peek(1).kind != "end" and reader.peek().word in ("SCHEMA", "DATABASE", "NAMESPACE"):
        reader.take()
    name, _ = reader.name("a schema", most=2)
    if not reader.done():
        raise reader.unexpected("the end of the statement")
    return UseName("schema", name, location)


def _catalog(reader: Reader, location: Location) -> UseName:
    if reader.peek().kind == "string":
        name = "`" + reader.string("a catalog").replace("`", "``") + "`"
    else:
        name, _ = reader.name("a catalog", most=1)
    if not reader.done():
        raise reader.unexpected("the end of the statement")
    return UseName("catalog", name, location)
