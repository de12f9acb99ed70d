"""What happens when files have columns that the stored schema does not know."""

from __future__ import annotations

from dataclasses import replace

from lakeflow.core.errors import ConfigurationError, SchemaChanged, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.core.schema import Array, DataType, Field, Map, Schema, Struct
from lakeflow.engine.files.options import EVOLUTION_MODES


def evolve(
    stored: Schema, seen: Schema, mode: str = "addNewColumns", *, location: Location | None = None
) -> Schema:
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
        UnsupportedError: The mode is `addNewColumnsWithTypeWidening`.
        ConfigurationError: There is no such mode.
    """
    modes = {known.lower(): known for known in EVOLUTION_MODES}
    if mode.lower() == "addnewcolumnswithtypewidening":
        raise UnsupportedError(
            f"schemaEvolutionMode {mode} is not supported.",
            location=location,
            hint="Use addNewColumns; values that do not fit a column's type are rescued.",
        )
    if mode.lower() not in modes:
        raise ConfigurationError(
            f"There is no schemaEvolutionMode {mode!r}.",
            location=location,
            hint=nearest(mode, EVOLUTION_MODES) or f"Modes are {', '.join(EVOLUTION_MODES)}.",
        )
    known = modes[mode.lower()]
    if known in ("rescue", "none"):
        return stored
    names: list[str] = []
    widened = Schema(_fields(stored.fields, seen.fields, "", names))
    if not names:
        return stored
    if known == "failOnNewColumns":
        listed = ", ".join(names)
        raise SchemaChanged(
            f"Files have columns that the schema does not know: {listed}.",
            condition="UNKNOWN_FIELD_EXCEPTION.NEW_FIELDS_IN_FILE",
            location=location,
            hint="Add them to the schema, remove the files, or set schemaEvolutionMode.",
        )
    return widened


def _fields(
    stored: tuple[Field, ...], seen: tuple[Field, ...], prefix: str, names: list[str]
) -> tuple[Field, ...]:
    found = {field.name.lower(): field for field in stored}
    for field in seen:
        known = found.get(field.name.lower())
        if known is None:
            names.append(prefix + field.name)
            found[field.name.lower()] = field
        elif known.name == field.name:
            inner = _inner(known.type, field.type, f"{prefix}{field.name}.", names)
            found[field.name.lower()] = replace(known, type=inner)
    return tuple(found.values())


def _inner(stored: DataType, seen: DataType, prefix: str, names: list[str]) -> DataType:
    match stored, seen:
        case Struct(one), Struct(two):
            return Struct(_fields(one, two, prefix, names))
        case Array(one), Array(two):
            return Array(_inner(one, two, f"{prefix}element.", names))
        case Map(key, one), Map(_, two):
            return Map(key, _inner(one, two, f"{prefix}value.", names))
    return stored
