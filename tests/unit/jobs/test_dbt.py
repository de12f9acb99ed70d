"""A dbt project that dbt itself builds, as a task."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lakeflow.jobs.model import Result

PROFILE = "name: shop\nprofile: shop\nmodel-paths: [models]\n"


@pytest.mark.skipif(shutil.which("dbt") is None, reason="service missing: dbt")
@pytest.mark.timeout(180)
def test_dbt_builds_a_project(begin, tmp_path: Path) -> None:
    project = tmp_path / "shop"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text(PROFILE)
    (project / "models" / "orders.sql").write_text("select 1 as id union all select 2")
    (project / "models" / "schema.yml").write_text(
        "models:\n  - name: orders\n    columns:\n"
        "      - name: id\n        data_tests: [unique, not_null]\n"
    )
    settings = {
        "commands": ["dbt build --no-use-colors"],
        "project_directory": "shop",
        "warehouse_id": "local",
    }
    attempt = begin("dbt_task", settings, environment={"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"})
    outcome = attempt.wait()
    assert outcome.result is Result.SUCCESS, attempt.stdout + attempt.stderr
    results = json.loads((attempt.assignment.folder / "artifacts/run_results.json").read_text())
    assert {each["unique_id"].split(".")[0]: each["status"] for each in results["results"]} == {
        "model": "success",
        "test": "pass",
    }
