"""The page on SQL lists what the parser does, and its examples are read by it."""

import re
from pathlib import Path

import pytest

from lakeflow.dialect.clauses import CLAUSES
from lakeflow.dialect.parse import parse_statements

PAGE = (Path(__file__).parents[3] / "docs" / "sql.md").read_text()
HEADINGS = {
    "Statements": "statement",
    "Words between CREATE and the name": "modifier",
    "Columns": "column",
    "Expectations and other constraints": "constraint",
    "Clauses of tables": "table",
    "Clauses of views": "view",
    "Flows": "flow",
    "Queries": "query",
}
EXAMPLES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


def test_every_clause_is_on_the_page_with_its_status():
    listed = []
    part = None
    for line in PAGE.splitlines():
        if line.startswith("## "):
            part = HEADINGS.get(line[3:])
        if row := re.match(r"\| `([A-Z ]+)` \| (\w+) \| (.+) \|$", line):
            listed.append((part, *row.groups()))
    expected = [
        (c.part, c.words, c.status, f"{c.meaning} {c.hint}" if c.hint else c.meaning)
        for c in CLAUSES
    ]
    assert listed == expected


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_are_read(number):
    assert parse_statements(EXAMPLES[number], "sql.md")
