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


@pytest.mark.faults
@pytest.mark.parametrize("repaired", [True, False])
@pytest.mark.parametrize(
    "point",
    ["intent.synced", "prepared.synced", "commit.linked", "commit.between_main_and_companion"],
)
def test_a_killed_worker_leaves_one_set_of_rows(
    tmp_path: Path, point: str, repaired: bool, tally: Counter[str]
) -> None:
    (tmp_path / "lakeflow.yml").write_text(PROJECT)
    (tmp_path / "orders.sql").write_text(ORDERS)
    (tmp_path / "drops").mkdir()
    lines = [f"{n},{'' if n % 10 == 0 else n}" for n in range(ROWS)]
    (tmp_path / "drops" / "a.csv").write_text("\n".join(["id,price", *lines]) + "\n")
    failed = lakeflow(tmp_path, "jobs", "run", "load", "--local", failpoint=f"{point}:1:kill")
    assert failed.returncode == 1, failed.stdout + failed.stderr
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
