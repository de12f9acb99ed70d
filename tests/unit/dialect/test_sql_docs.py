"""The page on SQL lists what the parser does, and its examples are read by it."""

import re
from pathlib import Path

import pytest

import lakeflow.dialect.lower  # noqa: F401  # fills the tables
from lakeflow.dialect.clauses import CLAUSES
from lakeflow.dialect.functions.aggregates import AGGREGATES
from lakeflow.dialect.functions.generators import GENERATORS
from lakeflow.dialect.functions.table import FUNCTIONS
from lakeflow.dialect.functions.windows import WINDOWS
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


def test_every_function_is_on_the_page():
    listed = re.search(r"### Functions\n(.*?)Of some functions", PAGE, re.DOTALL)[1]
    names = re.findall(r"`([a-z_0-9]+)`", listed)
    known = [*FUNCTIONS, *AGGREGATES, *WINDOWS, *GENERATORS, "range"]
    assert sorted(names) == sorted(name for name in known if name[0].isalpha())
