"""Queries in DuckDB's SQL, which are used as they are and run nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from lakeflow.core.errors import DefinitionError, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.names import split_name
from lakeflow.dialect.query import Query, Reference
from lakeflow.dialect.types import identifier

_MARKED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_CHANGING = re.compile(
    r"\b(now|today|random|uuid\w*|gen_random_uuid|current_\w+|get_current_\w+|localtime\w*"
    r"|transaction_timestamp|read_\w+|\w+_scan|glob|nextval|currval|setval|getvariable|age|setseed"
    r"|txid_current|sample|tablesample)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=512)
def parse_duckdb(text: str, location: Location) -> Query:
    """Finds the tables that a query in DuckDB's SQL reads.

    Args:
        text: One SELECT.
        location: Where its first character stands.

    Raises:
        DefinitionError: It cannot be parsed, or is no query.
        UnsupportedError: It reads a table by a name of several parts.

    Example:
        >>> query = parse_duckdb("FROM orders SELECT max(id)", Location("a.py", 1))
        >>> [(r.key, r.name) for r in query.references]
        [('lakeflow_input_0', ('orders',))]
    """
    import duckdb

    with duckdb.connect() as connection:
        try:
            statements = connection.extract_statements(text)
            if len(statements) != 1 or statements[0].type.name != "SELECT":
                raise DefinitionError(
                    "The text is not one query.", condition="PARSE_SYNTAX_ERROR", location=location
                )
            names = sorted(connection.get_table_names(text, qualified=True))
        except duckdb.Error as error:
            message = str(error).split("\n")[0].removeprefix("Parser Error: ")
            raise DefinitionError(
                message, condition="PARSE_SYNTAX_ERROR", location=location
            ) from None
    references = []
    for number, name in enumerate(names):
        parts = tuple(split_name(name.replace('"', "`")))
        if len(parts) != 1:
            raise UnsupportedError(
                f"The table {name} in DuckDB's SQL is not supported: its name has several parts.",
                location=location,
                hint=f'Give it a short name: sql(.., dialect="duckdb", t="{name}").',
            )
        references.append(Reference(f"lakeflow_input_{number}", parts, None, (), False, location))
    return Query(text, location, tuple(references))


def bound(query: Query, keys: Mapping[str, str] | None = None) -> str:
    """The query over relations that are called by the keys of its references.

    Args:
        query: As `parse_duckdb` gave it.
        keys: What stands for a key; the key's own relation where it is missing.
    """
    relations = []
    for reference in query.references:
        relation = (keys or {}).get(reference.key, f"SELECT * FROM {identifier(reference.key)}")
        relations.append(f"{identifier(reference.name[0])} AS ({relation})")
    text = query.text.strip().rstrip(";")
    if not relations:
        return f"SELECT * FROM ({text})"
    return f"WITH {', '.join(relations)} SELECT * FROM ({text})"


def is_deterministic(query: Query) -> bool:
    """Whether nothing in the text is known to change from one run to the next."""
    return _CHANGING.search(_MARKED.sub("''", query.text)) is None
