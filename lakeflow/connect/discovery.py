"""Connectors are found by their entry points, built-in ones exactly as a stranger's."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from lakeflow.connect.source import Connector
from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest

GROUP = "lakeflow.connectors"


def find_connector(name: str, location: Location | None = None) -> Connector:
    """The connector of a name, loaded.

    Args:
        name: As its entry point says it, and as in `read_<name>(...)`.
        location: Where the user wrote it.

    Raises:
        ConfigurationError: No installed distribution has it, or two have.
    """
    found = _installed()
    matching = found.get(name, ())
    if not matching:
        raise ConfigurationError(
            f"There is no connector named {name}.",
            location=location,
            hint=nearest(name, found)
            or f"Installed are {', '.join(sorted(found))}; others come with their distributions.",
        )
    if len({entry.value for entry in matching}) > 1:
        owners = ", ".join(
            sorted(entry.dist.name if entry.dist else entry.value for entry in matching)
        )
        raise ConfigurationError(
            f"Several distributions have a connector named {name}: {owners}.",
            location=location,
            hint="Remove all but one of them.",
        )
    connector: Connector = matching[0].load()()
    return connector


@cache
def _installed() -> dict[str, tuple[EntryPoint, ...]]:
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=GROUP):
        found[entry.name] = (*found.get(entry.name, ()), entry)
    return found
