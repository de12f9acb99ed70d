"""Where the tables of a lakehouse lie: `<catalog>/<schema>/<table>` below its folder."""

from __future__ import annotations

from urllib.parse import quote

from lakeflow.core.names import TableName

_PLAIN = " -_"
_ESCAPE = "^"
"""Not `%`: libraries take that in a path for the beginning of an escaped byte, and decode it."""


def place_of(name: TableName) -> str:
    """The folder of a table, relative to the lakehouse."""
    return "/".join(quote(part, safe=_PLAIN) for part in (name.catalog, name.schema, name.table))
