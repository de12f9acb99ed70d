"""A table is read by its cursor through kills: each row of the source ends up exactly once."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lakeflow.core.failpoints import VARIABLE

PIPELINE = """
CREATE STREAMING TABLE orders AS SELECT * FROM STREAM read_sqlite(
  'source.db', table => 'orders', cursor => 'at', maxRowsPerTrigger => 4);
"""


def run(folder, failpoint=""):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LAKEFLOW_")}
    environment |= {"LAKEFLOW_LAKEHOUSE": str(folder / "lake"), VARIABLE: failpoint}
    done = subprocess.run(
        [sys.executable, "-m", "lakeflow", "run", str(folder / "pipe.sql")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def insert(folder, chance, count):
    """Rows whose cursors tie and come late."""
    with closing(sqlite3.connect(folder / "source.db")) as connection, connection:
        connection.executemany(
            "INSERT INTO orders (at) VALUES (?)", [(chance.randrange(8),) for _ in range(count)]
        )


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_counted_writes(tmp_path, seed):
    chance = random.Random(seed)
    (tmp_path / "pipe.sql").write_text(PIPELINE)
    with closing(sqlite3.connect(tmp_path / "source.db")) as connection, connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, at INTEGER NOT NULL)")
    insert(tmp_path, chance, 10)
    for _ in range(3):
        run(tmp_path, f"store.write:{chance.randint(1, 30)}:kill")
        insert(tmp_path, chance, chance.randrange(5))
    code, said = run(tmp_path)
    assert code == 0, said
    found = Counter()
    for uri in DeltaTable(str(tmp_path / "lake/main/default/orders")).file_uris():
        rows = pq.read_table(uri, partitioning=None)
        found.update(zip(rows["id"].to_pylist(), rows["at"].to_pylist(), strict=True))
    with closing(sqlite3.connect(tmp_path / "source.db")) as connection:
        assert found == Counter(connection.execute("SELECT id, at FROM orders").fetchall())
    code, said = run(tmp_path)
    assert "0 rows written" in said
