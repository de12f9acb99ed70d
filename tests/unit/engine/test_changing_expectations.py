"""Expectations that ask the clock, or give another answer each time they are asked."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lakeflow.core.clock import FixedClock
from lakeflow.core.errors import DefinitionErrors, UnsupportedError
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

HEAD = (
    "CREATE STREAMING TABLE bronze AS SELECT CAST(id AS BIGINT) AS id, CAST(at AS TIMESTAMP) AS at"
    " FROM STREAM read_files('in', format => 'csv', header => true);\n"
)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(
        "id,at\n1,2026-01-01T00:00:00Z\n2,2026-02-01T00:00:00Z\n"
    )

    def run(text, *now):
        (tmp_path / "p.sql").write_text(HEAD + text)
        settings = Settings.load({}, lakehouse=tmp_path / "lakehouse")
        session = Session(settings, clock=FixedClock(datetime(*now, tzinfo=UTC)))
        result = session.run(tmp_path / "p.sql")
        assert result.state == "COMPLETED"
        return {row["id"] for row in session.query("SELECT id FROM v").read_all().to_pylist()}

    return run


FRESH = (
    "CONSTRAINT fresh EXPECT (at > current_timestamp() - INTERVAL 10 DAYS) ON VIOLATION DROP ROW"
)
DIRECT = f"CREATE MATERIALIZED VIEW v ({FRESH}) AS SELECT * FROM bronze;"
THROUGH_A_VIEW = f"""CREATE TEMPORARY VIEW w ({FRESH}) AS SELECT * FROM bronze;
CREATE MATERIALIZED VIEW v AS SELECT * FROM w;"""


@pytest.mark.parametrize("text", [DIRECT, THROUGH_A_VIEW])
def test_a_view_whose_expectation_asks_the_clock_is_computed_again(run, text):
    assert run(text, 2026, 1, 5) == {1, 2}
    assert run(text, 2026, 2, 5) == {2}
    assert run(text, 2026, 3, 5) == set()


@pytest.mark.parametrize("violation", ["DROP ROW", "QUARANTINE"])
def test_an_expectation_that_changes_its_mind_is_refused(run, violation):
    text = (
        f"CREATE MATERIALIZED VIEW v (CONSTRAINT half EXPECT (uuid() < '8') "
        f"ON VIOLATION {violation}) AS SELECT * FROM bronze;"
    )
    with pytest.raises(DefinitionErrors) as raised:
        run(text, 2026, 1, 5)
    (error,) = raised.value.errors
    assert isinstance(error, UnsupportedError)
    assert "uuid(..) in an expectation" in error.message
    assert error.location.line == 2
