"""Named parameter markers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow.core.errors import DefinitionError
from lakeflow.core.settings import Settings
from lakeflow.dialect.markers import bind
from lakeflow.engine.session import Session


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ':a'",
        'SELECT ":a"',
        "SELECT 1 -- :a",
        "SELECT /* :a */ 1",
        "SELECT x::a",
        "SELECT x:a",
        "SELECT `:a`",
        "SELECT f(x):a, m[1]:a",
        "SELECT a ? b : c",
    ],
)
def test_what_is_no_marker_stays(sql):
    assert bind(sql, {"a": "1"}) == sql


def test_markers_take_values_by_name():
    bound = bind("SELECT :a, :b WHERE x=:a", {"a": "1", "b": None})
    assert bound == "SELECT '1', CAST(NULL AS STRING) WHERE x='1'"
    assert bind("SELECT :a", {"a": "1"}, {"a": "INT"}) == "SELECT CAST('1' AS INT)"


def test_a_marker_without_a_value_is_refused():
    with pytest.raises(DefinitionError, match="'day'"):
        bind("SELECT :dya", {"day": "1"})


@settings(deadline=None, max_examples=50)
@given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_value_is_one_literal_whatever_it_holds(tmp_path_factory, value):
    session = Session(Settings.load({}, lakehouse=tmp_path_factory.getbasetemp() / "none"))
    rows = session.query(bind("SELECT :v AS v, 1 AS one", {"v": value})).read_all().to_pylist()
    assert rows == [{"v": value, "one": 1}]
