"""Every folder of a project finds the same lakehouse."""

from __future__ import annotations

from pathlib import Path

from lakeflow.cli.project import default_lakehouse


def test_folders_of_a_project_share_its_lakehouse(tmp_path):
    inner = tmp_path / "shop" / "src" / "tables"
    inner.mkdir(parents=True)
    (tmp_path / "shop" / "pipeline.yml").write_text("name: shop")
    assert default_lakehouse(inner) == tmp_path / "shop" / "data" / "lakehouse"
    assert default_lakehouse(tmp_path / "shop") == Path("data/lakehouse")
    assert default_lakehouse(tmp_path) == Path("data/lakehouse")
