"""The medallion as a careful person writes it by hand with DuckDB and deltalake.

Called as `python handwritten.py FOLDER`: reads `orders/` and `lineitem/` below it and writes the
tables below `lake/`. It writes the same Delta tables as `medallion.sql`, counts the same
expectations, keeps the refused rows, takes each file once, and syncs every file and folder that it
writes. It is not safe against a crash between two of its commits.
"""

from __future__ import annotations

import json
import os
import sys
import time
from decimal import Decimal
from pathlib import Path

import duckdb
from deltalake import CommitProperties, DeltaTable, Field, Schema, Transaction
from deltalake.schema import ArrayType
from deltalake.transaction import AddAction, create_table_with_add_actions

ORDERS = {
    "o_orderkey": "BIGINT",
    "o_custkey": "BIGINT",
    "o_orderstatus": "VARCHAR",
    "o_totalprice": "DECIMAL(15,2)",
    "o_orderdate": "DATE",
    "o_orderpriority": "VARCHAR",
    "o_clerk": "VARCHAR",
    "o_shippriority": "INTEGER",
    "o_comment": "VARCHAR",
}
LINEITEM = {
    "l_orderkey": "BIGINT",
    "l_partkey": "BIGINT",
    "l_suppkey": "BIGINT",
    "l_linenumber": "INTEGER",
    "l_quantity": "DECIMAL(15,2)",
    "l_extendedprice": "DECIMAL(15,2)",
    "l_discount": "DECIMAL(15,2)",
    "l_tax": "DECIMAL(15,2)",
    "l_returnflag": "VARCHAR",
    "l_linestatus": "VARCHAR",
    "l_shipdate": "DATE",
    "l_commitdate": "DATE",
    "l_receiptdate": "DATE",
    "l_shipinstruct": "VARCHAR",
    "l_shipmode": "VARCHAR",
    "l_comment": "VARCHAR",
}
SILVER_ORDERS = "o_orderkey, o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_orderpriority"
SILVER_LINEITEM = (
    "l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount, "
    "l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipmode"
)


class Lake:
    """The tables and the list of files that were taken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "lake"
        self.connection = duckdb.connect(config={"preserve_insertion_order": "false"})
        limit = os.environ.get("HANDWRITTEN_MEMORY_LIMIT")
        if limit:
            self.connection.execute(f"SET memory_limit = '{limit}'")
            self.connection.execute(f"SET temp_directory = '{folder / 'spill'}'")

    def new_files(self, name: str) -> list[str]:
        """The files that were not there when the list was written last."""
        seen = self.root / f"{name}.seen.json"
        known = set(json.loads(seen.read_text())) if seen.exists() else set()
        return [p.path for p in os.scandir(self.folder / name) if p.path not in known]

    def remember(self, name: str, files: list[str]) -> None:
        """Adds files to the list."""
        seen = self.root / f"{name}.seen.json"
        known = json.loads(seen.read_text()) if seen.exists() else []
        temporary = seen.with_suffix(".tmp")
        with temporary.open("w") as file:
            json.dump([*known, *files], file)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(seen)
        sync(self.root)

    def write(self, table: str, query: str, mode: str) -> list[str]:
        """Writes a query's rows and commits them; returns the paths of the new files."""
        place = self.root / table
        place.mkdir(parents=True, exist_ok=True)
        rows = self.connection.execute(
            f"COPY ({query}) TO '{place}' (FORMAT parquet, COMPRESSION snappy, RETURN_STATS, "
            "PER_THREAD_OUTPUT, OVERWRITE_OR_IGNORE, FILENAME_PATTERN 'part-{uuid}')"
        ).fetchall()
        files = []
        for path, count, size, _, columns, *_ in rows:
            if count == 0:
                Path(path).unlink()
                continue
            sync(Path(path))
            files.append((path, count, size, columns))
        sync(place)
        actions = [
            AddAction(
                path=Path(path).name,
                size=size,
                partition_values={},
                modification_time=int(time.time() * 1000),
                data_change=True,
                stats=json.dumps(statistics(count, columns)),
            )
            for path, count, size, columns in files
        ]
        schema = self._schema(query)
        properties = CommitProperties(app_transactions=[Transaction("handwritten", 1)])
        if (place / "_delta_log").exists():
            DeltaTable(str(place)).create_write_transaction(
                actions, mode=mode, schema=schema, commit_properties=properties
            )
        else:
            create_table_with_add_actions(
                str(place), schema, actions, mode="error", commit_properties=properties
            )
        log = place / "_delta_log"
        sync(max(log.glob("*.json")))
        sync(log)
        sync(place)
        sync(self.root)
        return [path for path, *_ in files]

    def active(self, table: str) -> str:
        """The SELECT of a table."""
        return parquet(DeltaTable(str(self.root / table)).file_uris())

    def _schema(self, query: str) -> Schema:
        described = self.connection.execute(f"DESCRIBE {query}").fetchall()
        return Schema([Field(name, delta_type(kind)) for name, kind, *_ in described])


def delta_type(kind: str) -> str | ArrayType:
    """Delta's type of one of DuckDB."""
    if kind == "VARCHAR[]":
        return ArrayType("string", contains_null=True)
    names = {"BIGINT": "long", "INTEGER": "integer", "VARCHAR": "string", "DATE": "date"}
    return names.get(kind, kind.lower())


def statistics(count: int, columns: dict[str, dict[str, str]]) -> dict[str, object]:
    """Delta's statistics of a file."""
    found: dict[str, dict[str, object]] = {"minValues": {}, "maxValues": {}, "nullCount": {}}
    for quoted, column in columns.items():
        name = quoted.strip('"')
        found["nullCount"][name] = int(column.get("null_count", 0))
        if "min" in column:
            found["minValues"][name] = bound(column["min"])
            found["maxValues"][name] = bound(column["max"])
    return {"numRecords": count, **found}


def bound(text: str) -> object:
    """A number where the text is one."""
    try:
        return int(text) if text.lstrip("-").isdigit() else float(Decimal(text))
    except ArithmeticError:
        return text[:32]


def parquet(paths: list[str]) -> str:
    """The SELECT of Parquet files."""
    return "SELECT * FROM read_parquet([" + ", ".join(f"'{path}'" for path in paths) + "])"


def csv(paths: list[str], columns: dict[str, str]) -> str:
    """The SELECT of CSV files."""
    kinds = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
    files = ", ".join(f"'{path}'" for path in paths)
    return (
        f"SELECT * FROM read_csv([{files}], columns = {{{kinds}}}, auto_detect = false, "
        "header = true, delim = ',', quote = '\"', escape = '\"')"
    )


def sync(path: Path) -> None:
    """Makes a file or the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def orders(lake: Lake, files: list[str]) -> None:
    """Bronze and silver of the orders."""
    bronze = parquet(lake.write("bronze_orders", csv(files, ORDERS), "append"))
    total, keyless, quarantined, unsettled = lake.connection.execute(
        "SELECT count(*), count(*) FILTER ((o_orderkey IS NOT NULL) IS NOT TRUE), "
        "count(*) FILTER ((o_totalprice < 400000) IS NOT TRUE), "
        f"count(*) FILTER ((o_orderstatus <> 'P') IS NOT TRUE) FROM ({bronze})"
    ).fetchone() or (0, 0, 0, 0)
    if keyless:
        raise SystemExit(f"{keyless} orders have no key")
    silver = f"SELECT {SILVER_ORDERS} FROM ({bronze})"
    lake.write("silver_orders", f"{silver} WHERE o_totalprice < 400000", "append")
    if quarantined:
        lake.write(
            "silver_orders_quarantine",
            "SELECT *, CASE WHEN (o_orderstatus <> 'P') IS NOT TRUE "
            "THEN ['plausible_price', 'settled'] ELSE ['plausible_price'] END AS violated "
            f"FROM ({silver}) "
            "WHERE (o_totalprice < 400000) IS NOT TRUE",
            "append",
        )
    print("silver_orders", {"total": total, "quarantined": quarantined, "unsettled": unsettled})


def lineitem(lake: Lake, files: list[str]) -> None:
    """Bronze and silver of the items."""
    bronze = parquet(lake.write("bronze_lineitem", csv(files, LINEITEM), "append"))
    total, early, dropped, late = lake.connection.execute(
        "SELECT count(*), count(*) FILTER ((l_receiptdate > l_shipdate) IS NOT TRUE), "
        "count(*) FILTER ((l_discount < 0.10) IS NOT TRUE), "
        f"count(*) FILTER ((l_receiptdate <= l_commitdate) IS NOT TRUE) FROM ({bronze})"
    ).fetchone() or (0, 0, 0, 0)
    if early:
        raise SystemExit(f"{early} items were received before they were shipped")
    lake.write(
        "silver_lineitem",
        f"SELECT {SILVER_LINEITEM} FROM ({bronze}) WHERE l_discount < 0.10",
        "append",
    )
    print("silver_lineitem", {"total": total, "dropped": dropped, "late": late})


def gold(lake: Lake) -> None:
    """The three views."""
    silver_orders, silver_lineitem = lake.active("silver_orders"), lake.active("silver_lineitem")
    lake.write(
        "pricing_summary",
        "SELECT l_returnflag, l_linestatus, sum(l_quantity)::DECIMAL(25,2) AS quantity, "
        "sum(l_extendedprice)::DECIMAL(25,2) AS base_price, count(*) AS items "
        f"FROM ({silver_lineitem}) GROUP BY l_returnflag, l_linestatus",
        "overwrite",
    )
    lake.write(
        "customer_turnover",
        "SELECT o_custkey, count(*) AS orders, sum(o_totalprice)::DECIMAL(25,2) AS turnover "
        f"FROM ({silver_orders}) GROUP BY o_custkey",
        "overwrite",
    )
    lake.write(
        "shipping_by_priority",
        "SELECT l_shipmode, o_orderpriority, count(*) AS items, "
        "sum(l_extendedprice)::DECIMAL(25,2) AS price "
        f"FROM ({silver_orders}) JOIN ({silver_lineitem}) ON o_orderkey = l_orderkey "
        "GROUP BY l_shipmode, o_orderpriority",
        "overwrite",
    )


def main(folder: Path) -> None:
    lake = Lake(folder)
    new = {name: lake.new_files(name) for name in ("orders", "lineitem")}
    if new["orders"]:
        orders(lake, new["orders"])
        lake.remember("orders", new["orders"])
    if new["lineitem"]:
        lineitem(lake, new["lineitem"])
        lake.remember("lineitem", new["lineitem"])
    if any(new.values()):
        gold(lake)


main(Path(sys.argv[1]).absolute())
