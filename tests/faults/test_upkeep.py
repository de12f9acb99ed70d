"""Upkeep that is killed: the next one goes on, and every reader still sees each row once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from lakeflow.core.failpoints import VARIABLE
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

WRITER = """
CREATE STREAMING TABLE bronze TBLPROPERTIES (
  'delta.logRetentionDuration' = '0 seconds', 'delta.deletedFileRetentionDuration' = '0 seconds'
) AS SELECT id FROM STREAM read_files(
  'drop', format => 'csv', header => true, schema => 'id INT', maxFilesPerTrigger => 1);
"""
READER = "CREATE STREAMING TABLE silver AS SELECT id FROM STREAM bronze;"
UPKEEP = """
import sys
from pathlib import Path
from lakeflow.backends.duckdb import DuckDBBackend
from lakeflow.core.clock import SystemClock
from lakeflow.core.settings import Settings
from lakeflow.engine.eventlog import EventLog
from lakeflow.engine.lease import LockLease
from lakeflow.engine.session import Session
from lakeflow.engine.state import PipelineState
from lakeflow.engine.targets import Targets
from lakeflow.engine.upkeep import Upkeep
from lakeflow.tables.upkeep import Compaction

folder = Path(sys.argv[1])
store = Session(Settings.load({}, lakehouse=folder / "lake")).store
state = PipelineState(store, "writer")
clock = SystemClock()
lease = LockLease(store, state.folder)
keeper = Upkeep(
    store, state, Targets(store, state, clock, lease), lease, clock, EventLog(store, state, clock)
)
backend = DuckDBBackend(
    memory_limit=1 << 28, threads=1, time_zone="UTC", temporary=folder / "spill"
)
assert keeper.everything(backend, Compaction(fewest=2)) == []
"""


class Lake:
    def __init__(self, folder):
        self.folder = folder
        (folder / "drop").mkdir()
        self.dropped = 0
        self.session = Session(Settings.load({}, lakehouse=folder / "lake"))

    def drop(self, count):
        for _ in range(count):
            self.dropped += 1
            (self.folder / "drop" / f"{self.dropped}.csv").write_text(f"id\n{self.dropped}\n")

    def run(self, name, text):
        path = self.folder / f"{name}.sql"
        path.write_text(text)
        assert self.session.run(path).state == "COMPLETED"

    def keep_up(self, failpoint=""):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LAKEFLOW_")}
        environment[VARIABLE] = failpoint
        command = [sys.executable, "-c", UPKEEP, str(self.folder)]
        done = subprocess.run(
            command, check=False, env=environment, capture_output=True, timeout=100
        )
        return done.returncode, done.stderr.decode()

    def rows(self, table):
        return sorted(self.session.query(f"SELECT id FROM {table}").read_all()["id"].to_pylist())

    def files(self):
        bronze = self.folder / "lake/main/default/bronze"
        return [p for p in bronze.rglob("*.parquet") if "_delta_log" not in p.parts]


@pytest.mark.faults
@pytest.mark.parametrize(
    "failpoint",
    ["compact.staged:1", "upkeep.listed:1", "commit.linked:1", "store.write:1", "store.write:3"],
)
def test_killed_upkeep(tmp_path, failpoint):
    lake = Lake(tmp_path)
    lake.drop(3)
    lake.run("writer", WRITER)
    lake.run("reader", READER)
    lake.drop(4)
    lake.run("writer", WRITER)
    code, said = lake.keep_up(f"{failpoint}:kill")
    assert code == -signal.SIGKILL, said
    everything = list(range(1, 8))
    assert lake.rows("bronze") == everything
    lake.drop(1)
    lake.run("writer", WRITER)
    code, said = lake.keep_up()
    assert code == 0, said
    lake.run("reader", READER)
    assert lake.rows("bronze") == lake.rows("silver") == [*everything, 8]
    lake.run("reader", READER)
    code, said = lake.keep_up()
    assert code == 0, said
    assert lake.rows("bronze") == lake.rows("silver") == [*everything, 8]
    assert len(lake.files()) == 1, "nothing of the killed one is left"
