"""Names of tables: one to three parts, as users write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lakeflow.core.errors import DefinitionError

DEFAULT_CATALOG = "main"
DEFAULT_SCHEMA = "default"

_IN_TICKS = "Put parts with blanks or dots in back-ticks: `daily sales`."
_PART = re.compile(r"`((?:[^`]|``)+)`|([^.`\s]+)")


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A complete name: catalog, schema and table.

    Names compare without regard to case, as in Spark, so the parts are kept in lower case.

    Example:
        >>> str(TableName.parse("silver.Orders"))
        'main.silver.orders'
    """

    catalog: str
    schema: str
    table: str

    @classmethod
    def parse(
        cls, text: str, *, catalog: str = DEFAULT_CATALOG, schema: str = DEFAULT_SCHEMA
    ) -> TableName:
        """Completes a name of one to three parts.

        Args:
            text: The name; parts may be quoted with back-ticks.
            catalog: Catalog of names that do not say one.
            schema: Schema of names that do not say one.

        Raises:
            DefinitionError: The text is no name.
        """
        parts = split_name(text)
        if len(parts) > 3:
            raise DefinitionError(f"A table name has at most three parts: {text}.")
        return cls(*(part.lower() for part in [catalog, schema][: 3 - len(parts)] + parts))

    def __str__(self) -> str:
        return ".".join(quote(part) for part in (self.catalog, self.schema, self.table))

    @property
    def short(self) -> str:
        """The name without the parts that are the defaults, as people say it."""
        parts = [self.catalog, self.schema, self.table]
        if self.catalog == DEFAULT_CATALOG:
            parts = parts[1:] if self.schema != DEFAULT_SCHEMA else parts[2:]
        return ".".join(quote(part) for part in parts)

    def companion(self, suffix: str) -> TableName:
        """The name of a table kept beside this one, such as its quarantine."""
        return TableName(self.catalog, self.schema, f"{self.table}_{suffix}")


def split_name(text: str) -> list[str]:
    """Splits `a.b.c` at dots outside back-ticks.

    Raises:
        DefinitionError: The text is no name.
    """
    parts: list[str] = []
    position = 0
    while True:
        match = _PART.match(text, position)
        if match is None:
            raise DefinitionError(f"{text!r} is not a name.", hint=_IN_TICKS)
        quoted, plain = match.groups()
        part = quoted.replace("``", "`") if quoted is not None else plain
        if "/" in part or "\0" in part or part in (".", ".."):
            raise DefinitionError(f"{text!r} is not a name: it has a '/', a NUL or only dots.")
        parts.append(part)
        position = match.end()
        if position == len(text):
            return parts
        if text[position] != ".":
            raise DefinitionError(f"{text!r} is not a name.", hint=_IN_TICKS)
        position += 1


def quote(part: str) -> str:
    """Puts one part of a name in back-ticks where it needs them."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", part):
        return part
    return "`" + part.replace("`", "``") + "`"


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence that names the known word most like `word`, or nothing.

    Example:
        >>> nearest("tabel", ["table", "view"])
        "Did you mean 'table'?"
    """
    import difflib

    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean {found[0]!r}?" if found else ""
