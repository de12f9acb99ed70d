"""Whether two lakehouses hold the same rows; otherwise their costs cannot be compared."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
from deltalake import DeltaTable

NAMES = """
    bronze_orders bronze_lineitem silver_orders silver_orders_quarantine silver_lineitem
    pricing_summary customer_turnover shipping_by_priority
""".split()


def compare(one: Path, other: Path) -> None:
    """Compares all tables, whatever the order of their rows, and exits where they differ."""
    with duckdb.connect() as connection:
        for name in NAMES:
            found = []
            for lake in (one, other):
                files = DeltaTable(str(lake / name)).file_uris()
                found.append(
                    connection.execute(
                        "SELECT count(*), sum(hash(row)) FROM read_parquet($1) AS row", [files]
                    ).fetchone()
                )
            if found[0] != found[1]:
                raise SystemExit(f"{name} has {found[0]} in {one} and {found[1]} in {other}")


if __name__ == "__main__":
    compare(Path(sys.argv[1]), Path(sys.argv[2]))
