"""What a run tells of a pipeline that fails: what the user wrote, and nothing of our own code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROJECT = """
name: shop
jobs: {load: {tasks: [{task_key: load, pipeline_task: {pipeline_id: shop.sql}}]}}
"""
SHOP = """
CREATE OR REFRESH STREAMING TABLE orders AS SELECT * FROM STREAM read_files(
  'orders', format => 'csv', header => true, schema => 'id BIGINT');
"""


def test_a_wrong_value_is_told_by_file_and_line_and_by_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "lakeflow.yml").write_text(PROJECT)
    (tmp_path / "shop.sql").write_text(SHOP)
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "a.csv").write_text("id\n1\nx\n")
    done = subprocess.run(
        [sys.executable, "-m", "lakeflow", "jobs", "run", "load", "--local", "--json"],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "LAKEFLOW_HOME": "home", "LAKEFLOW_LAKEHOUSE": "lake"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (task,) = json.loads(done.stdout.splitlines()[-1])["tasks"]
    assert "in line 3 of" in task["message"]
    assert "shop.sql:2" in task["message"]
    assert ".py" not in task["message"]
    assert "Traceback" not in done.stdout + done.stderr
