"""Functions over JSON text."""

from __future__ import annotations

import re

from sqlglot import exp

from lakeflow.core.errors import DefinitionError
from lakeflow.core.schema import (
    BINARY,
    BOOLEAN,
    DATE,
    INT,
    NTZ,
    STRING,
    TIMESTAMP,
    VOID,
    Array,
    DataType,
    Decimal,
    Field,
    Map,
    Schema,
    Struct,
    parse_type,
)
from lakeflow.dialect.casts import cast, local
from lakeflow.dialect.expressions import Expressions, handler
from lakeflow.dialect.functions.table import Call, filled, function
from lakeflow.dialect.typed import Problem, Typed, cast_sql, refused, text
from lakeflow.dialect.types import FRACTIONAL, INTEGRAL, INTERVALS, duckdb_type, identifier

_STEP = re.compile(r"\.([^.\[\]'\"*]+)|\[(\d+)\]|\['([^'\"*]+)'\]")


def _path(written: str) -> str | None:
    """A path in DuckDB's notation; None where it can find nothing."""
    if not written.startswith("$"):
        return None
    steps, position = [], 1
    while position < len(written):
        found = _STEP.match(written, position)
        if found is None:
            raise refused(f"The JSON path {written!r}", "Use $.name, [0] and ['name'].")
        position = found.end()
        name = found[1] or found[3]
        steps.append(f"[{found[2]}]" if name is None else f'."{name}"')
    return "$" + "".join(steps)


def extracted_text(value: Typed, path: str) -> Typed:
    """What a path finds, as text; NULL where the text is no JSON."""
    sql = f"CASE WHEN json_valid({{0}}) THEN json_extract_string({{0}}, {_braced(path)}) END"
    return filled(sql, STRING, value)


def _braced(path: str) -> str:
    return text(path).replace("{", "{{").replace("}", "}}")


@function("get_json_object", arity=2)
def _get_json_object(call: Call) -> Typed:
    value = call.take(0, STRING)
    path = None if call.raw(1).type == VOID else _path(call.text(1))
    if path is None:
        return Typed("CAST(NULL AS VARCHAR)", STRING)
    return extracted_text(value, path)


@handler(exp.JSONExtract)
def _colon(here: Expressions, node: exp.Expr) -> Typed:
    """`text:a.b[0]`, which Databricks has for STRING and Spark for VARIANT alone."""
    here.analysis.only(node, "this", "expression", "variant_extract", "requires_json")
    value = here.lower(node.this)
    if value.type != STRING:
        raise Problem(
            "COLUMN_IS_NOT_VARIANT_TYPE", f"':' looks into JSON text, not into {value.type}."
        )
    path = "$"
    for step in node.expression.expressions:
        match step:
            case exp.JSONPathRoot():
                continue
            case exp.JSONPathKey() if isinstance(step.this, str) and '"' not in step.this:
                path += f'."{step.this}"'
            case exp.JSONPathSubscript() if str(step.this).isdigit():
                path += f"[{step.this}]"
            case _:
                raise refused(f"The JSON path {node.expression.sql(dialect='databricks')}")
    return extracted_text(value, path)


@function("json_array_length")
def _array_length(call: Call) -> Typed:
    sql = (
        "CASE WHEN json_valid({0}) AND json_type({0}) = 'ARRAY' "
        "THEN CAST(json_array_length({0}) AS INTEGER) END"
    )
    return filled(sql, INT, call.take(0, STRING))


@function("json_object_keys")
def _object_keys(call: Call) -> Typed:
    sql = "CASE WHEN json_valid({0}) AND json_type({0}) = 'OBJECT' THEN json_keys({0}) END"
    return filled(sql, Array(STRING), call.take(0, STRING))


@function("to_json", arity=(1, 2))
def _to_json(call: Call) -> Typed:
    if len(call) > 1:
        raise refused("to_json(..) with options")
    value = call.raw(0)
    if value.type == VOID:
        return Typed("CAST(NULL AS VARCHAR)", STRING)
    if not isinstance(value.type, Array | Map | Struct):
        raise call.wrong_type(0, "an ARRAY, MAP or STRUCT")
    return value.with_sql(_Writer(call).written(value.sql, value.type), STRING)


class _Writer:
    """Writes values as JSON."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.zone = call.zone

    def written(self, sql: str, kind: DataType) -> str:
        """A value's JSON text, NULL of NULL."""
        match kind:
            case Struct(fields):
                members = ", ".join(self._member(sql, field) for field in fields)
                inner = f"array_to_string(list_filter([{members}], lambda e: e IS NOT NULL), ',')"
                return f"CASE WHEN {sql} IS NOT NULL THEN '{{' || {inner} || '}}' END"
            case Array(element):
                item = identifier(self.call.here.analysis.alias("item"))
                one = f"coalesce({self.written(item, element)}, 'null')"
                items = f"array_to_string(list_transform({sql}, lambda {item}: {one}), ',')"
                return f"('[' || {items} || ']')"
            case Map(key, inner):
                return self._map(sql, key, inner)
        return self._atom(sql, kind)

    def _member(self, sql: str, field: Field) -> str:
        value = self.written(f"struct_extract({sql}, {text(field.name)})", field.type)
        return f"(CAST(to_json({text(field.name)}) AS VARCHAR) || ':' || {value})"

    def _map(self, sql: str, key: DataType, inner: DataType) -> str:
        entry = identifier(self.call.here.analysis.alias("entry"))
        name = cast(Typed(f"({entry}).key", key), STRING, self.zone).sql
        value = f"coalesce({self.written(f'({entry}).value', inner)}, 'null')"
        one = f"CAST(to_json({name}) AS VARCHAR) || ':' || {value}"
        items = f"list_transform(map_entries({sql}), lambda {entry}: {one})"
        return f"CASE WHEN {sql} IS NOT NULL THEN '{{' || array_to_string({items}, ',') || '}}' END"

    def _atom(self, sql: str, kind: DataType) -> str:
        if kind in INTERVALS:
            raise refused(f"to_json(..) of {kind}")
        if kind == VOID:
            return "CAST(NULL AS VARCHAR)"
        if kind == STRING:
            return f"CAST(to_json({sql}) AS VARCHAR)"
        if kind == BINARY:
            return f"('\"' || to_base64({sql}) || '\"')"
        if kind in (TIMESTAMP, NTZ):
            return self._instant(sql, kind)
        written = cast(Typed(sql, kind), STRING, self.zone).sql
        if kind in FRACTIONAL:
            return f"CASE WHEN isfinite({sql}) THEN {written} ELSE '\"' || {written} || '\"' END"
        return f"('\"' || {written} || '\"')" if kind == DATE else written

    def _instant(self, sql: str, kind: DataType) -> str:
        clock = local(sql, self.zone) if kind == TIMESTAMP else sql
        written = f"spark_strftime({clock}, '\"%Y-%m-%dT%H:%M:%S.%g')"
        if kind == NTZ:
            return f"({written} || '\"')"
        if self.zone != "UTC":
            raise refused("to_json(..) of TIMESTAMP in another time zone than UTC")
        return f"({written} || 'Z\"')"


@function("from_json", arity=(2, 3))
def _from_json(call: Call) -> Typed:
    if len(call) > 2:
        raise refused("from_json(..) with options")
    value = call.take(0, STRING)
    kind = _schema(call)
    reader = _Reader(call)
    valid = f"CASE WHEN json_valid({value.sql}) THEN CAST({value.sql} AS JSON) END"
    document = identifier(call.here.analysis.alias("document"))
    parsed = f"list_transform([{valid}], lambda {document}: {reader.read(document, kind)})[1]"
    if isinstance(kind, Struct):
        nothing = ", ".join(
            f"{identifier(f.name)} := CAST(NULL AS {duckdb_type(f.type)})" for f in kind.fields
        )
        sql = (
            f"CASE WHEN {value.sql} IS NOT NULL THEN coalesce({parsed}, struct_pack({nothing})) END"
        )
        return value.with_sql(sql, kind)
    return value.with_sql(parsed, kind)


def _schema(call: Call) -> DataType:
    written = call.raw(1).constant
    if not isinstance(written, str):
        raise refused("from_json(..) with a schema that is not a constant")
    try:
        kind = parse_type(written)
    except DefinitionError:
        try:
            return Struct(Schema.from_ddl(written).fields)
        except DefinitionError as problem:
            raise Problem("PARSE_SYNTAX_ERROR", problem.message) from None
    if not isinstance(kind, Array | Map | Struct):
        raise Problem(
            "DATATYPE_MISMATCH.INVALID_JSON_SCHEMA",
            f"from_json(..) gives a STRUCT, ARRAY or MAP, not {kind}.",
        )
    return kind


class _Reader:
    """Reads values from JSON; what does not fit its type is NULL."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.zone = call.zone

    def read(self, sql: str, kind: DataType) -> str:
        """A value of a type from a JSON value."""
        match kind:
            case Struct(fields):
                members = ", ".join(
                    f"{identifier(field.name)} := {self._member(sql, field)}" for field in fields
                )
                return f"CASE WHEN json_type({sql}) = 'OBJECT' THEN struct_pack({members}) END"
            case Array(element):
                return self._array(sql, element)
            case Map():
                raise refused("from_json(..) into a MAP", "Name the fields of a STRUCT.")
        return self._atom(sql, kind)

    def _member(self, sql: str, field: Field) -> str:
        if '"' in field.name:
            raise refused(f"from_json(..) of a field named {field.name}")
        found = f"json_extract({sql}, {text(f'$.{chr(34)}{field.name}{chr(34)}')})"
        inner = identifier(self.call.here.analysis.alias("member"))
        read = self.read(inner, field.type)
        return f"list_transform([{found}], lambda {inner}: {read})[1]"

    def _array(self, sql: str, element: DataType) -> str:
        """An array in which one element does not fit is NULL as a whole."""
        items = identifier(self.call.here.analysis.alias("items"))
        item = identifier(self.call.here.analysis.alias("item"))
        read = self.read(item, element)
        wrong = (
            f"list_filter({items}, lambda {item}: json_type({item}) <> 'NULL' AND ({read}) IS NULL)"
        )
        return (
            f"CASE WHEN json_type({sql}) = 'ARRAY' THEN list_transform("
            f"[json_extract({sql}, '$[*]')], lambda {items}: CASE WHEN len({wrong}) = 0 "
            f"THEN {cast_sql(f'list_transform({items}, lambda {item}: {read})', Array(element))} "
            "END)[1] END"
        )

    def _atom(self, sql: str, kind: DataType) -> str:
        written = f"json_extract_string({sql}, '$')"
        whole = f"json_type({sql}) IN ('BIGINT', 'UBIGINT')"
        number = f"json_type({sql}) IN ('BIGINT', 'UBIGINT', 'DOUBLE')"
        string = f"json_type({sql}) = 'VARCHAR'"
        if kind == STRING:
            return written
        if kind == BOOLEAN:
            return f"CASE WHEN json_type({sql}) = 'BOOLEAN' THEN {written} = 'true' END"
        if kind in INTEGRAL:
            return f"CASE WHEN {whole} THEN TRY_CAST({written} AS {duckdb_type(kind)}) END"
        if kind in FRACTIONAL:
            name = duckdb_type(kind)
            special = f"{string} AND {written} IN ('NaN', 'Infinity', '-Infinity')"
            return f"CASE WHEN {number} OR ({special}) THEN TRY_CAST({written} AS {name}) END"
        if isinstance(kind, Decimal) and kind.precision <= 15:
            return f"CASE WHEN {number} THEN TRY_CAST({written} AS {duckdb_type(kind)}) END"
        if kind in (DATE, TIMESTAMP, NTZ):
            parsed = cast(Typed(written, STRING), kind, self.zone, attempt=True).sql
            return f"CASE WHEN {string} THEN {parsed} END"
        raise refused(f"from_json(..) of a field of {kind}", "Read it as STRING and cast it.")
