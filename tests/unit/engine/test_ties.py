"""Rows that are kept aside come from a second run of a query only if that gives the same rows."""

from __future__ import annotations

import pytest

from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.core.settings import Settings
from lakeflow.dialect.query import lower, parse_query
from lakeflow.engine.session import Session

PIPELINE = """\
CREATE MATERIALIZED VIEW numbers AS SELECT id FROM range(600000);
CREATE MATERIALIZED VIEW ranked (CONSTRAINT early EXPECT (n <= 100) ON VIOLATION QUARANTINE) AS
SELECT id, row_number() OVER (PARTITION BY id % 10 ORDER BY id % 100) AS n FROM numbers;
"""


def test_ties_lose_and_double_no_row_between_a_table_and_its_quarantine(tmp_path):
    (tmp_path / "p.sql").write_text(PIPELINE)
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))
    assert session.run(tmp_path / "p.sql").state == "COMPLETED"
    both = "SELECT id FROM ranked UNION ALL SELECT id FROM ranked_quarantine"
    counted = session.query(f"SELECT count(*) AS n, count(DISTINCT id) AS ids FROM ({both})")
    assert counted.read_all().to_pylist() == [{"n": 600_000, "ids": 600_000}]


@pytest.mark.parametrize(
    ("query", "steady"),
    [
        ("SELECT id + 1 AS n FROM t WHERE id > 0 ORDER BY id", True),
        ("SELECT DISTINCT id FROM t", True),
        ("SELECT id, count(*) AS n, max(x) AS m FROM t GROUP BY id", True),
        ("SELECT id, count(*) OVER (PARTITION BY id) AS n FROM t", True),
        ("SELECT id, rank() OVER (ORDER BY id) AS n FROM t", True),
        ("SELECT id, row_number() OVER (ORDER BY id) AS n FROM t", False),
        ("SELECT id, lag(id) OVER (ORDER BY id) AS n FROM t", False),
        ("SELECT id, count(*) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS n FROM t", False),
        ("SELECT id, max(id) OVER w AS n FROM t WINDOW w AS (ORDER BY id)", False),
        ("SELECT id, sum(x) AS n FROM t GROUP BY id", False),
        ("SELECT id, first(x) AS n FROM t GROUP BY id", False),
        ("SELECT id FROM t LIMIT 3", False),
        ("SELECT id FROM t WHERE id IN (SELECT id FROM t OFFSET 3)", False),
    ],
)
def test_what_may_give_other_rows_the_second_time(query, steady):
    parsed = parse_query(query, Location("p.sql", 1))
    (reference,) = parsed.references
    schema = Schema.from_ddl("id BIGINT, x DOUBLE")
    assert lower(parsed, {reference.key: schema}).steady is steady
