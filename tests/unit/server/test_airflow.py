"""Airflow's Databricks provider, unmodified, against a server in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

AIRFLOW = "AIRFLOW_PYTHON"


@pytest.mark.slow
def test_the_operators_of_airflow(served, tmp_path):
    python = os.environ.get(AIRFLOW)
    if python is None:
        pytest.skip("service missing: Airflow's Databricks provider (tests/README.md says how)")
    at = urlsplit(served.address)
    program = Path(__file__).with_name("airflow_operators.py")
    done = subprocess.run(
        [python, str(program), at.hostname, str(at.port), served.token, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [each for each in done.stdout.splitlines() if each.startswith("FOUND ")]
    found = json.loads(line.removeprefix("FOUND "))
    failed = found.pop("failed")
    assert "Task bad failed with message: ValueError: 3" in failed
    assert found == {
        "connection": [True, "Connection successfully tested"],
        "submitted": True,
        "older": True,
        "created again": True,
        "repaired": True,
        "latest repair": True,
        "deferred": "SUCCESS",
        "cluster": True,
    }
