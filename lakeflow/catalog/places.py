"""Where the tables of a lakehouse lie: `<catalog>/<schema>/<table>` below its folder."""

from __future__ import annotations

from lakeflow.core.names import TableName

_PLAIN = " -_"
_ESCAPE = "^"
"""Not `%`: libraries take that in a path for the beginning of an escaped byte, and decode it."""


def place_of(name: TableName) -> str:
    """The folder of a table, relative to the lakehouse."""
    return "/".join(map(_folder, (name.catalog, name.schema, name.table)))


def _folder(part: str) -> str:
    return "".join(
        letter
        if letter.isalnum() or letter in _PLAIN
        else "".join(f"{_ESCAPE}{byte:02X}" for byte in letter.encode())
        for letter in part
    )
