"""What a streaming table would get wrong batch by batch is refused, through views, too."""

from __future__ import annotations

import pytest

from lakeflow.core.errors import DefinitionErrors
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

HEAD = """CREATE STREAMING TABLE bronze AS SELECT CAST(id AS BIGINT) AS id
FROM STREAM read_files('in', format => 'csv', header => true);
CREATE MATERIALIZED VIEW known AS SELECT CAST(99 AS BIGINT) AS id;
CREATE TEMPORARY VIEW news AS SELECT * FROM STREAM bronze;
CREATE TEMPORARY VIEW through AS SELECT id FROM news;
CREATE STREAMING TABLE s AS """


@pytest.fixture
def run(tmp_path):
    (tmp_path / "in").mkdir()
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))

    def run(query, number=1):
        (tmp_path / "in" / f"{number}.csv").write_text(f"id\n{number}\n")
        (tmp_path / "p.sql").write_text(f"{HEAD}{query};")
        assert session.run(tmp_path / "p.sql").state == "COMPLETED"
        rows = session.query("SELECT id FROM s").read_all().to_pylist()
        return sorted(row["id"] for row in rows)

    return run


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT count(*) AS id FROM news", "an aggregate"),
        ("SELECT count(*) AS id FROM through", "an aggregate"),
        ("SELECT DISTINCT id FROM through", "DISTINCT"),
        ("SELECT a.id FROM news a JOIN through b ON a.id = b.id", "a join of two streams"),
        ("SELECT a.id FROM news a JOIN STREAM bronze b ON a.id = b.id", "a join of two streams"),
        ("SELECT id FROM STREAM bronze UNION ALL SELECT id FROM known", "rows that are read whole"),
        ("SELECT id FROM known UNION ALL SELECT id FROM news", "rows that are read whole"),
        ("SELECT id FROM news UNION ALL SELECT 7 AS id", "rows that are read whole"),
    ],
)
def test_what_needs_earlier_batches_is_refused(run, query, reason):
    with pytest.raises(DefinitionErrors) as raised:
        run(query)
    (error,) = raised.value.errors
    assert error.condition == "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION"
    assert reason in error.message


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (
            "SELECT id FROM through UNION ALL SELECT id + 10 AS id FROM STREAM bronze",
            [1, 2, 11, 12],
        ),
        ("SELECT n.id + k.id AS id FROM news n CROSS JOIN known k", [100, 101]),
        ("SELECT id FROM (SELECT id FROM through WHERE id > 1)", [2]),
    ],
)
def test_what_takes_rows_one_by_one_is_the_same_in_every_batch(run, query, wanted):
    run(query)
    assert run(query, 2) == wanted
