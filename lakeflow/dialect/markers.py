"""Named parameter markers: `:name` in a statement stands for a value."""

from __future__ import annotations

from collections.abc import Mapping

from lakeflow.core.errors import DefinitionError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.dialect.text import QueryText
from lakeflow.dialect.tokens import Token, tokenise


def bind(sql: str, values: Mapping[str, str | None], types: Mapping[str, str] | None = None) -> str:
    r"""A statement with values in the place of its markers.

    Args:
        sql: The statement.
        values: By name; a value is always one literal, whatever it holds. None is NULL.
        types: Types other than STRING, by name; the value is cast to them.

    Raises:
        DefinitionError: A marker has no value.

    Example:
        >>> print(bind("SELECT * FROM t WHERE day = :day -- :day", {"day": "it's"}))
        SELECT * FROM t WHERE day = 'it\'s' -- :day
    """
    pieces: list[str] = []
    position = 0
    for token in tokenise(QueryText(sql, Location("<query>", 1, 1))):
        if token.kind == "parameter" and token.text.startswith(":"):
            pieces += [sql[position : token.start], _literal(token, values, types or {})]
            position = token.end
    return "".join([*pieces, sql[position:]])


def _literal(token: Token, values: Mapping[str, str | None], types: Mapping[str, str]) -> str:
    name = token.text.removeprefix(":")
    if name not in values:
        raise DefinitionError(
            f"The parameter :{name} has no value.",
            condition="UNBOUND_SQL_PARAMETER",
            location=token.location("<query>"),
            hint=nearest(name, values)
            or f"There are values for {', '.join(values) or 'no parameter'}.",
        )
    value, kind = values[name], types.get(name, "STRING")
    if value is None:
        return f"CAST(NULL AS {kind})"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'" if kind == "STRING" else f"CAST('{escaped}' AS {kind})"
