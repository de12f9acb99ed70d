"""Functions over strings."""

from __future__ import annotations

from lakeflow.core.schema import BIGINT, BINARY, BOOLEAN, INT, STRING, VOID, Array
from lakeflow.dialect.casts import cast
from lakeflow.dialect.functions.table import Call, filled, function, simple
from lakeflow.dialect.typed import Problem, Typed, raising, refused
from lakeflow.dialect.types import common_type, is_numeric

simple("startswith", [STRING, STRING], BOOLEAN, "starts_with({0}, {1})")
simple("endswith", [STRING, STRING], BOOLEAN, "ends_with({0}, {1})")
simple("contains", [STRING, STRING], BOOLEAN, "contains({0}, {1})")
simple("upper ucase", [STRING], STRING, "spark_upper({0})")
simple("lower lcase", [STRING], STRING, "spark_lower({0})")
simple("initcap", [STRING], STRING, "spark_initcap({0})")
simple("replace", [STRING, STRING, STRING], STRING, "replace({0}, {1}, {2})")
simple("translate", [STRING, STRING, STRING], STRING, "translate({0}, {1}, {2})")
simple("repeat", [STRING, INT], STRING, "repeat({0}, spark_positive({1}))")
simple("space", [INT], STRING, "repeat(' ', spark_positive({0}))")
simple("left", [STRING, INT], STRING, "left({0}, spark_positive({1}))")
simple("right", [STRING, INT], STRING, "right({0}, spark_positive({1}))")
simple("chr char", [BIGINT], STRING, "spark_character({0})")
simple("ascii", [STRING], INT, "CASE WHEN {0} = '' THEN 0 ELSE CAST(unicode({0}) AS INTEGER) END")


def _strict(sql: str) -> str:
    """NULL where an argument is NULL, which list functions and CASE forget."""
    return f"CASE WHEN {{0}} IS NOT NULL AND {{1}} IS NOT NULL THEN {sql} END"


simple(
    "find_in_set",
    [STRING, STRING],
    INT,
    _strict(
        "CASE WHEN contains({0}, ',') THEN 0 "
        "ELSE CAST(coalesce(list_position(string_split({1}, ','), {0}), 0) AS INTEGER) END"
    ),
)


@function("length", "len", "char_length", "character_length")
def _length(call: Call) -> Typed:
    if call.raw(0).type == BINARY:
        return filled("CAST(octet_length({0}) AS INTEGER)", INT, call.raw(0))
    return filled("CAST(length({0}) AS INTEGER)", INT, call.take(0, STRING))


@function("octet_length", "bit_length")
def _octets(call: Call) -> Typed:
    value = call.raw(0)
    if value.type != BINARY:
        value = filled("encode({0})", BINARY, call.take(0, STRING))
    factor = " * 8" if call.name == "bit_length" else ""
    return filled(f"CAST(octet_length({{0}}){factor} AS INTEGER)", INT, value)


@function("trim", "ltrim", "rtrim", "btrim", arity=(1, 2))
def _trim(call: Call) -> Typed:
    name = "trim" if call.name == "btrim" else call.name
    if len(call) == 1:
        return filled(f"{name}({{0}}, ' ')", STRING, call.take(0, STRING))
    if call.name == "trim":
        raise refused("trim(..) of two arguments", "Write btrim(text, characters).")
    value, characters = call.take(0, STRING), call.take(1, STRING)
    if call.name != "btrim":
        # The older order of Hive: what to take away stands first.
        value, characters = characters, value
    return filled(f"{name}({{0}}, {{1}})", STRING, value, characters)


@function("concat", arity=(0, None))
def _concat(call: Call) -> Typed:
    if not call.nodes:
        return Typed("''", STRING, "")
    if any(isinstance(value.type, Array) for value in call.all):
        return _concat_arrays(call)
    kinds = {value.type for value in call.all}
    kind = BINARY if kinds == {BINARY} else STRING
    values = [call.take(index, kind) for index in range(len(call))]
    slots = " || ".join("{" + str(n) + "}" for n in range(len(values)))
    return filled(f"({slots})", kind, *values)


def _concat_arrays(call: Call) -> Typed:
    kind = call.raw(0).type
    for value in call.all[1:]:
        found = common_type(kind, value.type)
        if found is None:
            raise Problem(
                "DATATYPE_MISMATCH.DATA_DIFF_TYPES",
                f"concat(..) takes arrays of one type, not {kind} and {value.type}.",
            )
        kind = found
    values = [cast(value, kind, call.zone) for value in call.all]
    sql = values[0].sql
    for value in values[1:]:
        sql = f"list_concat({sql}, {value.sql})"
    missing = " OR ".join(f"{value.sql} IS NULL" for value in values)
    volatile = any(value.volatile for value in values)
    return Typed(f"CASE WHEN {missing} THEN NULL ELSE {sql} END", kind, volatile=volatile)


@function("concat_ws", arity=(1, None))
def _concat_ws(call: Call) -> Typed:
    separator = call.take(0, STRING)
    parts = []
    for index in range(1, len(call)):
        if isinstance(call.raw(index).type, Array):
            inner = call.take(index, Array(STRING))
            # An array that is NULL is skipped; its elements that are NULL are too.
            parts.append(
                filled(
                    "CASE WHEN len(list_filter({0}, lambda e: e IS NOT NULL)) > 0 THEN "
                    "array_to_string(list_filter({0}, lambda e: e IS NOT NULL), {1}) END",
                    STRING,
                    inner,
                    separator,
                )
            )
        else:
            parts.append(call.take(index, STRING))
    if not parts:
        return filled("CASE WHEN {0} IS NOT NULL THEN '' END", STRING, separator)
    slots = ", ".join("{" + str(n) + "}" for n in range(len(parts) + 1))
    return filled(f"concat_ws({slots})", STRING, separator, *parts)


@function("substring", "substr", arity=(2, 3))
def _substring(call: Call) -> Typed:
    if call.raw(0).type == BINARY:
        raise refused(f"{call.name}(..) of BINARY")
    value, start = call.take(0, STRING), call.take(1, INT)
    length = call.take(2, INT) if len(call) > 2 else None
    if isinstance(start.constant, int) and start.constant >= 0:
        first = max(start.constant, 1)
        if length is None:
            return filled(f"substring({{0}}, {first})", STRING, value)
        if isinstance(length.constant, int):
            count = max(length.constant, 0)
            return filled(f"substring({{0}}, {first}, {count})", STRING, value)
    many = Typed("CAST(2147483647 AS INTEGER)", INT) if length is None else length
    return filled("spark_substring({0}, {1}, {2})", STRING, value, start, many)


@function("lpad", "rpad", arity=(2, 3))
def _pad(call: Call) -> Typed:
    if call.raw(0).type == BINARY:
        raise refused(f"{call.name}(..) of BINARY")
    value, length = call.take(0, STRING), call.take(1, INT)
    with_ = call.take(2, STRING) if len(call) > 2 else Typed("' '", STRING, " ")
    sql = f"{call.name}({{0}}, spark_positive({{1}}), {{2}})"
    if with_.constant == "" or not isinstance(with_.constant, str):
        sql = f"CASE WHEN {{2}} = '' THEN left({{0}}, spark_positive({{1}})) ELSE {sql} END"
    return filled(sql, STRING, value, length, with_)


@function("instr", arity=(2, 4))
def _instr(call: Call) -> Typed:
    if len(call) > 2:
        raise refused("instr(..) with a position", "Use locate(part, text, position).")
    return filled(
        "CAST(instr({0}, {1}) AS INTEGER)", INT, call.take(0, STRING), call.take(1, STRING)
    )


@function("locate", "position", arity=(2, 3))
def _locate(call: Call) -> Typed:
    part, value = call.take(0, STRING), call.take(1, STRING)
    if len(call) == 2:
        return filled("CAST(instr({1}, {0}) AS INTEGER)", INT, part, value)
    return filled("spark_locate({0}, {1}, {2})", INT, part, value, call.take(2, INT))


@function("reverse")
def _reverse(call: Call) -> Typed:
    value = call.raw(0)
    if value.type == BINARY:
        raise refused("reverse(..) of BINARY")
    if isinstance(value.type, Array):
        return filled("list_reverse({0})", value.type, value)
    return filled("spark_reverse({0})", STRING, call.take(0, STRING))


@function("substring_index", arity=3)
def _substring_index(call: Call) -> Typed:
    value, count = call.take(0, STRING), call.take(2, INT)
    separator = call.take(1, STRING)
    written = separator.constant
    if not isinstance(written, str) or _overlaps(written):
        raise refused(
            "substring_index(..) by a separator that is not a constant or overlaps itself"
        )
    if written == "":
        return filled(
            "CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN '' END", STRING, value, count
        )
    return filled("spark_substring_index({0}, {1}, {2})", STRING, value, separator, count)


def _overlaps(separator: str) -> bool:
    """Whether its end is its beginning, so that from the right it is found elsewhere."""
    return any(separator.startswith(separator[n:]) for n in range(1, len(separator)))


@function("split_part", arity=3)
def _split_part(call: Call) -> Typed:
    value, separator, number = call.take(0, STRING), call.take(1, STRING), call.take(2, INT)
    failing = raising("INVALID_INDEX_OF_ZERO", "'The index 0 is invalid.'", STRING)
    sql = (
        f"CASE WHEN {{2}} = 0 THEN {failing} WHEN {{1}} = '' THEN "
        "CASE WHEN {2} IN (1, -1) THEN {0} WHEN {0} IS NOT NULL AND {2} IS NOT NULL THEN '' END "
        "ELSE split_part({0}, {1}, {2}) END"
    )
    return filled(sql, STRING, value, separator, number)


@function("elt", arity=(2, None))
def _elt(call: Call) -> Typed:
    number = call.take(0, INT)
    kind = BINARY if {v.type for v in call.all[1:]} == {BINARY} else STRING
    values = [call.take(index, kind) for index in range(1, len(call))]
    message = "'The index ' || CAST({0} AS VARCHAR) || ' is out of bounds.'"
    failing = raising("INVALID_ARRAY_INDEX", message, kind)
    slots = ", ".join("{" + str(n + 1) + "}" for n in range(len(values)))
    sql = f"CASE WHEN {{0}} < 1 OR {{0}} > {len(values)} THEN {failing} ELSE [{slots}][{{0}}] END"
    return filled(sql, kind, number, *values)


@function("overlay", arity=(3, 4))
def _overlay(call: Call) -> Typed:
    if call.raw(0).type == BINARY:
        raise refused("overlay(..) of BINARY")
    value, new, start = call.take(0, STRING), call.take(1, STRING), call.take(2, INT)
    if len(call) > 3:
        count = call.take(3, INT)
        sql = "CASE WHEN {3} >= 0 THEN {3} ELSE length({1}) END"
    else:
        count = Typed("0", INT)
        sql = "length({1})"
    after = f"spark_substring({{0}}, {{2}} + CAST({sql} AS INTEGER), CAST(2147483647 AS INTEGER))"
    before = "spark_substring({0}, 1, {2} - 1)"
    return filled(f"({before} || {{1}} || {after})", STRING, value, new, start, count)


@function("base64")
def _base64(call: Call) -> Typed:
    # A line of 76 characters at most, as MIME has it.
    sql = "spark_base64({0})"
    return filled(sql, STRING, _bytes(call))


@function("encode", "decode", arity=(2, None))
def _coded(call: Call) -> Typed:
    if call.name == "decode" and len(call) > 2:
        from lakeflow.dialect.functions.conditional import decoded

        return decoded(call)
    charset = call.text(1) if call.raw(1).type != VOID else ""
    if charset.lower() not in ("utf-8", "utf8"):
        raise refused(f"{call.name}(..) with the character set {charset!r}", "Use UTF-8.")
    if call.name == "encode":
        value = call.raw(0)
        if value.type == BINARY:
            raise refused("encode(..) of BINARY")
        return filled("encode({0})", BINARY, call.take(0, STRING))
    value = call.raw(0)
    if value.type == STRING:
        value = filled("encode({0})", BINARY, value)
    elif value.type not in (BINARY, VOID):
        raise call.wrong_type(0, "BINARY")
    return filled("decode({0})", STRING, cast(value, BINARY, call.zone))


@function("hex")
def _hex(call: Call) -> Typed:
    value = call.raw(0)
    if value.type == BINARY:
        return filled("hex({0})", STRING, value)
    if is_numeric(value.type):
        return filled("to_hex({0})", STRING, cast(value, BIGINT, call.zone))
    return filled("hex({0})", STRING, filled("encode({0})", BINARY, call.take(0, STRING)))


@function("unhex")
def _unhex(call: Call) -> Typed:
    value = call.take(0, STRING)
    sql = (
        "CASE WHEN regexp_full_match({0}, '[0-9a-fA-F]*') THEN "
        "unhex(CASE WHEN length({0}) % 2 = 1 THEN '0' || {0} ELSE {0} END) END"
    )
    return filled(sql, BINARY, value)


@function("md5", "sha", "sha1")
def _digest(call: Call) -> Typed:
    name = "md5" if call.name == "md5" else "sha1"
    return filled(f"{name}({{0}})", STRING, _bytes(call))


@function("sha2", arity=2)
def _sha2(call: Call) -> Typed:
    value, bits = _bytes(call), call.take(1, INT)
    if bits.constant in (0, 256):
        return filled("sha256({0})", STRING, value)
    raise refused("sha2(..) of another length than 256 bits")


def _bytes(call: Call) -> Typed:
    """The first argument as bytes; only text is taken for them."""
    value = call.raw(0)
    if value.type == BINARY:
        return value
    if value.type not in (STRING, VOID):
        raise call.wrong_type(0, "BINARY")
    return filled("encode({0})", BINARY, call.take(0, STRING))
