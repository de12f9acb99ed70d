"""What happens when files have columns that the stored schema does not know."""

from __future__ import annotations

from dataclasses import replace

from lakeflow.core.errors import ConfigurationError, SchemaChanged, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.core.schema import VOID, Array, DataType, Field, Map, Schema, Struct
from lakeflow.engine.files.options import EVOLUTION_MODES
from lakeflow.engine.files.widening import without_void


def evolution_mode(given: str, location: Location | None) -> str:
    """A schemaEvolutionMode as it is spelled, whatever its case was.

    Raises:
        UnsupportedError: The mode is `addNewColumnsWithTypeWidening`.
        ConfigurationError: There is no such mode.
    """
    if given.lower() == "addnewcolumnswithtypewidening":
        raise UnsupportedError(
            f"schemaEvolutionMode {given} is not supported.",
            location=location,
            hint="Use addNewColumns; values that do not fit a column's type are rescued.",
        )
    modes = {known.lower(): known for known in EVOLUTION_MODES}
    if given.lower() not in modes:
        raise ConfigurationError(
            f"There is no schemaEvolutionMode {given!r}.",
            location=location,
            hint=nearest(given, EVOLUTION_MODES) or f"Modes are {', '.join(EVOLUTION_MODES)}.",
        )
    return modes[given.lower()]


def evolve(stored: Schema, seen: Schema, mode: str, *, location: Location | None = None) -> Schema:
    """The schema to go on with after files were seen to have the columns `seen`.

    New columns, and new fields of structs, come last; known ones keep their types, whatever was
    seen. Names that differ from a known one only by case are not new: a table cannot hold both.

    Args:
        stored: The schema so far.
        seen: What the files of a batch hold, as `infer` says it.
        mode: `addNewColumns`, `rescue`, `failOnNewColumns` or `none`.
        location: Where the user wrote the read.

    Returns:
        The stored schema itself where nothing is new or the mode takes nothing up. If it is
        another, it is to be stored, and the flow started again with it.

    Raises:
        SchemaChanged: There are new columns and the mode is `failOnNewColumns`.
    """
    if mode in ("rescue", "none"):
        return stored
    names: list[str] = []
    widened = Schema(new_fields(stored.fields, seen.fields, names))
    if not names:
        return stored
    if mode == "failOnNewColumns":
        raise SchemaChanged(
            f"Files have columns that the schema does not know: {', '.join(names)}.",
            condition="UNKNOWN_FIELD_EXCEPTION.NEW_FIELDS_IN_FILE",
            location=location,
            hint="Add them to the schema, remove the files, or set schemaEvolutionMode.",
        )
    return widened


def new_fields(
    stored: tuple[Field, ...], seen: tuple[Field, ...], names: list[str], prefix: str = ""
) -> tuple[Field, ...]:
    """The fields of both, known ones with their types.

    Args:
        stored: The fields so far.
        seen: Those of files.
        names: Gets the paths of those that are new.
        prefix: Of the paths.
    """
    found = {field.name.lower(): field for field in stored}
    for field in seen:
        known = found.get(field.name.lower())
        if field.type == VOID and known is None:
            # Always NULL so far: there is nothing to hold, and no type to be told.
            continue
        if known is None:
            names.append(prefix + field.name)
            found[field.name.lower()] = replace(field, type=without_void(field.type))
        elif known.name == field.name:
            inner = _inner(known.type, field.type, names, f"{prefix}{field.name}.")
            found[field.name.lower()] = replace(known, type=inner)
    return tuple(found.values())


def _inner(stored: DataType, seen: DataType, names: list[str], prefix: str) -> DataType:
    match stored, seen:
        case Struct(one), Struct(two):
            return Struct(new_fields(one, two, names, prefix))
        case Array(one), Array(two):
            return Array(_inner(one, two, names, f"{prefix}element."))
        case Map(key, one), Map(_, two):
            return Map(key, _inner(one, two, names, f"{prefix}value."))
    return stored
