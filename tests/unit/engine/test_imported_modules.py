"""A view is computed again when a module of the project that its file imports has changed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

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
    """What an update in a process of its own, which has imported nothing yet, says."""
    command = [sys.executable, "-m", "lakeflow", "run", "p.py"]
    return subprocess.check_output(command, cwd=project, text=True)


def scaled(project):
    session = Session(Settings.load({}, lakehouse=project / "data" / "lakehouse"))
    return session.query("SELECT x FROM scaled").read_all().to_pylist()


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
    updated(tmp_path)
    assert scaled(tmp_path) == [{"x": 2}]
    assert "0 rows written" in updated(tmp_path)
    (tmp_path / "scale.py").write_text("factor = 30\n")
    updated(tmp_path)
    assert scaled(tmp_path) == [{"x": 30}]


TWO = """\
import polars as pl
from lakeflow import pipelines as dp
{}

@dp.materialized_view
def numbers():
    return dp.sql("SELECT 1 AS x")

@dp.materialized_view
def first(numbers: pl.LazyFrame):
    {}
    return numbers.select(x=pl.col("x") * scale.factor)

@dp.materialized_view
def second(first: pl.LazyFrame):
    {}
    return first.select(x=pl.col("x") * scale.factor)
"""
CHANGING = """\
from pathlib import Path
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

def change(event):
    if event.flow == {!r} and event.details.get("status") == "RUNNING":
        if Path("scale.py").read_text() == "factor = 2\\n":
            Path("scale.py").write_text("factor = 30\\n")

for flow in Session(Settings.load({{}}), listeners=[change]).run(Path("p.py")).flows:
    print(flow.name, flow.state, flow.error or "")
"""


@pytest.mark.parametrize(
    "imports", [("import scale", "", ""), ("", "import scale", "import scale")], ids=["top", "lazy"]
)
@pytest.mark.parametrize("at", ["first", "second"])
def test_a_module_that_is_changed_during_an_update(tmp_path, imports, at):
    """Two functions of one update never use two versions of it."""
    (tmp_path / "p.py").write_text(TWO.format(*imports))
    (tmp_path / "scale.py").write_text("factor = 2\n")

    def run(text):
        return subprocess.check_output([sys.executable, "-c", text], cwd=tmp_path, text=True)

    said = run(CHANGING.format(at))
    if at == "first":  # The process of the functions has not begun.
        assert "numbers COMPLETED" in said
        assert f"first FAILED {tmp_path}/scale.py was changed during the update" in said
        assert "second SKIPPED" in said
    else:
        assert said.count("COMPLETED") == 3
    assert run(CHANGING.format("nothing")).count("COMPLETED") >= 2
    asked = [sys.executable, "-m", "lakeflow", "query", "SELECT x FROM second"]
    assert subprocess.check_output(asked, cwd=tmp_path, text=True).split()[-1] == "900"
