"""The tokeniser of Spark SQL: words, names, strings, numbers, parameters, symbols, comments.

It never fails: a string, quoted name or comment without an end becomes one token of the kind
`unclosed` that reaches to the end of the text.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from lakeflow.core.location import Location
from lakeflow.dialect.text import QueryText, places

Kind = Literal[
    "word", "quoted", "string", "number", "parameter", "symbol", "comment", "unclosed", "end"
]

# A line comment that ends with a backslash goes on in the next line, as in Spark. Repetitions are
# possessive, so that an unclosed string costs one pass and not one per character.
_TOKEN = re.compile(
    r"""
    (?P<space>[\s\ufeff]+)
    | (?P<comment>--(?:\\\n|[^\r\n])*+)
    | (?P<bracketed>/\*)
    | (?P<string>
        '(?:[^'\\]|\\.|'')*+' | "(?:[^"\\]|\\.|"")*+"
        | [rR]'[^']*+' | [rR]"[^"]*+"
        | \$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$
      )
    | (?P<quoted>`(?:[^`]|``)*+`)
    | (?P<parameter>\$\{[^{}\n]*\} | (?<![\w:)\]`.]):[A-Za-z_]\w*)
    | (?P<unclosed>['"`])
    | (?P<number>
        (?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?:BD|bd|[lLsSyYdDfF])?(?!\w)
      )
    | (?P<word>\w+)
    | (?P<symbol>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# `/*+` opens a hint, not a comment, where it stands inside a comment.
_BRACKET = re.compile(r"/\*(?!\+)|\*/")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[01][0-7]{2}|.)|''|\"\"", re.DOTALL)
_ESCAPED = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}


class Token(NamedTuple):
    """One token in its original characters.

    Args:
        kind: What it is.
        text: Its characters, quotes included.
        start: Offset of its first character in the text that was read.
        line: Line in the user's file, counted from 1.
        column: Column in the user's file, counted from 1.
    """

    kind: Kind
    text: str
    start: int
    line: int
    column: int

    @property
    def end(self) -> int:
        """Offset of the character after it."""
        return self.start + len(self.text)

    @property
    def word(self) -> str:
        """A word in capitals or a symbol, to compare with; empty for all other tokens."""
        if self.kind == "word":
            return self.text.upper()
        return self.text if self.kind == "symbol" else ""

    def location(self, file: str) -> Location:
        """Its place in a file."""
        return Location(file, self.line, self.column)


def tokenise(text: QueryText) -> list[Token]:
    """Reads a text into tokens, comments included, white space left out.

    Example:
        >>> source = QueryText("SET a = 'b'", Location("a.sql", 1, 1))
        >>> [token.text for token in tokenise(source)]
        ['SET', 'a', '=', "'b'"]
    """
    characters = text.text
    place = places(text)
    tokens: list[Token] = []
    position = 0
    while match := _TOKEN.match(characters, position):
        kind = match.lastgroup
        start, position = position, match.end()
        if kind == "space":
            continue
        if kind == "bracketed":
            end = _end_of_comment(characters, start)
            kind, position = ("unclosed", len(characters)) if end is None else ("comment", end)
        elif kind == "unclosed":
            position = len(characters)
        tokens.append(Token(kind, characters[start:position], start, *place(start)))  # type: ignore[arg-type]
    return tokens


def _end_of_comment(text: str, start: int) -> int | None:
    depth = 1
    position = start + 2
    while match := _BRACKET.search(text, position):
        position = match.end()
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return position
    return None


def string_value(token: Token) -> str:
    """The characters that a string token stands for."""
    text = token.text
    if text[0] in "rR":
        return text[2:-1]
    if text[0] == "$":
        width = text.index("$", 1) + 1
        return text[width:-width]
    own = text[0]
    value = _ESCAPE.sub(lambda match: _unescape(match, own), text[1:-1])
    if any("\ud800" <= character <= "\udfff" for character in value):
        # Two `\uXXXX` may spell one character, as in Java; half of one is no character.
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _unescape(match: re.Match[str], own: str) -> str:
    escape = match[1]
    if escape is None:
        # Two quotes are one, but only of the kind that the string is written in.
        return own if match[0][0] == own else match[0]
    if len(escape) == 1:
        return match[0] if escape in "%_" else _ESCAPED.get(escape, str(escape))
    code = int(escape, 8) if escape[0] in "01" else int(escape[1:], 16)
    return chr(code) if code <= 0x10FFFF else "\ufffd"


def name_value(token: Token) -> str:
    """The name that a word or quoted token stands for."""
    if token.kind == "quoted":
        return token.text[1:-1].replace("``", "`")
    return token.text
