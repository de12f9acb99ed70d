"""Each table of the history is documented with all its columns and their types, in their order."""

from __future__ import annotations

import re

import pytest

from lakeflow.engine.history import TABLES, columns_of, system_table


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_in_the_docs(root, name):
    text = (root / "docs/history.md").read_text()
    heading = f"## {system_table(name)}\n"
    assert heading in text
    section = text.partition(heading)[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| .+ \|$", section, re.MULTILINE)
    assert rows == [(field.name, str(field.type)) for field in columns_of(name)]
