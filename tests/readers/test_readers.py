"""Others read every kind of table that we write, and see the same rows."""

from __future__ import annotations

import csv
import math
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SPARK = "SPARK_PYTHON"

Row = Mapping[str, object]
Rows = Counter[tuple[tuple[str, object], ...]]

PLACES = ("Wien", "Ústí nad Labem", "a/b=c d%20", "\\'{}#?:", "", None)
VISITS = [
    {
        "day": None if n % 7 == 0 else date(2024, 2, 26 + n % 4),
        "place": PLACES[n % len(PLACES)],
        "amount": Decimal(n - 3) / 4,
    }
    for n in range(60)
]
WIDENED = [
    {"id": n, "name": None if n == 0 else f"n{n}", "late": 2.5 if n == 3 else None}
    for n in range(4)
]
TYPES = [
    {
        "id": 1,
        "a_boolean": True,
        "a_tinyint": -(2**7),
        "a_smallint": -(2**15),
        "an_int": -(2**31),
        "a_bigint": -(2**63),
        "a_float": 0.5,
        "a_double": -1.7976931348623157e308,
        "not_a_number": math.nan,
        "a_decimal": Decimal("-12345678.90"),
        "a_wide_decimal": Decimal("12345678901234567890123456789.123456789"),
        "a_string": 'Žluťoučký 🐎 "quoted",\nline',
        "a_binary": b"\x00\xffx",
        "a_date": date(1872, 11, 30),
        "a_timestamp": datetime(2024, 2, 29, 21, 59, 59, 999999, UTC),
        "a_timestamp_ntz": datetime(1969, 12, 31, 23, 59, 59, 1),  # noqa: DTZ001 - it has no zone
        "an_array": [1, None, 3],
        "a_map": [("a", Decimal("1.5")), ("b", None)],
        "a_struct": {"x": 1, "y": ["p", None]},
    },
    {"id": 2},
    {
        "id": 3,
        "a_string": "",
        "a_binary": b"",
        "an_array": [],
        "a_map": [],
        "a_struct": {"x": None, "y": None},
    },
]
PARTITIONS = [
    {
        "id": 1,
        "flag": True,
        "n": -5,
        "share": 0.1,
        "price": Decimal("12.50"),
        "name": "x y/é:%",
        "at": datetime(2024, 2, 29, 21, 59, 59, 999999, UTC),
        "local": datetime(1969, 12, 31, 23, 59, 59, 1),  # noqa: DTZ001 - it has no zone
    },
    {"id": 2},
    {
        "id": 3,
        "flag": False,
        "share": -math.inf,
        "name": " ",
        "at": datetime(2024, 3, 1, tzinfo=UTC),
    },
]


@dataclass(frozen=True)
class Lake:
    """Tables of every kind, and the rows that they must hold."""

    folder: Path
    rows: Mapping[str, Rows]

    def place(self, name: str) -> str:
        return str(self.folder / "main" / "default" / name)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Several updates, a full refresh of a partitioned table, and what must be there then."""
    folder = tmp_path_factory.mktemp("readers")
    pipeline = folder / "pipeline"
    shutil.copytree(HERE / "pipeline", pipeline)
    session = Session(Settings.load({}, lakehouse=folder / "lake"))

    def update(**options: object) -> None:
        assert session.run(pipeline, **options).state == "COMPLETED"

    drop(pipeline / "visits" / "1.csv", VISITS[:40])
    drop(pipeline / "widened" / "1.csv", [{"id": row["id"]} for row in WIDENED[:1]])
    update()
    drop(pipeline / "visits" / "2.csv", VISITS[40:])
    names = [{"id": row["id"], "name": row["name"]} for row in WIDENED[1:3]]
    drop(pipeline / "widened" / "2.csv", names)
    drop(pipeline / "widened" / "3.csv", WIDENED[3:])
    update()
    update(full_refresh=("visits",))
    return Lake(folder / "lake", wanted())


def drop(path: Path, rows: Sequence[Row]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)


def wanted() -> dict[str, Rows]:
    # An empty field of a CSV file is NULL.
    visits = [row | {"place": row["place"] or None} for row in VISITS]
    good = [row for row in visits if row["amount"] > 0]
    totals = [
        {
            "place": place,
            "visits": sum(row["place"] == place for row in good),
            "amount": sum((row["amount"] for row in good if row["place"] == place), Decimal(0)),
        }
        for place in {row["place"] for row in good}
    ]
    refused = [
        row | {"_violated_expectations": ["positive"]} for row in visits if row["amount"] <= 0
    ]
    return {
        "visits": counted(good),
        "visits_quarantine": counted(refused),
        "totals": counted(totals),
        "widened": counted(WIDENED),
        "types": counted(TYPES),
        "partitions": counted(PARTITIONS),
    }


def counted(rows: Iterable[Row]) -> Rows:
    """Rows as a bag; a column that is NULL counts as one that is not there."""
    return Counter(
        tuple(sorted((name, plain(value)) for name, value in row.items() if value is not None))
        for row in rows
    )


def plain(value: object) -> object:
    """A value as every reader may give it."""
    match value:
        case float() if math.isnan(value):
            return "NaN"
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC)
        case dict() if value.keys() == {"key", "value"}:  # Polars has no maps, but lists of pairs
            return plain(value["key"]), plain(value["value"])
        case dict():
            return tuple(sorted((key, plain(item)) for key, item in value.items()))
        case list() | tuple():
            return tuple(map(plain, value))
    return value


def by_deltalake(place: str) -> pa.Table:
    return DeltaTable(place).to_pyarrow_table()


def by_polars(place: str) -> pa.Table:
    return pl.scan_delta(place).collect().to_arrow()


def by_duckdb_over_files(place: str) -> pa.Table:
    files = DeltaTable(place).file_uris()
    options = "union_by_name = true, hive_partitioning = false"
    with duckdb.connect() as connection:
        return connection.sql(f"FROM read_parquet({files!r}, {options})").to_arrow_table()


def by_duckdb_over_arrow(place: str) -> pa.Table:
    dataset = DeltaTable(place).to_pyarrow_dataset()
    with duckdb.connect() as connection:
        return connection.from_arrow(dataset).to_arrow_table()


READERS = (by_deltalake, by_polars, by_duckdb_over_files, by_duckdb_over_arrow)


@pytest.mark.parametrize("name", sorted(wanted()))
@pytest.mark.parametrize("reader", READERS)
def test_readers_see_the_rows(lake: Lake, name: str, reader: Callable[[str], pa.Table]) -> None:
    same(reader(lake.place(name)), lake.rows[name])


def same(table: pa.Table, rows: Rows) -> None:
    found = counted(table.to_pylist())
    assert (found - rows, rows - found) == (Counter(), Counter())


@pytest.mark.parametrize("reader", READERS)
def test_readers_see_the_event_log(lake: Lake, reader: Callable[[str], pa.Table]) -> None:
    (name,) = (path.name for path in (lake.folder / "main" / "default").glob("event_log*"))
    events = counted(reader(lake.place(name)).to_pylist())
    assert events == counted(by_deltalake(lake.place(name)).to_pylist())
    ends = [
        dict(event)["details"]
        for event in events
        if dict(event)["event_type"] == "update_progress" and "COMPLETED" in dict(event)["details"]
    ]
    assert len(ends) == 3


def test_partitions_and_comments_are_those_declared(lake: Lake) -> None:
    for name, columns in {"visits": ["day", "place"], "totals": ["place"]}.items():
        table = DeltaTable(lake.place(name))
        assert table.metadata().partition_columns == columns
    fields = {field.name: field for field in DeltaTable(lake.place("visits")).schema().fields}
    assert fields["day"].metadata == {"comment": "When"}
    assert [name for name, field in fields.items() if not field.nullable] == ["amount"]


def test_a_reader_may_skip_partitions(lake: Lake) -> None:
    day = date(2024, 2, 28)
    table = DeltaTable(lake.place("visits"))
    found = table.to_pyarrow_table(filters=[("day", "=", day), ("place", "=", "a/b=c d%20")])
    rows = Counter(
        {
            row: n
            for row, n in lake.rows["visits"].items()
            if dict(row).get("day") == day and dict(row).get("place") == "a/b=c d%20"
        }
    )
    assert rows
    same(found, rows)
    assert len(table.file_uris(file_pruning_predicate=[("day", "=", str(day))])) < len(
        table.file_uris()
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_apache_spark_sees_the_rows(lake: Lake, tmp_path: Path) -> None:
    python = os.environ.get(SPARK)
    if not python:
        pytest.skip("service missing: Apache Spark with Delta (tests/README.md says how)")
    (log,) = (path.name for path in (lake.folder / "main" / "default").glob("event_log*"))
    names = [*lake.rows, log]
    command = [python, HERE / "spark_reader.py", tmp_path, *map(lake.place, names)]
    subprocess.run(command, check=True)
    for name in names:
        rows = lake.rows.get(name) or counted(by_deltalake(lake.place(name)).to_pylist())
        same(pq.read_table(tmp_path / name), rows)
