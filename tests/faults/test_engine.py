"""Kills of real updates: whatever is killed, each row of the source ends up exactly once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lakeflow.core.failpoints import VARIABLE

PIPELINE = """
CREATE STREAMING TABLE bronze AS
SELECT * FROM STREAM read_files('drop', format => 'csv', header => true, maxFilesPerTrigger => 2);
CREATE STREAMING TABLE silver (
  CONSTRAINT has_id EXPECT (id IS NOT NULL) ON VIOLATION FAIL UPDATE,
  CONSTRAINT positive EXPECT (amount > 0) ON VIOLATION QUARANTINE
) AS SELECT id, amount FROM STREAM bronze;
CREATE MATERIALIZED VIEW gold AS SELECT amount, count(*) AS n FROM silver GROUP BY amount;
"""

STREAM_FAILPOINTS = (
    "lease.acquired",
    "recover.listed",
    "ledger.linked",
    "ledger.synced",
    "source.attached",
    "intent.linked",
    "intent.synced",
    "stage.partial",
    "stage.written",
    "stage.synced",
    "prepared.linked",
    "prepared.synced",
    "commit.snapshot",
    "commit.linked",
    "commit.synced",
    "commit.between_main_and_companion",
    "companion.committed",
    "records.deleted",
    "source.acknowledged",
    "event.written",
)
REFRESH_FAILPOINTS = (
    "refresh.requested",
    "refresh.staged_flow",
    "refresh.swapped_main",
    "refresh.swapped_companion",
)


class Project:
    """A pipeline in a folder of its own, whose rows are known."""

    def __init__(self, folder: Path, files: int = 5) -> None:
        self.folder = folder
        (folder / "drop").mkdir()
        (folder / "pipe.sql").write_text(PIPELINE)
        self.rows: Counter[tuple[int, int]] = Counter()
        self.written = 0
        for _ in range(files):
            self.drop()

    def drop(self) -> None:
        """One file more; a third of its rows violate the expectation."""
        rows = [(self.written * 10 + n, n % 3 - (n % 3 == 0)) for n in range(10)]
        text = "id,amount\n" + "".join(f"{key},{amount}\n" for key, amount in rows)
        # An older name than those before: names decide nothing.
        temporary = self.folder / f"{self.written}.part"
        temporary.write_text(text)
        temporary.rename(self.folder / "drop" / f"{100 - self.written:03d}.csv")
        self.rows.update(rows)
        self.written += 1

    def start(self, *arguments: str, failpoint: str = "") -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LAKEFLOW_")}
        environment["LAKEFLOW_LAKEHOUSE"] = str(self.folder / "lake")
        if failpoint:
            environment[VARIABLE] = failpoint
        command = [sys.executable, "-m", "lakeflow", "run", str(self.folder / "pipe.sql")]
        return subprocess.Popen(
            [*command, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *arguments: str, failpoint: str = "") -> tuple[int, str]:
        process = self.start(*arguments, failpoint=failpoint)
        said, _ = process.communicate(timeout=100)
        return process.returncode, said.decode()

    def table(self, name: str) -> Path:
        return self.folder / "lake" / "main" / "default" / name

    def read(self, name: str, *columns: str) -> Counter[tuple[object, ...]]:
        """The rows of a table by an independent reader."""
        found: Counter[tuple[object, ...]] = Counter()
        for uri in DeltaTable(str(self.table(name))).file_uris():
            rows = pq.read_table(uri, columns=list(columns), partitioning=None).to_pylist()
            found.update(tuple(row[column] for column in columns) for row in rows)
        return found

    def check(self) -> None:
        """Nothing lost, nothing doubled, nothing unreadable."""
        assert self.read("bronze", "id", "amount") == self.rows
        good = Counter({row: n for row, n in self.rows.items() if row[1] > 0})
        assert self.read("silver", "id", "amount") == good
        assert self.read("silver_quarantine", "id", "amount") == self.rows - good
        wanted = Counter(amount for (_, amount), n in good.items() for _ in range(n))
        assert self.read("gold", "amount", "n") == Counter(wanted.items())
        for name in ("bronze", "silver", "silver_quarantine", "gold"):
            self._check_log(name)

    def _check_log(self, name: str) -> None:
        """Versions without a gap, and each batch of a flow committed once, in order."""
        log = sorted((self.table(name) / "_delta_log").glob("*.json"))
        assert [int(path.stem) for path in log] == list(range(len(log)))
        batches: dict[str, int] = {}
        for path in log:
            for line in path.read_text().splitlines():
                transaction = json.loads(line).get("txn")
                if transaction is None or transaction["appId"].endswith("/attempt"):
                    continue
                before = batches.get(transaction["appId"], 0)
                assert transaction["version"] > before
                batches[transaction["appId"]] = transaction["version"]

    def terminal_events(self) -> Counter[str]:
        """How many terminal events each update has in the event log."""
        found: Counter[str] = Counter()
        for uri in DeltaTable(str(self.table("event_log_pipe"))).file_uris():
            for row in pq.read_table(uri, partitioning=None).to_pylist():
                details = json.loads(row["details"]).get(row["event_type"], {})
                ended = details.get("state") in ("COMPLETED", "FAILED", "CANCELED")
                found[row["origin"]["update_id"]] += (
                    row["event_type"] == "update_progress" and ended
                )
        return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def finish(project: Project) -> None:
    """The next run finishes what was left, by itself, and the one after finds nothing to do."""
    code, said = project.run()
    assert code == 0, said
    project.check()
    code, said = project.run()
    assert code == 0, said
    assert "0 rows written" in said
    assert set(project.terminal_events().values()) == {1}


def test_update_without_faults(project: Project) -> None:
    finish(project)
    project.drop()
    finish(project)


@pytest.mark.faults
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("name", STREAM_FAILPOINTS)
def test_killed_at_failpoint(project: Project, name: str, nth: int) -> None:
    code, said = project.run(failpoint=f"{name}:{nth}:kill")
    if name not in ("companion.committed", "recover.listed", "source.attached", "ledger.linked"):
        assert code == -signal.SIGKILL or nth > 1, said
    project.drop()
    finish(project)


@pytest.mark.faults
@pytest.mark.parametrize("name", REFRESH_FAILPOINTS)
def test_full_refresh_killed_at_failpoint(project: Project, name: str) -> None:
    assert project.run()[0] == 0
    project.drop()
    code, said = project.run("--full-refresh", "all", failpoint=f"{name}:1:kill")
    assert code == -signal.SIGKILL, said
    finish(project)


@pytest.mark.faults
@pytest.mark.parametrize("name", ["stage.written", "prepared.synced", "commit.linked"])
def test_disk_full(project: Project, name: str) -> None:
    project.run(failpoint=f"{name}:2:enospc")
    finish(project)


@pytest.mark.parametrize("seed", range(20))
def test_killed_at_counted_write(project: Project, seed: int) -> None:
    kills_at_counted_writes(project, seed)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(1000, 1070))
def test_killed_at_many_counted_writes(project: Project, seed: int) -> None:
    kills_at_counted_writes(project, seed)


def kills_at_counted_writes(project: Project, seed: int) -> None:
    """Three kills in a row, each at a seeded write of the store."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(3):
        nth = chance.randint(1, 60)
        project.run(failpoint=f"store.write:{nth}:kill")
        if chance.random() < 0.5:
            project.drop()
    finish(project)


@pytest.mark.faults
@pytest.mark.parametrize("point", ["stage.written", "prepared.synced", "commit.synced"])
def test_stopped_holder_keeps_others_out(project: Project, point: str) -> None:
    holder = project.start(failpoint=f"{point}:1:stop")
    _, status = os.waitpid(holder.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    code, said = project.run()
    assert code == 1, said
    assert "Another update of this pipeline is running" in said
    os.kill(holder.pid, signal.SIGCONT)
    said_by_holder, _ = holder.communicate(timeout=100)
    assert holder.returncode == 0, said_by_holder
    finish(project)


@pytest.mark.faults
@pytest.mark.parametrize("cut", ["empty", "half"])
def test_torn_last_commit(project: Project, cut: str) -> None:
    """A commit of a writer that does not sync, cut off by a loss of power."""
    assert project.run()[0] == 0
    log = project.table("bronze") / "_delta_log"
    last = max(log.glob("*.json"))
    text = last.read_bytes()
    torn = log / f"{int(last.stem) + 1:020d}.json"
    torn.write_bytes(b"" if cut == "empty" else text[: len(text) // 2])
    project.drop()
    finish(project)
    assert list((log / "_corrupt").iterdir())
