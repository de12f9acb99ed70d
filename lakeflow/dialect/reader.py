"""A cursor over the tokens of one statement, and the errors it makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lakeflow.core.errors import DefinitionError, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest, split_name
from lakeflow.dialect.clauses import Clause, Part, clauses_of
from lakeflow.dialect.text import QueryText
from lakeflow.dialect.tokens import Token, name_value, string_value

NOT_A_STATEMENT = "PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR"


class Reader:
    """Reads tokens from left to right; comments are not among them.

    Args:
        text: The statement the tokens are of.
        tokens: All of them, or those of a part.
        after: What follows the last of them; an error at the end is reported there.
    """

    def __init__(
        self, text: QueryText, tokens: Sequence[Token], after: Token | None = None
    ) -> None:
        self.text = text
        self.tokens = tokens
        self.position = 0
        self._after = after

    @property
    def after(self) -> Token:
        """What follows the last token; its place is only worked out for an error."""
        if self._after is None:
            end = self.tokens[-1].end if self.tokens else 0
            place = self.text.at(end)
            self._after = Token("end", "", end, place.line, place.column or 1)
        return self._after

    def peek(self, ahead: int = 0) -> Token:
        """The token `ahead` of the next one, or what follows the last."""
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else self.after

    def done(self) -> bool:
        """Whether all tokens are read."""
        return self.position >= len(self.tokens)

    def take(self) -> Token:
        """Reads one token."""
        token = self.peek()
        self.position += 1
        return token

    def sees(self, *words: str) -> bool:
        """Whether the next tokens are these words or symbols."""
        if self.position + len(words) > len(self.tokens):
            return False
        return all(self.peek(ahead).word == word for ahead, word in enumerate(words))

    def accept(self, *words: str) -> bool:
        """Reads these words if they come next."""
        if not self.sees(*words):
            return False
        self.position += len(words)
        return True

    def expect(self, *words: str) -> None:
        """Reads these words.

        Raises:
            DefinitionError: Something else comes next.
        """
        for word in words:
            if not self.accept(word):
                raise self.unexpected(" ".join(words), [word])

    def clause(self, part: Part) -> Clause | None:
        """Reads the words of the longest clause that begins here, or nothing."""
        for words, clause in clauses_of(part).items():
            if self.accept(*words):
                return clause
        return None

    def at_clause(self, part: Part) -> bool:
        """Whether a clause begins here."""
        return any(self.sees(*words) for words in clauses_of(part))

    def location(self, token: Token | None = None) -> Location:
        """Where a token stands, the next one if none is given."""
        return (token or self.peek()).location(self.text.location.file)

    def error(
        self,
        message: str,
        token: Token | None = None,
        *,
        hint: str | None = None,
        condition: str = "PARSE_SYNTAX_ERROR",
    ) -> DefinitionError:
        """An error at a token, the next one if none is given."""
        location = self.location(token)
        return DefinitionError(message, condition=condition, location=location, hint=hint or None)

    def unexpected(
        self, expected: str, known: Iterable[str] = (), hint: str | None = None
    ) -> DefinitionError:
        """An error that says what should stand in the place of the next token."""
        token = self.peek()
        if self.done():
            end = _shown(token) if token.text else "the end of the statement"
            return self.error(f"Expected {expected} before {end}.", hint=hint)
        if token.word == "CREATE":
            hint = hint or "A new statement needs a ';' before it."
        else:
            hint = self._nearest(tuple(known)) or hint
        return self.error(f"Expected {expected}, found {_shown(token)}.", hint=hint)

    def _nearest(self, known: tuple[str, ...]) -> str:
        """The known phrase most like the next words, as a sentence."""
        if self.peek().kind != "word":
            return ""
        by_length: dict[int, list[str]] = {}
        for phrase in known:
            by_length.setdefault(phrase.count(" ") + 1, []).append(phrase)
        for length in sorted(by_length, reverse=True):
            found = " ".join(self.peek(ahead).word for ahead in range(length))
            if found not in known and (hint := nearest(found, by_length[length])):
                return hint
        return ""

    def refused(
        self, clause: Clause, token: Token, condition: str = "UNSUPPORTED_FEATURE"
    ) -> UnsupportedError:
        """The error that a refused clause is answered with."""
        return UnsupportedError(
            f"{clause.words} is not supported: {clause.meaning}",
            condition=condition,
            location=self.location(token),
            hint=clause.hint,
        )

    def string(self, what: str) -> str:
        """Reads a string; the value is what it stands for.

        Raises:
            DefinitionError: No string comes next.
        """
        if self.peek().kind != "string":
            raise self.unexpected(f"{what} in quotes")
        return string_value(self.take())

    def name(self, what: str, most: int = 3) -> tuple[str, Token]:
        """Reads a name of one or more parts.

        Args:
            what: What it names, for errors.
            most: How many parts it may have.

        Returns:
            The name as the user wrote it, and its first token.

        Raises:
            DefinitionError: No name comes next, or it has too many parts.
        """
        first = self.peek()
        parts = [self._part(what)]
        while self.accept("."):
            parts.append(self._part(what))
        name = ".".join(parts)
        if len(parts) > most:
            raise self.error(
                f"The name of {what} has at most {most} parts: {name}."
                if most > 1
                else f"The name of {what} has one part: {name}.",
                first,
            )
        following = self.peek()
        if following.word == "-" and following.start == self.tokens[self.position - 1].end:
            raise self.error(
                f"A name with '-' is written in back-ticks: {name}-...",
                first,
                condition="INVALID_IDENTIFIER",
            )
        return name, first

    def _part(self, what: str) -> str:
        token = self.peek()
        if token.kind not in ("word", "quoted") or token.word in ("AS", "CREATE"):
            quoted = token.kind in ("string", "number")
            hint = "Names are quoted with back-ticks: `name`." if quoted else None
            raise self.unexpected(f"the name of {what}", hint=hint)
        if token.word == "IDENTIFIER" and self.peek(1).word == "(":
            raise UnsupportedError(
                "IDENTIFIER(...) is not supported as a name.",
                condition="UNSUPPORTED_FEATURE",
                location=self.location(),
                hint="Write the name, or ${parameter} in its place.",
            )
        try:
            split_name(token.text)
        except DefinitionError as error:
            raise self.error(error.message, token, condition="INVALID_IDENTIFIER") from None
        self.position += 1
        return token.text

    def identifier(self, what: str) -> str:
        """Reads a name of one part, without its quotes.

        Raises:
            DefinitionError: No name comes next, or it has several parts.
        """
        token = self.name(what, most=1)[1]
        return name_value(token)

    def inside(self) -> Reader:
        """Reads a pair of parentheses with all that is between them.

        Returns:
            A reader of what is between.

        Raises:
            DefinitionError: No parenthesis comes next, or it is never closed.
        """
        opening = self.peek()
        if opening.word != "(":
            raise self.unexpected("'('")
        depth = 0
        for index in range(self.position, len(self.tokens)):
            word = self.tokens[index].word
            depth += (word == "(") - (word == ")")
            if depth == 0:
                between = self.tokens[self.position + 1 : index]
                self.position = index + 1
                return Reader(self.text, between, self.tokens[index])
        raise self.error("This '(' is never closed.", opening)

    def elements(self) -> list[Reader]:
        """Splits all that is left at commas outside parentheses and `<...>`."""
        found: list[Reader] = []
        start, depth, angles = self.position, 0, 0
        for index in range(self.position, len(self.tokens)):
            token = self.tokens[index]
            depth += (token.word == "(") - (token.word == ")")
            if depth == 0:
                angles = max(0, angles + (token.word == "<") - (token.word == ">"))
            if token.word == "," and depth == 0 and angles == 0:
                found.append(Reader(self.text, self.tokens[start:index], token))
                start = index + 1
        found.append(Reader(self.text, self.tokens[start:], self.after))
        self.position = len(self.tokens)
        return found

    def skip_to_clause(self, part: Part) -> None:
        """Leaves out what belongs to a clause that was refused."""
        while not self.done() and not self.at_clause(part):
            if self.sees("("):
                try:
                    self.inside()
                except DefinitionError:
                    self.position = len(self.tokens)
            else:
                self.position += 1

    def rest(self) -> QueryText:
        """Reads all that is left, in its original characters."""
        first, stop = self.peek(), self.tokens[-1].end
        self.position = len(self.tokens)
        return self.text.slice(first.start, stop, self.location(first))


def list_of_names(reader: Reader, what: str) -> tuple[str, ...]:
    """Reads `(a, b)`; the names are without quotes.

    Raises:
        DefinitionError: It is no list of names, or a name occurs twice.
    """
    names: list[str] = []
    seen: set[str] = set()
    for element in reader.inside().elements():
        first = element.peek()
        name = element.identifier(what)
        if not element.done():
            raise element.unexpected(f"',' or ')' after {what}")
        if name.lower() in seen:
            raise element.error(f"{name} occurs twice.", first, condition="COLUMN_ALREADY_EXISTS")
        seen.add(name.lower())
        names.append(name)
    return tuple(names)


def unsupported_statement(reader: Reader, hint: str | None = None) -> UnsupportedError:
    """The error for a statement that pipelines do not have, quoting its first words."""
    reader.position = 0
    first = reader.peek()
    clause = reader.clause("statement")
    if clause is not None and clause.status == "refused":
        return reader.refused(clause, first, NOT_A_STATEMENT)
    last = reader.tokens[min(len(reader.tokens), 5) - 1]
    words = " ".join(reader.text.text[first.start : last.end].split())
    if len(words) > 60:
        words = words[:57] + "..."
    starts = {words[0] for words in clauses_of("statement")}
    if first.kind == "word" and first.word not in starts:
        similar = [start for start in starts if abs(len(start) - len(first.word)) < 2]
        hint = hint or nearest(first.word, similar)
    return UnsupportedError(
        f"This is not a statement of a pipeline: {words}",
        condition=NOT_A_STATEMENT,
        location=reader.location(first),
        hint=hint or "A pipeline file has CREATE, SET and USE statements.",
    )


def _shown(token: Token) -> str:
    text = token.text if len(token.text) <= 40 else token.text[:37] + "..."
    return text if token.kind in ("string", "quoted") else f"'{text}'"
