"""How new tables have to be, as a project says it: `silver.orders: 2h`."""

from __future__ import annotations

import re

from lakeflow.core.errors import ConfigurationError, DefinitionError
from lakeflow.core.names import TableName
from lakeflow.jobs.definitions.declared import Resource
from lakeflow.jobs.definitions.tree import Node
from lakeflow.jobs.model import JsonValue

KIND = "freshness"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_WORDS = {"second": "s", "minute": "m", "min": "m", "hour": "h", "day": "d", "week": "w"}


def read_freshness(section: Node) -> dict[str, Resource]:
    """What a project says of its tables, by the complete name of each.

    Raises:
        ConfigurationError: A name is no name of a table, an age is none, or a table stands twice.
    """
    found: dict[str, Resource] = {}
    for name, node in section.mapping.items():
        try:
            settings = freshness(name, node.text or "")
        except ConfigurationError as error:
            error.location = node.location
            raise
        table = settings["table"]
        if table in found:
            raise ConfigurationError(
                f"freshness.{name}: {table} stands there twice.", location=node.location
            )
        found[table] = Resource(KIND, table, settings, {(): node.location})
    return found


def freshness(table: str, age: str) -> dict[str, JsonValue]:
    """What is kept of a table of which something is expected.

    Args:
        table: Its name.
        age: How old it may be.

    Raises:
        ConfigurationError: The one is no name of a table, or the other no age.
    """
    try:
        return {"table": str(TableName.parse(table)), "age": age, "seconds": read_age(age)}
    except (DefinitionError, ValueError) as error:
        raise ConfigurationError(
            f"freshness.{table}: {error}",
            hint="Write the name of a table, and an age such as 30m, 2h or 1 day.",
        ) from error


def read_age(text: str) -> int:
    """Reads an age such as `30m`, `2h` or `1 day` as seconds.

    Raises:
        ValueError: It is none.
    """
    match = re.fullmatch(r"(\d{1,6})\s*([a-z]+?)s?", text.strip().lower())
    unit = match and (_WORDS.get(match[2]) or match[2])
    if match is None or unit not in _UNITS or int(match[1]) == 0:
        raise ValueError(f"{text!r} is no age.")
    return int(match[1]) * _UNITS[unit]
