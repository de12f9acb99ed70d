"""A query over the tables reads them and nothing else, and is told its faults with their line."""

from __future__ import annotations

import shutil

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakeflow.backends.duckdb import DuckDBBackend
from lakeflow.core.errors import LakeflowError, StorageError
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session
from tests.rights import rights_hold


@pytest.fixture
def session(tmp_path):
    write_deltalake(tmp_path / "main/default/t", pa.table({"x": [3, 1, 2], "s": ["a", "b", "0"]}))
    return Session(Settings.load({}, lakehouse=tmp_path, memory_limit=100_000_000))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("", r"\[PARSE_EMPTY_STATEMENT\]"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("DROP TABLE t", "DROP as a query"),
        ("COPY t TO '/tmp/x'", "COPY as a query"),
        ("CREATE TABLE t AS SELECT 1", "CREATE as a query"),
        ("INSERT INTO t VALUES (1, 'x')", "INSERT as a query"),
        ("SHOW TABLES", "SHOW as a query"),
        ("SELEC", r"\[PARSE_SYNTAX_ERROR\] This is an expression"),
        ("count(*)", r"\[PARSE_SYNTAX_ERROR\] .*\n  Write SELECT before it"),
        ("SELEC 1", r"\[PARSE_SYNTAX_ERROR\] '1' cannot stand here.\n  Did you mean 'SELECT'"),
        ("SELECT x FROM t WEHRE x = 1", "'x' cannot stand here.\n  Did you mean 'WHERE'"),
        ("SELECT x FROM t WHERE x >", "Expected an expression at the end, after '>'"),
        ("SELECT 'x FROM t", "A quote or a comment is not closed"),
        ("SELECT (x FROM t", "Expected [)] near 'FROM'"),
        ("SELECT x FROM", "Expected table name at the end, after 'FROM'"),
        ("SELECT CAST(300 AS TINYINT)", "value 300.*TINYINT"),
        ("SELECT x FROM t WHERE x = (SELECT x FROM t)", r"\[SCALAR_SUBQUERY_TOO_MANY_ROWS\]"),
        ("ATTACH 'x.db'", "PARSE_SYNTAX_ERROR"),
        ("SELECT * FROM read_files('/etc')", "read_files is for pipelines"),
        ("SELECT * FROM STREAM t", "STREAM is for pipelines"),
        ("SELECT * FROM `/etc/passwd`", "not a name"),
        ("SELECT * FROM read_text('/etc/passwd')", "read_text"),
        ("SELECT read_text('/etc/passwd')", "read_text"),
        ("SELECT * FROM gone", r"\[TABLE_OR_VIEW_NOT_FOUND\]"),
        ("SELECT y FROM t", r"\[UNRESOLVED_COLUMN"),
        ("SELECT CAST(s AS INT) FROM t", r"\[CAST_INVALID_INPUT\] The value 'a'"),
        ("SELECT x / 0 FROM t", r"\[DIVIDE_BY_ZERO\]"),
    ],
)
def test_what_is_refused_is_told_with_its_line(session, sql, said):
    with pytest.raises(LakeflowError, match=said) as raised:
        session.query(sql).read_all()
    assert raised.value.location is not None
    assert str(raised.value).startswith("<query>:1: ")


def test_a_fault_in_a_late_row_is_told_like_one_in_the_first(tmp_path):
    write_deltalake(tmp_path / "main/default/big", pa.table({"x": range(500_000)}))
    session = Session(Settings.load({}, lakehouse=tmp_path))
    batches = session.query("SELECT 1 / (499999 - x) AS y FROM big")
    with pytest.raises(LakeflowError, match=r"\[DIVIDE_BY_ZERO\]") as raised:
        list(batches)
    assert raised.value.location is not None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a.x, b.x, a.s FROM t a JOIN t b ON a.x = b.x ORDER BY a.x",
        "WITH c AS (SELECT x FROM t) SELECT x, x, 'b' AS s FROM c WHERE x = 1 ORDER BY 1",
        "SELECT x, x, s FROM t WHERE x = 1 UNION ALL SELECT x, x, s FROM t WHERE x > 1",
    ],
)
def test_columns_may_have_one_name(session, sql):
    found = session.query(sql).read_all()
    assert found.schema.names == ["x", "x", "s"]
    assert found.column(0).to_pylist()[0] == found.column(1).to_pylist()[0] == 1
    assert found.column(2).to_pylist()[0] == "b"


def test_a_comment_before_a_query_is_none_and_alone_is_empty(session):
    assert session.query("-- why\nSELECT 1 AS n").read_all().to_pylist() == [{"n": 1}]
    with pytest.raises(LakeflowError, match=r"<query>:1: \[PARSE_EMPTY_STATEMENT\]"):
        session.query("-- nothing")


def test_rows_come_in_the_order_that_was_asked_for(session):
    found = session.query("SELECT x FROM t ORDER BY x").read_all()
    assert found["x"].to_pylist() == [1, 2, 3]


def test_a_query_that_does_not_fit_into_memory_spills(tmp_path):
    rows = pa.table({"x": range(3_000_000)})
    write_deltalake(tmp_path / "main/default/big", rows)
    session = Session(Settings.load({}, lakehouse=tmp_path, memory_limit=100_000_000))
    found = session.query(
        "SELECT max(n) AS n FROM (SELECT row_number() OVER (ORDER BY -x) AS n FROM big)"
    )
    assert found.read_all().to_pylist() == [{"n": 3_000_000}]


@pytest.fixture
def confined(tmp_path):
    """A session of the backend that may read one file."""
    backend = DuckDBBackend(
        memory_limit=1 << 28, threads=1, time_zone="UTC", temporary=tmp_path / "spill"
    )
    session = backend.session()
    for name in ("mine", "other"):
        session.connection.execute(f"COPY (SELECT 1 AS x) TO '{tmp_path}/{name}.parquet'")
    session.confine([f"{tmp_path}/mine.parquet"])
    yield session.connection
    backend.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM '{}/other.parquet'",
        "SELECT * FROM '{}/spill/../other.parquet'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM parquet_metadata('{}/other.parquet')",
        "COPY (SELECT 1) TO '{}/new.parquet'",
        "COPY (SELECT 1) TO '{}/mine.parquet'",
        "ATTACH '{}/new.db'",
        "EXPORT DATABASE '{}/new'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM 'https://example.org/x.parquet'",
        "SET enable_external_access = true",
        "SET allowed_paths = ['/etc/passwd']",
        "SET memory_limit = '100GB'",
        "RESET lock_configuration",
    ],
)
def test_whatever_reached_the_engine_would_get_no_further(confined, tmp_path, sql):
    assert confined.execute(f"SELECT x FROM '{tmp_path}/mine.parquet'").fetchall() == [(1,)]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(duckdb.Error):
        confined.execute(sql.format(tmp_path)).fetchall()
    assert sorted(tmp_path.rglob("*")) == before
    assert confined.execute(f"SELECT x FROM '{tmp_path}/mine.parquet'").fetchall() == [(1,)]


def test_a_missing_file_or_folder_of_a_table_is_told_with_the_way_out(session, tmp_path):
    (tmp_path / "p.sql").write_text("CREATE MATERIALIZED VIEW v AS SELECT 1 AS x;")
    session.run(tmp_path / "p.sql")
    folder = tmp_path / "main/default/v"
    for file in folder.glob("*.parquet"):
        file.unlink()
    with pytest.raises(LakeflowError, match=r"(?s)<query>:1: The file .*parquet.*--full-refresh"):
        session.query("SELECT * FROM v").read_all()
    shutil.rmtree(folder)
    with pytest.raises(LakeflowError, match=r"(?s)where its pipeline keeps v.*--full-refresh"):
        session.query("SELECT * FROM v")


@pytest.mark.parametrize("part", ["main/default/t", "main/default/t/_delta_log", "main"])
def test_a_table_that_may_not_be_read_is_the_lakehouses_failure(session, tmp_path, part):
    (tmp_path / part).chmod(0)
    try:
        with rights_hold():
            for ask in (lambda: session.show("t"), lambda: session.query("SELECT x FROM t")):
                with pytest.raises(StorageError, match=r"Permission denied[^~]*and try again"):
                    ask()
    finally:
        (tmp_path / part).chmod(0o700)
    assert session.query("SELECT sum(x) AS x FROM t").read_all().to_pylist() == [{"x": 6}]
