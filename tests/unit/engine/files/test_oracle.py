"""Random files through whole updates, judged by plain Python.

A value either becomes exactly what its text says, or it is lost to its column and must then be
found in the rescued column, untouched. No row is lost, and none is doubled.
"""

from __future__ import annotations

import gzip
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st


class Number(NamedTuple):
    """A number, or NaN and its like, by its own digits."""

    digits: str


class Twice(NamedTuple):
    """An object that has a key twice."""

    pairs: tuple[tuple[str, Any], ...]


def _object(pairs):
    return dict(pairs) if len(dict(pairs)) == len(pairs) else Twice(tuple(pairs))


def read_json(text: str) -> Any:
    return json.loads(
        text,
        parse_int=Number,
        parse_float=Number,
        parse_constant=Number,
        object_pairs_hook=_object,
    )


LOST = object()


def integer(text: str):
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        return LOST
    return int(text) if -(2**63) <= int(text) < 2**63 else LOST


WORDS = {
    "NaN": math.nan,
    **dict.fromkeys(["Inf", "INF", "Infinity", "+Inf", "+INF", "+Infinity"], math.inf),
    **dict.fromkeys(["-Inf", "-INF", "-Infinity"], -math.inf),
}


def double(text: str):
    if text in WORDS:
        return WORDS[text]
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return LOST
    value = float(text)
    if not math.isfinite(value):
        return LOST
    if re.fullmatch(r"[+-]?[0-9]{16,}", text):
        return value if int(text) == value and len(text.lstrip("+-")) <= 38 else LOST
    return LOST if re.match(r"[+-]?[0-9]{16,}[eE]", text) else value


def decimal(text: str):
    """DECIMAL(20,4)."""
    if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]{0,4}0*)?|\.[0-9]{1,4}0*)", text):
        return LOST
    value = Decimal(text)
    # A DECIMAL has one zero.
    return value.quantize(Decimal("0.0001")) + 0 if abs(value) < 10**16 else LOST


def boolean(text: str):
    return {"true": True, "false": False}.get(text.lower(), LOST)


def day(text: str):
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else LOST
    except ValueError:
        return LOST


def instant(text: str):
    form = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?"
    if not re.fullmatch(form, text):
        return LOST
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return LOST
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


TEXTS = {
    "BIGINT": integer,
    "DOUBLE": double,
    "DECIMAL(20,4)": decimal,
    "BOOLEAN": boolean,
    "DATE": day,
    "TIMESTAMP": instant,
    "STRING": lambda text: text,
}


def from_text(kind: str, text: str | None):
    """The value of a text in a column, or LOST."""
    return None if text is None else TEXTS[kind](text)


def from_json(kind: Any, value: Any) -> tuple[Any, bool]:
    """The value of JSON in a column, and whether anything of it is lost.

    `kind` is a type's name, a dict of fields, a list of one element type, or ("map", type).
    """
    if value is None:
        return None, False
    match kind:
        case "STRING":
            return _string(value), False
        case "BOOLEAN":
            return (value, False) if isinstance(value, bool) else (None, True)
        case "TIMESTAMP" | "DATE":
            found = TEXTS[kind](value) if isinstance(value, str) else LOST
        case str():
            found = LOST
            if isinstance(value, Number):
                found = TEXTS[kind](value.digits)
            elif kind == "DOUBLE" and isinstance(value, str) and value in WORDS:
                found = LOST if value in ("Inf", "+Inf", "-Inf") else WORDS[value]
        case dict():
            return _struct(kind, value)
        case [element]:
            if not isinstance(value, list):
                return None, True
            parts = [from_json(element, inner) for inner in value]
            return [part[0] for part in parts], any(part[1] for part in parts)
        case ("map", inner):
            if not isinstance(value, dict):
                return None, True
            found = {key: from_json(inner, one) for key, one in value.items()}
            lost = any(part[1] for part in found.values())
            return {key: part[0] for key, part in found.items()}, lost
    return (None, True) if found is LOST else (found, False)


def _struct(fields, value):
    pairs = value.pairs if isinstance(value, Twice) else None
    if pairs is not None:
        value = dict(reversed(pairs))
    if not isinstance(value, dict):
        return None, True
    parts = {name: from_json(kind, value.get(name)) for name, kind in fields.items()}
    lost = any(part[1] for part in parts.values()) or not set(value) <= set(fields)
    return {name: part[0] for name, part in parts.items()}, lost or pairs is not None


def _string(value):
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case Number(digits):
            return digits
    return ("json", value)


def comparable(value: Any) -> Any:
    """A value as something that can be counted; NaN equals NaN, 1 is not 1.0."""
    match value:
        case dict():
            return ("struct", tuple(sorted((k, comparable(v)) for k, v in value.items())))
        case list():
            return [comparable(v) for v in value].__repr__()
        case float():
            return ("float", "nan" if math.isnan(value) else value.hex())
        case datetime():
            return ("instant", value.astimezone(UTC).isoformat())
    return (type(value).__name__, repr(value))


def equal(found: Iterable[str], wanted: Iterable[str]) -> None:
    """The same rows as often, whatever their order."""
    there, due = Counter(found), Counter(wanted)
    assert sorted((there - due).elements()) == sorted((due - there).elements())


RESCUED = "_rescued_data"
SETTINGS = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
numbers = itertools.count()

# ---------------------------------------------------------------------------------------- JSON

COLUMNS: dict[str, Any] = {
    "i": "BIGINT",
    "d": "DOUBLE",
    "s": "STRING",
    "b": "BOOLEAN",
    "m": "DECIMAL(20,4)",
    "t": "TIMESTAMP",
    "x": {"k": "BIGINT", "q r": "STRING", "deep": {"l": ["DOUBLE"]}},
    "l": ["BIGINT"],
    "p": ("map", "DOUBLE"),
}
DDL = (
    "i BIGINT, d DOUBLE, s STRING, b BOOLEAN, m DECIMAL(20,4), t TIMESTAMP,"
    " x STRUCT<k: BIGINT, `q r`: STRING, deep: STRUCT<l: ARRAY<DOUBLE>>>,"
    " l ARRAY<BIGINT>, p MAP<STRING, DOUBLE>"
)
TOKENS = (
    "0 -0 1 -1 17 1.0 1.10 0.1 -0.0 1e2 1E400 1e-7 5e-324 9007199254740993 9223372036854775807"
    " 9223372036854775808 -9223372036854775808 18446744073709551616 123456789012345678901234567890"
    " 0.1000000000000000055511151231257827 1234567890123456.7890 0.00001 100000.50"
    " 1.7976931348623157e308 true false null NaN Infinity -Infinity"
).split()
WORDS_SEEN = (
    "", "x", "1", "1.0", "true", "null", "NaN", "-Infinity", "2024-02-29 23:59:59", "2024-02-30",
    "2024-01-02T03:04:05.123456+02:00", "1999-12-31", "a\"b", "\\", "\n\r\t", "{}", "[1]",
    "\u00e9\U0001f600", "\x7f", "%_'", "\u2028",
)  # fmt: skip
texts = st.one_of(st.sampled_from(WORDS_SEEN), st.text(st.characters(codec="utf-8"), max_size=6))
keys = st.sampled_from(
    [*COLUMNS, "k", "q r", "deep", "I", "X", "new", "a.b", 'quo"te', "", "$", "\u00fc"]
)


def spelled(value: str) -> st.SearchStrategy[str]:
    """The ways to write a string in JSON."""
    return st.booleans().map(lambda ascii_only: json.dumps(value, ensure_ascii=ascii_only))


strings = texts.flatmap(spelled)
spaces = st.sampled_from(["", "", " ", "  "])


def objects(values):
    pairs = st.tuples(keys.flatmap(spelled), spaces, values, spaces)
    written = st.lists(pairs, max_size=5)
    return written.map(lambda ps: "{" + ",".join(f"{a}:{b}{c}{d}" for a, b, c, d in ps) + "}")


values = st.recursive(
    st.one_of(st.sampled_from(TOKENS), strings),
    lambda inner: st.one_of(
        objects(inner), st.lists(inner, max_size=3).map(lambda vs: "[" + ", ".join(vs) + "]")
    ),
    max_leaves=6,
)
whole = st.integers(-(2**70), 2**70).map(str)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=5).map(lambda d: f"{d:f}")
floats = st.floats(allow_nan=False, allow_infinity=False).map(repr)
sensible = st.fixed_dictionaries(
    {},
    optional={
        "i": whole,
        "d": st.one_of(floats, decimals, whole),
        "s": st.one_of(strings, floats, whole, values),
        "b": st.sampled_from(["true", "false", '"true"', "0"]),
        "m": st.one_of(decimals, whole, floats),
        "t": strings,
        "x": st.one_of(objects(values), st.just('{"k":1,"q r":1.50,"deep":{"l":[1.0,null]}}')),
        "l": st.lists(st.one_of(whole, values), max_size=3).map(lambda v: "[" + ",".join(v) + "]"),
        "p": objects(st.one_of(floats, values)),
    },
).map(lambda d: "{" + ",".join(f'"{k}":{v}' for k, v in d.items()) + "}")
BROKEN = (
    "nope", "{", '{"i":1', '{"i":01}', "[]", "17", "null", '"x"', '{"i":1}{"i":2}', '{"i":1,"i":2}',
    '{"s":"\\ud800"}', "{'i':1}", '{"s":"\\x"}', '{"s":"\ufdd0", "m": 1.10}', '{"":1}', "{}",
    '{"s":"\\ufdd0", "d": 1e2}',
)  # fmt: skip
lines = st.one_of(sensible, objects(values), st.sampled_from(BROKEN))


def is_record(line: str) -> bool:
    try:
        record = read_json(line)
        json.dumps(record, ensure_ascii=False).encode()
    except ValueError:
        return False
    marked = "\ufdd0" in line or "\\ufdd0" in line.lower()
    # A character that no text has marks numbers in the engine; with it, a line is kept whole.
    return isinstance(record, dict) and not marked


def json_row(line: str, path: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    if not is_record(line):
        return row | {RESCUED: {"_corrupt_record": line.strip(" \t\r"), "_file_path": path}}
    record = read_json(line)
    rescued: dict[str, Any] = {}
    for name, value in record.items():
        if name in COLUMNS:
            row[name], lost = from_json(COLUMNS[name], value)
        else:
            lost = value is not None
        if lost:
            rescued[name] = value
    return row | {RESCUED: {**rescued, "_file_path": path} if rescued else None}


def with_rescued(found: dict[str, Any]) -> dict[str, Any]:
    """The row that was found, its rescued data read."""
    rescued = found[RESCUED]
    return found | {RESCUED: None if rescued is None else read_json(rescued)}


def canonical(row: dict[str, Any]) -> str:
    """A row as text; JSON in a STRING column, which may be spaced otherwise, without its spaces."""
    found = {name: _canonical(value, COLUMNS.get(name)) for name, value in row.items()}
    return repr(sorted(found.items()))


def _canonical(value, kind):
    match kind, value:
        case _, None:
            return None
        case "STRING", ("json", inner):
            return ("json", repr(inner))
        case "STRING", str() if value[:1] in ("{", "["):
            try:
                return ("json", repr(read_json(value)))
            except ValueError:
                return value
        case dict(), dict():
            return {k: _canonical(v, kind[k]) for k, v in sorted(value.items())}
        case [inner], list():
            return [_canonical(v, inner) for v in value]
        case ("map", inner), _:
            pairs = value.items() if isinstance(value, dict) else value
            return sorted((k, _canonical(v, inner)) for k, v in pairs)
    return comparable(value)


def written_lines(texts_of_lines: list[str], form: str) -> bytes:
    end = "\r\n" if form == "crlf" else "\n"
    data = "".join(line + end for line in texts_of_lines).encode()
    if form == "bom":
        return b"\xef\xbb\xbf" + data
    if form == "open":
        return data.removesuffix(b"\n")
    return gzip.compress(data) if form == "gz" else data


@settings(max_examples=15, **SETTINGS)
@given(st.lists(st.lists(lines, max_size=25), min_size=4, max_size=4), st.booleans())
@example([list(BROKEN), [*BROKEN, ""], [f'{{"s":{t},"d":{t},"m":{t}}}' for t in TOKENS], []], False)
@example([[f'{{"s":{t},"x":{{"k":{t},"q r":{t}}},"l":[{t}]}}' for t in TOKENS]] * 4, True)
def test_json(drop, files, damaged):
    folder = drop(f"json{next(numbers)}", format="json", schema=DDL, rescuedDataColumn=RESCUED)
    wanted = []
    for form, content in zip(("crlf", "bom", "open", "gz"), files, strict=True):
        # Without damage DuckDB reads the file; with it, it is read line by line.
        kept = [line for line in content if damaged or is_record(line)]
        name = f"{form} %41.json" + (".gz" if form == "gz" else "")
        path = folder.put(name, written_lines(kept, form))
        wanted += [json_row(line, str(path)) for line in kept if line.strip()]
    found = [with_rescued(row) for row in folder.taken()]
    equal(map(canonical, found), map(canonical, wanted))


# ----------------------------------------------------------------------------------------- CSV

CSV_COLUMNS = {
    "i": "BIGINT",
    "d": "DOUBLE",
    "s": "STRING",
    "b": "BOOLEAN",
    "m": "DECIMAL(20,4)",
    "day": "DATE",
    "t": "TIMESTAMP",
}
HEADER = ["d", "i", "extra column", "s", "t", "m", "day", "b"]
CSV_WORDS = (
    *TOKENS, *WORDS_SEEN, " 5", "5 ", "1,5", "TRUE", "t", "+7", "007", "1_0", "1.5e3", "0x10",
    "inf", "2024-1-2", "2024/01/02", "2024-13-01", "2024-+1-02", "12024-01-2", "infinity",
    "1_0.00", "-999-01-01", " 999-01-01", "x024-01-02", "2024-01-02 03:04", "12:00", ".5", "5.",
    "1e5", "\u0661",
)  # fmt: skip


class Cell(NamedTuple):
    text: str
    quoted: bool
    escape: str

    def written(self) -> str:
        if not self.quoted:
            return self.text
        escaped = self.text
        if self.escape == "\\":
            escaped = escaped.replace("\\", "\\\\").replace('"', '\\"')
        else:
            escaped = escaped.replace('"', '""')
        return f'"{escaped}"'

    @property
    def value(self) -> str | None:
        # As in Spark, an empty text is NULL, quoted or not, as long as nullValue is empty.
        return self.text or None


def plain(text: str) -> bool:
    return not re.search(r'[,"\\\r\n]', text)


cells = st.builds(
    lambda text, quoted, escape: Cell(
        # Between quotes, a backslash of its own is for the hand-written tests.
        text if quoted and (escape == "\\" or "\\" not in text) else "".join(filter(plain, text)),
        quoted,
        escape,
    ),
    st.one_of(
        st.sampled_from(CSV_WORDS),
        whole,
        decimals,
        floats,
        st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6),
    ),
    st.booleans(),
    st.sampled_from(['"', "\\"]),
)
csv_rows = st.lists(cells, min_size=len(HEADER), max_size=len(HEADER))
ragged_rows = st.one_of(csv_rows, st.lists(cells, min_size=2, max_size=len(HEADER) + 2))


def csv_row(row: list[Cell], path: str) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(CSV_COLUMNS)
    rescued: dict[str, str] = {}
    for n, cell in enumerate(row):
        name = HEADER[n] if n < len(HEADER) else f"_c{n}"
        if name not in CSV_COLUMNS:
            if cell.value is not None:
                rescued[name] = cell.value
            continue
        value = from_text(CSV_COLUMNS[name], cell.value)
        if value is LOST:
            rescued[name] = cell.value or ""
        else:
            found[name] = value
    return found | {RESCUED: {**rescued, "_file_path": path} if rescued else None}


def csv_text(rows: list[list[Cell]], form: str) -> bytes:
    end = "\r\n" if form == "crlf" else "\n"
    written = [",".join(HEADER), *(",".join(cell.written() for cell in row) for row in rows)]
    text = end.join(written) + ("" if form == "open" else end)
    data = text.encode()
    if form == "bom":
        return b"\xef\xbb\xbf" + data
    return gzip.compress(data) if form == "gz" else data


@settings(max_examples=15, **SETTINGS)
@given(
    st.lists(st.lists(csv_rows, max_size=20), min_size=4, max_size=4),
    st.lists(ragged_rows, max_size=20),
)
@example([[[Cell(word, True, '"')] * 8 for word in CSV_WORDS if "\\" not in word]] * 4, [])
@example([[[Cell(word, False, "")] * 8 for word in CSV_WORDS if plain(word)]] * 4, [])
def test_csv(drop, even, ragged):
    declared = ", ".join(f"{name} {kind}" for name, kind in CSV_COLUMNS.items())
    folder = drop(
        f"csv{next(numbers)}",
        format="csv",
        header="true",
        schema=declared,
        rescuedDataColumn=RESCUED,
    )
    wanted = []
    for form, rows in [*zip(("crlf", "bom", "open", "gz"), even, strict=True), ("lf", ragged)]:
        path = folder.put(f"{form}.csv" + (".gz" if form == "gz" else ""), csv_text(rows, form))
        wanted += [csv_row(row, str(path)) for row in rows]
    found = [with_rescued(row) for row in folder.taken()]

    def told(row):
        return repr(sorted((name, comparable(value)) for name, value in row.items()))

    equal(map(told, found), map(told, wanted))
