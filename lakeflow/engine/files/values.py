"""From text to a value, without ever changing it: SQL that is NULL where a text does not fit.

DuckDB's own casts take more texts than Spark's readers and round (`'1.5'` becomes BIGINT 2). So
each conversion is a cast, which is cheap, and a proof that the text says exactly that value. The
usual proof is that the value, printed, is the text again; texts that fail it are looked at with a
regular expression. CASE evaluates the second only for the rows that need it.
"""

from __future__ import annotations

from dataclasses import dataclass

from lakeflow.core.errors import UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.schema import DataType, Decimal, Field, Primitive
from lakeflow.engine.files import sql
from lakeflow.engine.files.options import ReadOptions
from lakeflow.engine.files.patterns import Pattern, read_pattern

INTEGERS = ("tinyint", "smallint", "int", "bigint")

_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_LOCAL = rf"{_DAY}([T ]{_TIME})?"
_ZONED = rf"{_DAY}[T ]{_TIME} ?(Z|UTC|[+-][0-9]{{2}}(:[0-9]{{2}})?)"
_FLOATING = r"[+-]?([0-9]{1,15}\.?|[0-9]*\.[0-9]+|[0-9]+\.[0-9]*)([eE][+-]?[0-9]+)?"
_LONG_INTEGER = r"[+-]?[0-9]{16,38}"


@dataclass(frozen=True, slots=True)
class Conversion:
    """How the texts of one column become values.

    Args:
        cast: SQL of the value, right only where `value` says so; of a text `{x}`.
        value: SQL of the value or NULL, of a text `{x}` and its cast `{t}`.
        usual: SQL of a condition of both under which the cast is the value, and not NULL.
    """

    cast: str
    value: str
    usual: str = ""

    def of(self, text: str) -> str:
        """The whole conversion of one text as a single expression."""
        return self.value.format(x=text, t=self.cast.format(x=text))


def conversion(
    kind: DataType, options: ReadOptions, time_zone: str, field: Field, location: Location | None
) -> Conversion | None:
    """How text becomes `kind`; None for STRING, which is the text.

    Raises:
        UnsupportedError: No text is read as this type.
    """
    match kind:
        case Primitive("string" | "void"):
            return None
        case Primitive(name) if name in INTEGERS:
            return _checked(kind, "{t}::VARCHAR = {x}", _matches("[+-]?[0-9]+"))
        case Primitive("boolean"):
            return Conversion(
                "lower({x})", "CASE {t} WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END"
            )
        case Primitive("float" | "double"):
            return _floating(kind, options)
        case Decimal(_, scale):
            # A printed decimal has all its fractional digits, so the text `17` is its beginning.
            return _checked(kind, "prefix({t}::VARCHAR, {x})", _matches(_decimal(scale)))
        case Primitive("date"):
            if options.date_format:
                pattern = read_pattern(options.date_format, "dateFormat", location)
                return _by_pattern(pattern, "CAST({t} AS DATE)")
            # Keeps out signs, years beyond 9999 and other separators; the cast does the rest, for
            # less than printing the date takes.
            shape = "{x} LIKE '____-__-__' AND {x} >= '0'"
            return _checked(kind, f"{shape} AND {{t}} IS NOT NULL")
        case Primitive("timestamp"):
            zone = options.time_zone or time_zone
            if options.timestamp_format:
                pattern = read_pattern(options.timestamp_format, "timestampFormat", location)
                return _by_pattern(pattern, _instant(zone))
            return _timestamp(zone)
        case Primitive("timestamp_ntz"):
            if options.timestamp_ntz_format:
                pattern = read_pattern(options.timestamp_ntz_format, "timestampNTZFormat", location)
                return _by_pattern(pattern, "{t}")
            return _checked(
                kind, "strlen({x}) = 19 AND {t}::VARCHAR = {x}", _matches(_LOCAL), "{t}"
            )
        case Primitive("binary"):
            return Conversion("{x}", "encode({t})")
    raise UnsupportedError(
        f"The column {field.name} of type {kind} cannot be read from text.",
        condition="UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE",
        location=location,
    )


def _literal(text: str) -> str:
    return sql.text(text).replace("{", "{{").replace("}", "}}")


def _matches(regex: str) -> str:
    return f"regexp_full_match({{x}}, {_literal(regex)})"


def _checked(kind: DataType, proof: str, second: str = "", value: str = "{t}") -> Conversion:
    also = f" WHEN {second} THEN {value}" if second else ""
    return Conversion(
        f"TRY_CAST({{x}} AS {sql.type_name(kind)})",
        f"CASE WHEN {proof} THEN {value}{also} END",
        proof if value == "{t}" else "",
    )


def _decimal(scale: int) -> str:
    fraction = rf"[0-9]{{0,{scale}}}0*" if scale else "0*"
    bare = rf"|\.[0-9]{{1,{scale}}}0*" if scale else ""
    return rf"[+-]?([0-9]+(\.{fraction})?{bare})"


def _floating(kind: DataType, options: ReadOptions) -> Conversion:
    name = sql.type_name(kind)
    special = {
        "nan": ("NaN", options.nan_value),
        "inf": ("Infinity", "+Infinity", "Inf", "+Inf", "INF", "+INF", options.positive_inf),
        "-inf": ("-Infinity", "-Inf", "-INF", options.negative_inf),
    }
    words = " ".join(
        f"WHEN {{x}} IN ({', '.join(_literal(s) for s in dict.fromkeys(spellings))})"
        f" THEN '{word}'::{name}"
        for word, spellings in special.items()
    )
    same = "TRY_CAST({t} AS DECIMAL(38,0)) = TRY_CAST({x} AS DECIMAL(38,0))"
    exact = f"{_matches(_LONG_INTEGER)} AND isfinite({{t}}) AND {same}"
    return Conversion(
        f"TRY_CAST({{x}} AS {name})",
        f"CASE WHEN {_matches(_FLOATING)} AND isfinite({{t}}) THEN {{t}}"
        f" WHEN {exact} THEN {{t}} {words} END",
    )


def _instant(zone: str) -> str:
    if zone.upper() in ("UTC", "ETC/UTC", "GMT", "Z"):
        # Without the calendar of the ICU library, which costs more than the parsing.
        return "make_timestamptz(epoch_us({t}))"
    return f"({{t}} AT TIME ZONE {_literal(zone)})"


def _timestamp(zone: str) -> Conversion:
    instant = _instant(zone)
    return Conversion(
        "TRY_CAST({x} AS TIMESTAMP)",
        f"CASE WHEN strlen({{x}}) = 19 AND {{t}}::VARCHAR = {{x}} THEN {instant}"
        f" WHEN {_matches(_LOCAL)} THEN {instant}"
        f" WHEN {_matches(_ZONED)} THEN TRY_CAST({{x}} AS TIMESTAMPTZ) END",
    )


def _by_pattern(pattern: Pattern, value: str) -> Conversion:
    format_ = _literal(pattern.strptime)
    if not pattern.zone:
        return Conversion(
            f"try_strptime({{x}}, {format_})",
            f"CASE WHEN strftime({{t}}, {format_}) = {{x}} THEN {value} END",
        )
    zone = _literal(pattern.zone)
    local = f"regexp_replace({{x}}, {zone}, '')"
    return Conversion(
        f"try_strptime({local}, {format_})",
        f"CASE WHEN strftime({{t}}, {format_}) = {local} AND regexp_matches({{x}}, {zone})"
        f" THEN TRY_CAST({{t}}::VARCHAR || regexp_extract({{x}}, {zone}) AS TIMESTAMPTZ) END",
    )
