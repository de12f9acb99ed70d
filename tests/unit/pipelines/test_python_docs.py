"""The page about Python names everything that there is, and its pipeline and test work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lakeflow import pipelines as dp
from lakeflow.pipelines.options import OPTIONS
from lakeflow.pipelines.queries import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "python.md"


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text()


def test_every_option_stands_in_the_table_as_it_is_in_the_code(page):
    rows = re.findall(r"^\| `(\w+)` \| (`.*?`) \| (\w+) \| (.*) \|$", page, re.MULTILINE)
    assert rows == [
        (
            option.name,
            ", ".join(f"`{decorator}`" for decorator in option.of),
            option.status,
            f"{option.meaning} {option.hint}".strip(),
        )
        for option in OPTIONS
    ]


def test_every_name_and_type_is_there(page):
    assert [name for name in dp.__all__ if f"`{name}`" not in page] == []
    short = [kind.replace("polars", "pl").replace("pyarrow", "pa") for kind in KINDS]
    assert [kind for kind in short if f"`{kind}`" not in page] == []


def test_the_pipeline_and_its_test_run(page, tmp_path, monkeypatch):
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "pipeline.py").write_text(blocks[0])
    monkeypatch.chdir(tmp_path)
    (test,) = (block for block in blocks if "open_pipeline" in block)
    names: dict = {}
    exec(compile(test, "docs/python.md", "exec"), names)
    names["test_orders_without_amount_are_kept_aside"]()
