"""Settings that cannot be meant are refused by their name."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lakeflow.core.errors import ConfigurationError, DefinitionErrors
from lakeflow.core.settings import LEAST_MEMORY, Settings
from lakeflow.engine.session import Session


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("THREADS", "x", "threads is a whole number above 0, not 'x'"),
        ("THREADS", "1.5", "threads is a whole number above 0, not '1.5'"),
        ("MAX_CONCURRENT_FLOWS", "0", "max_concurrent_flows is a whole number above 0, not '0'"),
        ("LEASE_SECONDS", "nan", "lease_seconds is a number above 0, not 'nan'"),
        ("MEMORY_LIMIT", "1.2.3GB", "'1.2.3GB' is not a size"),
        ("MEMORY_LIMIT", "5", "memory_limit is at least 16MB, not '5'"),
        ("MEMORY_LIMIT", "0", "memory_limit is at least 16MB, not '0'"),
        ("MEMORY_LIMIT", "15.9MB", "memory_limit is at least 16MB, not '15.9MB'"),
    ],
)
def test_a_value_that_is_none_names_its_setting(variable, value, said):
    with pytest.raises(ConfigurationError, match=f"^{said}"):
        Settings.load({f"LAKEFLOW_{variable}": value})


def test_the_least_memory_is_enough_for_a_small_pipeline(tmp_path):
    (tmp_path / "in").mkdir()
    lines = "".join(f"{n},{n % 5000}\n" for n in range(100_000))
    (tmp_path / "in" / "a.csv").write_text(f"id,v\n{lines}")
    (tmp_path / "p.sql").write_text(
        "CREATE STREAMING TABLE a (CONSTRAINT c EXPECT (id > 0) ON VIOLATION DROP ROW) AS "
        "SELECT * FROM STREAM read_files('in', format => 'csv');\n"
        "CREATE MATERIALIZED VIEW b AS SELECT v, count(*) AS n FROM a GROUP BY v ORDER BY n, v;\n"
    )
    settings = Settings.load({"LAKEFLOW_MEMORY_LIMIT": "16MB"}, lakehouse=tmp_path / "lake")
    assert settings.memory_limit == LEAST_MEMORY
    session = Session(settings)
    assert session.run(tmp_path / "p.sql").state == "COMPLETED"
    assert session.show("a").row_count == 99_999


def test_memory_that_runs_out_while_columns_are_inferred_is_told_as_such(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id,v\n" + "1,2\n" * 1_000_000)
    (tmp_path / "p.sql").write_text(
        "CREATE STREAMING TABLE a AS SELECT * FROM STREAM read_files('in', format => 'csv');\n"
    )
    least = Settings.load({}, lakehouse=tmp_path / "lake", memory_limit=LEAST_MEMORY)
    session = Session(replace(least, memory_limit=LEAST_MEMORY // 4))
    with pytest.raises(DefinitionErrors) as raised:
        session.run(tmp_path / "p.sql")
    [error] = raised.value.errors
    assert error.condition == "OUT_OF_MEMORY"
    assert error.location.file == str(tmp_path / "p.sql")
    assert "--memory-limit" in error.hint
    assert "Possible solutions" not in error.message


def test_a_single_file_gets_its_time_zone_as_the_hint_says(tmp_path):
    (tmp_path / "p.sql").write_text(
        "SET spark.sql.session.timeZone = Europe/Vienna;\n"
        "CREATE MATERIALIZED VIEW n AS SELECT unix_timestamp(TIMESTAMP '2024-07-01') AS n;\n"
    )
    lake = tmp_path / "lake"
    with pytest.raises(DefinitionErrors) as raised:
        Session(Settings.load({}, lakehouse=lake)).run(tmp_path / "p.sql")
    [(variable, zone)] = re.findall(r"(LAKEFLOW_\w+)=(\S+)", raised.value.errors[0].hint)
    session = Session(Settings.load({variable: zone}, lakehouse=lake))
    assert session.run(tmp_path / "p.sql").state == "COMPLETED"
    # Midnight in Vienna was 22 o'clock of the day before in UTC.
    midnight = datetime(2024, 6, 30, 22, tzinfo=UTC)
    [row] = session.query("SELECT n FROM n").read_all().to_pylist()
    assert row == {"n": int(midnight.timestamp())}
