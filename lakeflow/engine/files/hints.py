"""`schemaHints`: types that the user knows better than inference, also inside nested columns."""

from __future__ import annotations

import re
from dataclasses import replace

from lakeflow.core.errors import DefinitionError
from lakeflow.core.location import Location
from lakeflow.core.names import split_name
from lakeflow.core.schema import VOID, Array, DataType, Field, Map, Schema, Struct, parse_type

_HINT = re.compile(
    r"\s*((?:`(?:[^`]|``)+`|[^`\s.:]+)(?:\.(?:`(?:[^`]|``)+`|[^`\s.:]+))*)[\s:]+(.+)"
)


def apply_hints(schema: Schema, hints: str, location: Location | None) -> Schema:
    """The schema with the types that the hints say; columns it does not know are added.

    Args:
        schema: What was inferred.
        hints: A list such as `id BIGINT, address.zip STRING, tags.element INT`.
        location: Where the user wrote it.

    Raises:
        DefinitionError: The text is no such list, or a path does not lead to a column.
    """
    fields = Struct(schema.fields)
    for hint in _split(hints):
        match = _HINT.fullmatch(hint)
        if match is None:
            raise _error(hint, "it is no name with a type", location)
        try:
            path, kind = split_name(match[1]), parse_type(match[2].strip())
        except DefinitionError as error:
            raise _error(hint, error.message, location) from None
        changed = _set(fields, path, kind, hint, location)
        assert isinstance(changed, Struct)
        fields = changed
    return Schema(fields.fields)


def _split(text: str) -> list[str]:
    parts, depth, start, quoted = [], 0, 0, False
    for position, character in enumerate(text):
        quoted ^= character == "`"
        if not quoted:
            depth += (character in "<(") - (character in ">)")
            if character == "," and depth == 0:
                parts.append(text[start:position])
                start = position + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def _set(
    into: DataType, path: list[str], kind: DataType, hint: str, location: Location | None
) -> DataType:
    if not path:
        return kind
    step, rest = path[0], path[1:]
    match into:
        case Struct(fields):
            place = next((n for n, f in enumerate(fields) if f.name.lower() == step.lower()), None)
            if place is None:
                # Names inside a column that is not there yet make it a struct.
                inner = _set(Struct(()) if rest else VOID, rest, kind, hint, location)
                return Struct((*fields, Field(step, inner)))
            known = fields[place]
            changed = replace(known, type=_set(known.type, rest, kind, hint, location))
            return Struct((*fields[:place], changed, *fields[place + 1 :]))
        case Array(element) if step.lower() == "element":
            return Array(_set(element, rest, kind, hint, location))
        case Map(key, value) if step.lower() == "value":
            return Map(key, _set(value, rest, kind, hint, location))
        case Map(key, value) if step.lower() == "key":
            return Map(_set(key, rest, kind, hint, location), value)
    raise _error(hint, f"there is no {step!r} in {into}", location)


def _error(hint: str, why: str, location: Location | None) -> DefinitionError:
    return DefinitionError(
        f"The schema hint {hint!r} is not valid: {why}.",
        location=location,
        hint="Hints are like: id BIGINT, address.zip STRING, tags.element INT.",
    )
