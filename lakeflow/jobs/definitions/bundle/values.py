"""Where the variables of a bundle get their values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.jobs.definitions.bundle.target import Target
from lakeflow.jobs.definitions.fit import Unknown
from lakeflow.jobs.definitions.tree import Node, placed
from lakeflow.jobs.definitions.variables import Values, Variables


def collect(
    folder: Path,
    target: Target,
    given: Mapping[str, str],
    environment: Mapping[str, str],
    unknown: Unknown,
) -> Values:
    """The values of a bundle's variables, from the weakest source to the strongest.

    Args:
        folder: The bundle's.
        target: Its chosen target.
        given: Values of the command line.
        environment: Variables of the environment.
        unknown: Told of keys that no declaration has.

    Raises:
        ConfigurationError: A variable has no value, or is not declared.
    """
    declared = target.root.get("variables") or Node({}, target.root.location)
    for node in (declared, target.variables):
        if node.value is not None and not isinstance(node.value, dict):
            raise ConfigurationError(
                "variables is not a mapping of keys to values.", location=node.location
            )
    variables = Variables(declared, unknown)
    variables.target(target.variables)
    variables.file(_overrides(folder / ".databricks/bundle" / target.name))
    variables.environment(environment)
    variables.given(given)
    return variables.values()


def _overrides(folder: Path) -> Node:
    path = folder / "variable-overrides.json"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return Node({}, Location(str(path), 1))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"It cannot be read: {error}.", location=Location(str(path), 1)
        ) from error
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"It is not valid JSON: {error}.",
            location=Location(str(path), getattr(error, "lineno", 1)),
        ) from error
    if not isinstance(value, dict):
        raise ConfigurationError(
            "It is not a mapping of variables to values.", location=Location(str(path), 1)
        )
    return Node(
        {key: placed(each, _key_place(path, text, key)) for key, each in value.items()},
        Location(str(path), 1),
    )


def _key_place(path: Path, text: str, key: str) -> Location:
    return Location(str(path), text.count("\n", 0, max(text.find(json.dumps(key)), 0)) + 1)
