"""The text of a query as sqlglot's tree, and where in the text its nodes stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from sqlglot import exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

from lakeflow.core.errors import DefinitionError, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.dialect.syntax import syntax_error

# Special syntax inside the parentheses of a function; every other call stays as it was written,
# so that our own table alone decides what a name means.
_NOT_AFTER_COMMA = (
    TokenType.COMMA,
    TokenType.R_PAREN,
    TokenType.FROM,
    TokenType.WHERE,
    TokenType.GROUP_BY,
    TokenType.ORDER_BY,
    TokenType.SEMICOLON,
)
_SYNTAX = ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "POSITION", "SUBSTRING", "SUBSTR", "OVERLAY")


class SparkSql(Databricks):
    """Databricks' grammar without sqlglot's knowledge of functions."""

    class Tokenizer(Databricks.Tokenizer):
        """A quote within quotes is written twice, as Spark 4 reads it."""

        STRING_ESCAPES = ["\\", "'", '"']

    class Parser(Databricks.Parser):
        """Leaves every function call as a name with arguments."""

        FUNCTIONS: dict[str, Callable[..., Any]] = {}
        FUNCTION_PARSERS = {
            name: parse
            for name, parse in Databricks.Parser.FUNCTION_PARSERS.items()
            if name in _SYNTAX
        }
        NO_PAREN_FUNCTIONS: dict[Any, Any] = {}
        NO_PAREN_FUNCTION_PARSERS = {
            name: parse
            for name, parse in Databricks.Parser.NO_PAREN_FUNCTION_PARSERS.items()
            if name in ("CASE", "IF")
        }

        def _warn_unsupported(self) -> None:
            """Says nothing; what was not understood is refused with its place."""


@dataclass(frozen=True)
class Tree:
    """A parsed text.

    Args:
        text: What was parsed.
        location: Where its first character stands.
        root: The tree.
    """

    text: str
    location: Location
    root: exp.Expr

    def place(self, node: exp.Expr) -> Location:
        """Where a node begins: its own token, or the first one below it that knows its place."""
        start = _start(node)
        climbing: exp.Expr | None = node
        while start is None and climbing is not None:
            climbing = climbing.parent
            start = _start(climbing) if climbing is not None else None
        return self.location if start is None else self.at(start)

    def at(self, start: int) -> Location:
        """The place of a character of the text."""
        before = self.text[:start]
        lines = before.count("\n")
        column = start - (before.rfind("\n") + 1) + 1
        if lines == 0 and self.location.column is not None:
            column += self.location.column - 1
        return self.location.shifted(lines, column)

    def error(
        self, node: exp.Expr, condition: str, message: str, hint: str | None = None
    ) -> DefinitionError:
        """An error of the user's at a node."""
        return DefinitionError(
            message, condition=condition, location=self.place(node), hint=hint or None
        )

    def unsupported(self, node: exp.Expr, what: str, hint: str | None = None) -> UnsupportedError:
        """The refusal of something that Spark knows and we do not."""
        return UnsupportedError(
            f"{what} is not supported.", location=self.place(node), hint=hint or None
        )

    def only(self, node: exp.Expr, *known: str) -> None:
        """Refuses a node that has parts of which the caller does not know."""
        for name, value in node.args.items():
            if value in (None, False, [], "") or name in known:
                continue
            raise self.unsupported(node, f"{name.strip('_').upper()} of {_spoken(node)}")


def _start(node: exp.Expr) -> int | None:
    starts = (n.meta.get("start") for n in node.walk() if n.meta)
    return min((s for s in starts if s is not None), default=None)


def statement(node: exp.Expr) -> str:
    """The word by which people know a statement that is no query."""
    word = str(node.this) if isinstance(node, exp.Command) else type(node).__name__
    return word.upper()


def _spoken(node: exp.Expr) -> str:
    return type(node).__name__


def children(node: exp.Expr) -> Iterator[exp.Expr]:
    """The nodes directly below, in the order of the text."""
    found = sorted(node.iter_expressions(), key=lambda n: _start(n) or 0)
    yield from found


@lru_cache(maxsize=2048)
def parse(text: str, location: Location) -> Tree:
    """Parses one query or expression list.

    Raises:
        DefinitionError: PARSE_SYNTAX_ERROR at the offending token.
    """
    dialect = SparkSql()
    try:
        tokens = dialect.tokenize(text)
        if not tokens:
            raise DefinitionError(
                "The query is empty.", condition="PARSE_EMPTY_STATEMENT", location=location
            )
        _refuse_stray_commas(tokens, text, location)
        _call_window(tokens)
        found = [root for root in dialect.parser().parse(tokens, text) if root is not None]
    except SqlglotError as problem:
        if ">>>" in text:
            raise UnsupportedError(
                "The operator >>> is not supported.",
                location=Tree(text, location, exp.Null()).at(text.index(">>>")),
                hint="Use shiftrightunsigned(value, bits).",
            ) from None
        raise syntax_error(location, problem) from None
    if len(found) != 1:
        what = "is empty" if not found else "holds more than one statement"
        raise DefinitionError(
            f"The query {what}.", condition="PARSE_SYNTAX_ERROR", location=location
        )
    return Tree(text, location, found[0])


def _refuse_stray_commas(tokens: list[Token], text: str, location: Location) -> None:
    """Refuses commas with nothing after them, which sqlglot overlooks."""
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.token_type != TokenType.COMMA:
            continue
        if following is None or following.token_type in _NOT_AFTER_COMMA:
            near = following.text if following is not None else "the end"
            place = Tree(text, location, exp.Identifier(this=near)).at(token.start)
            raise DefinitionError(
                f"Expected an expression after ',', found {near!r}.",
                condition="PARSE_SYNTAX_ERROR",
                location=place,
            )


def _call_window(tokens: list[Token]) -> None:
    """Makes `window(..)` a call wherever it stands; the WINDOW clause has a name behind it."""
    for a, b in pairwise(tokens):
        if a.token_type == TokenType.WINDOW and b.token_type == TokenType.L_PAREN:
            a.token_type = TokenType.VAR


def parse_expression(text: str, location: Location) -> Tree:
    """Parses one expression, such as the condition of an expectation.

    Raises:
        DefinitionError: PARSE_SYNTAX_ERROR at the offending token.
    """
    opening = "SELECT "
    tree = parse(opening + text, _moved_back(location, len(opening)))
    root = tree.root
    if not isinstance(root, exp.Select) or len(root.expressions) != 1:
        raise DefinitionError(
            f"{text!r} is not one expression.", condition="PARSE_SYNTAX_ERROR", location=location
        )
    for name, value in root.args.items():
        if value and name != "expressions":
            raise DefinitionError(
                f"{text!r} is not one expression.",
                condition="PARSE_SYNTAX_ERROR",
                location=location,
            )
    return Tree(tree.text, tree.location, root.expressions[0])


def _moved_back(location: Location, characters: int) -> Location:
    column = None if location.column is None else location.column - characters
    return Location(location.file, location.line, column)
