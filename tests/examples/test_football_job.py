"""The example job: a pipeline, a quality gate, and a notebook for each tournament."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.football_oracle import DATA, read

ROOT = Path(__file__).parents[2]
TOURNAMENTS = ("FIFA World Cup", "UEFA Euro", "Copa América", "African Cup of Nations")


def lakeflow(folder: Path, *words: str) -> tuple[int, list[dict]]:
    done = subprocess.run(
        [sys.executable, "-m", "lakeflow", *words, "--json"],
        check=False,
        cwd=ROOT / "pipelines/football",
        env={
            **os.environ,
            "LAKEFLOW_LAKEHOUSE": f"{folder}/lake",
            "LAKEFLOW_HOME": f"{folder}/home",
        },
        capture_output=True,
        text=True,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def expected(tournament: str) -> str:
    """What the report says, from the files themselves: each match once, with a score."""
    matches = {
        (row["date"], row["home_team"], row["away_team"]): row
        for row in read(DATA / "results")
        if row["tournament"] == tournament and row["home_score"] is not None
    }
    goals = sum(int(row["home_score"]) + int(row["away_score"]) for row in matches.values())
    return f"{tournament}: {len(matches)} matches, {goals / len(matches):.2f} goals in each"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("season")


def test_the_season_is_reported(folder: Path) -> None:
    code, told = lakeflow(folder, "jobs", "run", "season", "--local")
    run = told[-1]
    assert code == 0, run
    results = {task["task"]: task["result"] for task in run["tasks"]}
    assert results == {
        "ingest": "SUCCESS",
        "refused": "SUCCESS",
        "good": "SUCCESS",
        "reports": "SUCCESS",
        "alarm": "EXCLUDED",
    }
    (reports,) = [task for task in run["tasks"] if task["task"] == "reports"]
    said = [each["output"]["notebook_output"]["result"] for each in reports["iterations"]]
    assert said == [expected(tournament) for tournament in TOURNAMENTS]
    assert len(list(folder.glob(f"home/runs/{run['run_id']}/*/report.ipynb"))) == len(TOURNAMENTS)
    code, told = lakeflow(folder, "jobs", "run", "season", "--local", "--param", "most_refused=5")
    results = {task["task"]: task["result"] for task in told[-1]["tasks"]}
    assert code == 1
    assert (results["alarm"], results["reports"]) == ("FAILED", "EXCLUDED")
