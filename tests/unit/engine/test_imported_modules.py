"""A view is computed again when a module of the project that its file imports has changed."""

from __future__ import annotations

import subprocess
import sys

import pytest

PIPELINE = """\
import polars as pl
from lakeflow import pipelines as dp
{}

@dp.materialized_view
def numbers():
    return dp.sql("SELECT 1 AS x")

@dp.materialized_view
def scaled(numbers: pl.LazyFrame):
    return numbers.select(x=pl.col("x") * {})
"""


def updated(project):
    """What an update in a process of its own says, and the value that it has left."""
    command = [sys.executable, "-m", "lakeflow"]
    for arguments in (["run", "p.py"], ["query", "SELECT x FROM scaled"]):
        yield subprocess.check_output([*command, *arguments], cwd=project, text=True)


@pytest.mark.parametrize(
    ("imports", "value"),
    [
        ("from scale import factor", "factor"),
        ("import scale", "scale.factor"),
        ("from rules import middle", "middle.factor"),
    ],
)
def test_an_imported_module_counts(tmp_path, imports, value):
    (tmp_path / "p.py").write_text(PIPELINE.format(imports, value))
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "__init__.py").write_text("")
    (tmp_path / "rules" / "middle.py").write_text("from scale import factor\n")
    (tmp_path / "scale.py").write_text("factor = 2\n")
    _, answer = updated(tmp_path)
    assert answer.split()[-1] == "2"
    said, _ = updated(tmp_path)
    assert "0 rows written" in said
    (tmp_path / "scale.py").write_text("factor = 30\n")
    _, answer = updated(tmp_path)
    assert answer.split()[-1] == "30"
