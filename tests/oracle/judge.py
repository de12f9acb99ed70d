"""Compares what a vector's query answers here with what Apache Spark answered.

`python -m tests.oracle.judge [FUNCTION ..]` prints a table of outcomes and every difference.
"""

from __future__ import annotations

import json
import math
import re
import struct
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from lakeflow.core.errors import LakeflowError, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.schema import (
    BINARY,
    DATE,
    DOUBLE,
    FLOAT,
    NTZ,
    TIMESTAMP,
    Array,
    DataType,
    Decimal,
    Field,
    Map,
    Schema,
    Struct,
)
from lakeflow.dialect.query import lower, parse_query
from lakeflow.dialect.setup import macros_of
from lakeflow.dialect.types import duckdb_type, from_duckdb_type

FOLDER = Path(__file__).parent
SAME, RAISES, REFUSED = "same", "raises alike", "refused"
DIFFERENT, RAISES_HERE, RAISES_THERE = "different", "raises only here", "raises only in Spark"
GOOD = (SAME, RAISES, REFUSED)


@dataclass(frozen=True)
class Outcome:
    """What came of a vector, and what is to be seen of it."""

    kind: str
    detail: str = ""


class Judge:
    """Runs vectors over the Parquet files of one folder."""

    def __init__(self, folder: Path, time_zone: str = "UTC") -> None:
        self.time_zone = time_zone
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute(f"SET TimeZone = '{time_zone}'")
        self.known: set[str] = set()
        self.schemas = {}
        for path in folder.glob("*.parquet"):
            self.connection.execute(f"CREATE VIEW {path.stem} AS SELECT * FROM '{path}'")
            columns = self.connection.execute(f"DESCRIBE {path.stem}").fetchall()
            fields = (Field(column[0], from_duckdb_type(column[1])) for column in columns)
            self.schemas[path.stem] = Schema(tuple(fields))

    def outcome(self, vector: dict[str, Any]) -> Outcome:
        """Whether the query of a vector gives Spark's answer."""
        raises = "error_class" in vector
        try:
            query = parse_query(vector["sql"], Location("vector", 1))
            names = {r.key: r.name[0].lower() for r in query.references if r.name}
            inputs = {key: self.schemas.get(name, Schema(())) for key, name in names.items()}
            lowered = lower(query, inputs, time_zone=self.time_zone)
        except UnsupportedError as error:
            return Outcome(REFUSED, error.message)
        except LakeflowError as error:
            if error.condition == "UNSUPPORTED_DATATYPE":
                return Outcome(REFUSED, error.message)
            kind = RAISES if raises else RAISES_HERE
            return Outcome(kind, f"{error.condition}: {error.message}")
        reads = ", ".join(f'"{key}" AS (SELECT * FROM {name})' for key, name in names.items())
        sql = f"WITH {reads} SELECT * FROM ({lowered.sql})" if reads else lowered.sql
        for statement in macros_of(sql, self.known):
            self.connection.execute(statement)
        try:
            relation = self.connection.sql(sql)
            types = [str(kind) for kind in relation.types]
            table = relation.to_arrow_table()
        except duckdb.Error as error:
            return Outcome(RAISES if raises else RAISES_HERE, str(error).replace("\n", " ")[:300])
        rows = [
            list(row)
            for row in zip(
                *(
                    [plain(cell, field.type) for cell in column]
                    for column, field in zip(table.columns, lowered.schema, strict=True)
                ),
                strict=True,
            )
        ]
        if raises:
            return Outcome(RAISES_THERE, f"{vector['error_class']}, here {rows!r:.200}")
        declared = [duckdb_type(field.type) for field in lowered.schema]
        if [duckdb_type(from_duckdb_type(kind)) for kind in types] != declared:
            return Outcome(DIFFERENT, f"gives {types} where it promises {declared}")
        return compared(vector, lowered.schema, rows)


def compared(vector: dict[str, Any], schema: Schema, rows: list[list[Any]]) -> Outcome:
    """Rows and types against Spark's."""
    if "type" in vector:
        wanted = types_of(vector["type"])
        found = [str(field.type) for field in schema]
        if wanted != found:
            return Outcome(DIFFERENT, f"types {found}, Spark {wanted}")
    expected = [
        [written(value, field.type) for value, field in zip(row, schema, strict=True)]
        for row in vector["rows"]
    ]
    if "type" not in vector:
        rows = [
            [rounded(value, field.type) for value, field in zip(row, schema, strict=True)]
            for row in rows
        ]
    if "type" not in vector or "order by" not in vector["sql"].lower():
        rows, expected = sorted(rows, key=repr), sorted(expected, key=repr)
    if len(rows) != len(expected) or not all(map(alike, rows, expected)):
        return Outcome(DIFFERENT, f"{rows!r:.300}, Spark {expected!r:.300}")
    return Outcome(SAME)


@cache
def types_of(ddl: str) -> list[str]:
    """The types of Spark's result, whatever may be NULL in it."""
    ddl = ddl.replace(" NOT NULL", "")
    try:
        # DDL has no name for the type of NULL.
        stands_in = re.sub(r"\bVOID\b", "BINARY", ddl)
        found = [str(field.type) for field in Schema.from_ddl(stands_in)]
        return found if stands_in == ddl else [kind.replace("BINARY", "VOID") for kind in found]
    except LakeflowError:
        return [ddl]


def rounded(value: Any, kind: DataType) -> Any:
    """A value as the everyday vectors write it."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(kind, Decimal) and value is not None:
        return float(value)
    if kind in (TIMESTAMP, NTZ) and value is not None:
        return value.removesuffix("Z").removesuffix(".000000")
    return value


def written(value: Any, kind: DataType) -> Any:
    """A value of a vector, in the one spelling that is compared."""
    if value is None:
        return None
    match kind:
        case Array(element):
            return [written(item, element) for item in value]
        case Map(key, inner):
            pairs = [[written(k, key), written(v, inner)] for k, v in value]
            return sorted(pairs, key=lambda pair: json.dumps(pair[0]))
        case Struct(fields) if isinstance(value, dict):
            return {f.name: written(value[f.name], f.type) for f in fields if f.name in value}
    if kind == FLOAT and not isinstance(value, str):
        return struct.unpack("f", struct.pack("f", value))[0]
    if kind in (TIMESTAMP, NTZ) and value.startswith(("+", "-")):
        day, _, clock = value.removesuffix("Z").partition("T")
        parts = re.split(r"[:.]", clock) + ["00"] * (2 - clock.count(":"))
        micros = clock.partition(".")[2].ljust(6, "0")
        zone = "Z" if kind == TIMESTAMP else ""
        return f"{day}T{':'.join(parts[:3])}.{micros}{zone}"
    return value


def plain(cell: pa.Scalar, kind: DataType) -> Any:
    """A value as the vectors write it."""
    if not cell.is_valid:
        return None
    match kind:
        case Array(element):
            return [plain(item, element) for item in cell.values]
        case Map(key, value):
            pairs = [[plain(e["key"], key), plain(e["value"], value)] for e in cell.values]
            return sorted(pairs, key=lambda pair: json.dumps(pair[0]))
        case Struct(fields):
            values = [plain(cell[i], field.type) for i, field in enumerate(fields)]
            names = [field.name for field in fields]
            if len(set(names)) < len(names):
                return [list(pair) for pair in zip(names, values, strict=True)]
            return dict(zip(names, values, strict=True))
        case Decimal():
            return format(cell.as_py(), "f")
    if kind in (DOUBLE, FLOAT):
        return floating(cell.as_py())
    if kind == BINARY:
        return cell.as_py().hex()
    if kind == DATE:
        return date_text(cell.value)
    if kind in (TIMESTAMP, NTZ):
        days, micros = divmod(cell.value, 86_400_000_000)
        seconds, micros = divmod(micros, 1_000_000)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micros:06}"
        return f"{date_text(days)}T{clock}{'Z' if kind == TIMESTAMP else ''}"
    return cell.as_py()


def floating(value: float) -> float | str:
    """A number, or the name of what is none."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def date_text(days: int) -> str:
    """A day since 1970 in the proleptic calendar, of any year."""
    shifted = days + 719_468
    era, day = divmod(shifted, 146_097)
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    date = day - (153 * month + 2) // 5 + 1
    month += 3 if month < 10 else -9
    year += era * 400 + (month <= 2)
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04}-{month:02}-{date:02}"


def alike(a: Any, b: Any) -> bool:
    """Whether two values are the same: numbers to 12 digits, everything else exactly."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, float) and isinstance(b, int | float):
        if a == b:
            return math.copysign(1, a) == math.copysign(1, b)
        return math.isclose(a, b, rel_tol=1e-12)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(alike(a[key], b[key]) for key in a)
    return type(a) is type(b) and bool(a == b)


def vectors() -> Iterator[dict[str, Any]]:
    """All vectors over Spark's functions and the forms of its queries."""
    with (FOLDER / "functions" / "spark_functions.jsonl").open() as lines:
        yield from map(json.loads, lines)


def everyday() -> Iterator[dict[str, Any]]:
    """Expressions that many pipelines use, over another table."""
    with (FOLDER / "everyday" / "spark_sql.jsonl").open() as lines:
        for line in lines:
            stored = json.loads(line)
            expression = stored["expr"]
            vector = {"id": expression, "function": "everyday"}
            vector["sql"] = f"SELECT {expression} AS x FROM t"
            if "error" in stored:
                yield vector | {"error_class": stored["error"]}
            else:
                yield vector | {"rows": stored["rows"]}


def random() -> Iterator[dict[str, Any]]:
    """Queries that chance has written: functions inside one another, over values at the edge."""
    with (FOLDER / "random" / "spark_random.jsonl").open() as lines:
        for line in lines:
            yield {"function": "random", **json.loads(line)}


def main(wanted: list[str]) -> None:
    """Prints what came of the vectors of some functions, or a line for each of all."""
    judges = {z: Judge(FOLDER / "functions", z) for z in ("UTC", "America/New_York")}
    asked = vectors()
    if wanted in (["everyday"], ["random"]):
        judges = {"UTC": Judge(FOLDER / wanted[0])}
        asked = everyday() if wanted == ["everyday"] else random()
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for vector in asked:
        if wanted and vector["function"] not in wanted:
            continue
        outcome = judges[vector.get("time_zone", "UTC")].outcome(vector)
        counts[vector["function"]][outcome.kind] += 1
        if outcome.kind not in GOOD or (wanted and outcome.kind == REFUSED):
            print(f"{vector['id']}  {vector['sql']}\n    {outcome.kind}: {outcome.detail}")
    kinds = (*GOOD, DIFFERENT, RAISES_HERE, RAISES_THERE)
    print(f"{'':26}" + "".join(f"{kind:>21}" for kind in kinds))
    total: Counter[str] = Counter()
    for function, found in sorted(counts.items()):
        total += found
        print(f"{function:26}" + "".join(f"{found[kind] or '':>21}" for kind in kinds))
    print(f"{'all':26}" + "".join(f"{total[kind]:>21}" for kind in kinds))


if __name__ == "__main__":
    main(sys.argv[1:])
