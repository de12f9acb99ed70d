"""Declared columns keep their types, comments and NOT NULL through every kind of commit."""

from __future__ import annotations

import pytest
from deltalake import DeltaTable

from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

COLUMNS = "(x DECIMAL(20, 2) NOT NULL COMMENT 'the price', y STRING COMMENT 'the name')"
STREAM = (
    "CREATE STREAMING TABLE t {} AS SELECT x, y FROM STREAM read_files("
    "'in', format => 'csv', header => true, schema => 'x DECIMAL(10, 2), y STRING')"
)
VIEW = "CREATE MATERIALIZED VIEW t {} AS SELECT * FROM VALUES (1.50, 'a') AS v(x, y)"


@pytest.fixture
def run(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.csv").write_text("x,y\n1.50,a\n")
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))

    def run(text, **options):
        (tmp_path / "p.sql").write_text(text)
        result = session.run(tmp_path / "p.sql", **options)
        assert result.state == "COMPLETED"
        place = next((tmp_path / "lakehouse").rglob("t/_delta_log")).parent
        return DeltaTable(place)

    return run


def columns(table):
    return [
        (field.name, str(field.type.type), field.nullable, field.metadata.get("comment"))
        for field in table.schema().fields
    ]


DECLARED = [
    ("x", "decimal(20,2)", False, "the price"),
    ("y", "string", True, "the name"),
]


@pytest.mark.parametrize("query", [STREAM, VIEW])
def test_declared_columns_stay_as_they_are_declared(run, tmp_path, query):
    text = query.format(COLUMNS)
    assert columns(run(text)) == DECLARED
    (tmp_path / "in" / "2.csv").write_text("x,y\n2.50,b\n")
    assert columns(run(text)) == DECLARED
    assert columns(run(text, full_refresh="all")) == DECLARED
    assert columns(run(text)) == DECLARED


@pytest.mark.parametrize("query", [STREAM, VIEW])
def test_a_changed_declaration_reaches_the_table(run, query):
    run(query.format(COLUMNS))
    looser = "(x DECIMAL(20, 2) COMMENT 'what it costs', y STRING)"
    assert columns(run(query.format(looser))) == [
        ("x", "decimal(20,2)", True, "what it costs"),
        ("y", "string", True, None),
    ]


def test_a_view_takes_the_types_declared_now(run):
    run(VIEW.format(COLUMNS))
    table = run(VIEW.format("(x DECIMAL(30, 2), y STRING)"))
    assert columns(table)[0][1] == "decimal(30,2)"


def test_not_null_holds_for_new_rows_and_says_nothing_of_old_ones(run, tmp_path):
    nullable = STREAM.format("(x DECIMAL(20, 2), y STRING)")
    (tmp_path / "in" / "2.csv").write_text("x,y\n,b\n")
    run(nullable)
    strict = STREAM.format("(x DECIMAL(20, 2) NOT NULL, y STRING)")
    assert columns(run(strict))[0][2] is True
    (tmp_path / "in" / "3.csv").write_text("x,y\n,c\n")
    with pytest.raises(AssertionError):
        run(strict)
