"""A pipeline in a job is killed where a batch is half done; the rerun makes one set of rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PROJECT = """
name: shop
pipelines: {orders: {path: orders.sql}}
jobs:
  load:
    tasks:
      - {task_key: orders, pipeline_task: {pipeline_id: orders}}
"""
ORDERS = """
CREATE OR REFRESH STREAMING TABLE orders
  (CONSTRAINT priced EXPECT (price IS NOT NULL) ON VIOLATION QUARANTINE) AS
SELECT * FROM STREAM read_files(
  'drops', format => 'csv', header => true, schema => 'id BIGINT, price DECIMAL(10,2)');
"""
ROWS = 1000


def lakeflow(folder: Path, *words: str, failpoint: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"LAKEFLOW_HOME": "home", "LAKEFLOW_LAKEHOUSE": "lake"}
    if failpoint:
        environment["LAKEFLOW_FAILPOINT"] = failpoint
    return subprocess.run(
        [sys.executable, "-m", "lakeflow", *words],
        check=False,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def history(folder: Path) -> list[dict]:
    found = lakeflow(folder, "jobs", "history", "--json").stdout
    return [json.loads(line) for line in found.splitlines()]


def project(folder: Path, rows: int = ROWS) -> None:
    (folder / "lakeflow.yml").write_text(PROJECT)
    (folder / "orders.sql").write_text(ORDERS)
    (folder / "drops").mkdir()
    lines = [f"{n},{'' if n % 10 == 0 else n}" for n in range(rows)]
    (folder / "drops" / "a.csv").write_text("\n".join(["id,price", *lines]) + "\n")


def check_published(folder: Path) -> None:
    """Each attempt is told once, each update of the event log once, and they are joined."""

    def asked(text: str) -> list[dict]:
        done = lakeflow(folder, "query", text, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    told = asked("SELECT run_id FROM system.lakeflow.job_task_run_timeline")
    attempts = [task["run_id"] for run in history(folder) for task in run["tasks"]]
    assert {int(row["run_id"]) for row in told} >= set(attempts)
    assert len({row["run_id"] for row in told}) == len(told)
    logged = asked("SELECT DISTINCT origin.update_id AS id FROM event_log_orders")
    updates = asked("SELECT update_id AS id FROM system.lakeflow.pipeline_update_timeline")
    assert sorted(row["id"] for row in updates) == sorted(row["id"] for row in logged)
    joined = asked(
        "SELECT u.update_id FROM system.lakeflow.pipeline_update_timeline u "
        "JOIN system.lakeflow.job_task_run_timeline t ON u.workspace_id = t.workspace_id "
        "AND u.trigger_details.job_task.job_task_run_id = t.run_id"
    )
    assert len(joined) == len(updates)


@pytest.mark.faults
@pytest.mark.parametrize(
    "failpoint", ["followed:1", "staged:5", "staged:1", "committed:4", "read:1"]
)
def test_a_server_killed_while_it_publishes_updates(
    tmp_path: Path, failpoint: str, tally: Counter[str]
) -> None:
    project(tmp_path, 10)
    killed = f"jobs.history.{failpoint}:kill"
    first = lakeflow(tmp_path, "jobs", "run", "load", "--local", failpoint=killed)
    assert first.returncode == -signal.SIGKILL
    tally["kills"] += 1
    again = lakeflow(tmp_path, "jobs", "run", "load", "--local")
    assert again.returncode == 0, again.stdout + again.stderr
    check_published(tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize("repaired", [True, False])
@pytest.mark.parametrize(
    "point",
    ["intent.synced", "prepared.synced", "commit.linked", "commit.between_main_and_companion"],
)
def test_a_killed_worker_leaves_one_set_of_rows(
    tmp_path: Path, point: str, repaired: bool, tally: Counter[str]
) -> None:
    project(tmp_path)
    failed = lakeflow(tmp_path, "jobs", "run", "load", "--local", failpoint=f"{point}:1:kill")
    # The server passes that point as well, when it publishes what has happened.
    ends = -signal.SIGKILL if point == "commit.linked" else 1
    assert failed.returncode == ends, failed.stdout + failed.stderr
    (run,) = history(tmp_path)
    (task,) = run["tasks"]
    assert task["code"] == "DRIVER_ERROR"
    assert signal.Signals.SIGKILL.name in task["message"]
    tally["kills"] += 1
    words = ["repair", str(run["run_id"])] if repaired else ["run", "load"]
    again = lakeflow(tmp_path, "jobs", *words, "--local")
    assert again.returncode == 0, again.stdout + again.stderr
    asked = "SELECT id FROM orders UNION ALL SELECT id FROM orders_quarantine"
    found = lakeflow(tmp_path, "query", asked, "--json").stdout.splitlines()
    ids = Counter(json.loads(line)["id"] for line in found)
    tally["lost"] += ROWS - len(ids)
    tally["doubled"] += sum(ids.values()) - len(ids)
    assert ids == Counter(range(ROWS))
    check_published(tmp_path)
