"""Names of tables and lakehouses that are not plain words."""

from __future__ import annotations

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

NAMES = ["täble with space", "100%", "日本", "p^2f", "x\\y", "q[a]*?", "a.b", "a%20b"]


@pytest.mark.parametrize("name", NAMES)
def test_a_table_may_have_any_name(tmp_path, name):
    (tmp_path / "p.sql").write_text(
        f"CREATE MATERIALIZED VIEW `{name}` AS SELECT 1 AS x;"
        f"CREATE MATERIALIZED VIEW after AS SELECT x + 1 AS x FROM `{name}`;"
    )
    session = Session(Settings.load({}, lakehouse=tmp_path / "läke house"))
    for state in ("COMPLETED", "IDLE"):
        result = session.run(tmp_path / "p.sql")
        assert [flow.state for flow in result.flows][1:] == [state]
        assert session.show(f"`{name}`").rows == ((1,),)
        assert session.show("after").rows == ((2,),)


def test_a_lakehouse_whose_path_would_be_decoded_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"a%20b has a %"):
        Settings.load({}, lakehouse=tmp_path / "a%20b")
