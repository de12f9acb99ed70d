"""format_string: text with places for values."""

from __future__ import annotations

import re

from lakeflow.core.schema import BOOLEAN, DOUBLE, FLOAT, STRING, Decimal
from lakeflow.dialect.casts import cast
from lakeflow.dialect.functions.table import Call, function
from lakeflow.dialect.typed import Problem, Typed, cast_sql, refused, text
from lakeflow.dialect.types import INTEGRAL

_PLACE = re.compile(r"%(?:(%)|([-0]?)(\d+)?(?:\.(\d+))?([a-zA-Z]))")


@function("format_string", "printf", arity=(1, None))
def _format_string(call: Call) -> Typed:
    pattern, parts = call.text(0), []
    position, used = 0, 0
    while position < len(pattern):
        start = pattern.find("%", position)
        if start < 0:
            parts.append(text(pattern[position:]))
            break
        if start > position:
            parts.append(text(pattern[position:start]))
        place = _PLACE.match(pattern, start)
        if place is None:
            raise refused(f"{pattern[start : start + 4]!r} in {call.name}(..)")
        position = place.end()
        if place[1]:
            parts.append("'%'")
            continue
        used += 1
        if used >= len(call):
            raise Problem("INVALID_PARAMETER_VALUE", f"{pattern!r} has more places than values.")
        parts.append(_placed(call, used, place))
    volatile = any(value.volatile for value in call.all)
    return Typed("(" + (" || ".join(parts) or "''") + ")", STRING, volatile=volatile)


def _placed(call: Call, index: int, place: re.Match[str]) -> str:
    _, flag, width, digits, letter = place.groups()
    value = call.raw(index)
    if letter == "s" and digits is None and flag != "0":
        if value.type in (FLOAT, DOUBLE) or not _is_written(value):
            raise refused(f"%s of {value.type} in {call.name}(..)", "Cast it to STRING.")
        written = f"coalesce({cast(value, STRING, call.zone).sql}, 'null')"
    elif letter == "d" and value.type in INTEGRAL and digits is None:
        written = f"coalesce(CAST({value.sql} AS VARCHAR), 'null')"
        if flag == "0":
            return _zeros(value, int(width or 0))
    elif letter == "f" and isinstance(value.type, Decimal) and flag != "0":
        places = int(digits or 6)
        if not 0 < places < 20:
            raise refused(f"{place[0]} in {call.name}(..)")
        rounded = cast_sql(value.sql, Decimal(38, places))
        written = f"coalesce(CAST({rounded} AS VARCHAR), 'null')"
    else:
        raise refused(f"{place[0]} of {value.type} in {call.name}(..)", "Cast it to STRING.")
    if not width:
        return written
    side = "rpad" if flag == "-" else "lpad"
    return f"{side}({written}, CAST(greatest(length({written}), {width}) AS INTEGER), ' ')"


def _is_written(value: Typed) -> bool:
    return value.type in (STRING, BOOLEAN, *INTEGRAL) or isinstance(value.type, Decimal)


def _zeros(value: Typed, width: int) -> str:
    digits = f"CAST(abs(CAST({value.sql} AS HUGEINT)) AS VARCHAR)"
    sign = f"CASE WHEN {value.sql} < 0 THEN '-' ELSE '' END"
    room = f"CAST(greatest(length({digits}), {width} - length({sign})) AS INTEGER)"
    written = f"{sign} || lpad({digits}, {room}, '0')"
    return f"coalesce({written}, lpad('null', {max(width, 4)}, ' '))"
