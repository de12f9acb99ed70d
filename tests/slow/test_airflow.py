"""Airflow's Databricks operators run unmodified against `lakeflow serve`.

Airflow has an interpreter of its own, named by AIRFLOW_PYTHON; see tests/README.md.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.server.conftest import start

PYTHON = os.environ.get("AIRFLOW_PYTHON")


@pytest.mark.slow
@pytest.mark.skipif(PYTHON is None, reason="service missing: Airflow (AIRFLOW_PYTHON)")
@pytest.mark.timeout(300)
def test_operators_of_airflow(tmp_path: Path) -> None:
    assert PYTHON is not None
    served = start(tmp_path)
    port = served.address.rpartition(":")[2]
    client = Path(__file__).with_name("airflow_client.py")
    try:
        done = subprocess.run(
            [PYTHON, str(client), port, served.token, str(tmp_path)],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "AIRFLOW_HOME": str(tmp_path / "airflow")},
        )
    finally:
        served.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert "exit code 3" in told.pop("submitted, fails")
    assert "check" in told.pop("run now, fails")
    assert told == {
        "connection": True,
        "submitted": "ok",
        "repaired": "SUCCESS",
        "run now": "ok",
        "by name": "ok",
        "cancelled": "CANCELED",
    }
