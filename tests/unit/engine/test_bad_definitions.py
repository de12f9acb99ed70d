"""Files that cannot be read and functions that return no query: told by line, and mended."""

from __future__ import annotations

import pytest

from lakeflow.core.errors import DefinitionErrors
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

HEAD = "from lakeflow import pipelines as dp\n\n\n@dp.materialized_view\ndef a():\n"
PYTHON = {
    "syntax": ("from lakeflow import pipelines as dp\n\ndef a(:\n", 3, "invalid syntax"),
    "indentation": (HEAD + "    x = 1\n  return x\n", 7, "unindent"),
    "missing module": ("import lakeflow\nimport no_such_module\n", 2, "no_such_module"),
    "an error while it is loaded": ("x = 1\ny = x / 0\n", 2, "ZeroDivisionError"),
    "nothing returned": (HEAD + "    pass\n", 4, "a returns nothing (None)"),
    "a number returned": (HEAD + "    return 5\n", 4, "a returns a builtins.int"),
    "a function that fails": (HEAD + "    return {}['x']\n", 6, "KeyError"),
}
SQL = {
    "cut off": ("CREATE MATERIALIZED VIEW b AS SELECT 1 AS x;\nCREATE STREAMING", 2, ""),
    "no statement": ("\n\nSELEC 1;", 3, "SELEC"),
    "an open quote": ("CREATE MATERIALIZED VIEW a AS\nSELECT 'x AS x;", 2, ""),
    "an open bracket": ("CREATE MATERIALIZED VIEW a AS\nSELECT (1 AS x;", 2, ""),
}
CASES = {f"{name} (py)": ("pipeline.py", *case) for name, case in PYTHON.items()}
CASES |= {f"{name} (sql)": ("pipeline.sql", *case) for name, case in SQL.items()}
MENDED = {
    "pipeline.py": HEAD + "    return dp.sql('SELECT 1 AS x')\n",
    "pipeline.sql": "CREATE MATERIALIZED VIEW a AS SELECT 1 AS x;",
}


@pytest.mark.parametrize("case", CASES)
def test_told_by_line_and_mended(tmp_path, case):
    name, text, line, said = CASES[case]
    file = tmp_path / name
    file.write_text(text)
    session = Session(Settings.load({}, lakehouse=tmp_path / "lake"))
    with pytest.raises(DefinitionErrors) as raised:
        session.run(file)
    [error] = raised.value.errors
    assert raised.value.exit_code == 2
    assert (error.location.file, error.location.line) == (str(file), line)
    assert said in error.message
    assert not list((tmp_path / "lake").rglob("*.parquet"))[1:], "the event log alone is written"
    file.write_text(MENDED[name])
    assert session.run(file).state == "COMPLETED"
    assert session.show("a").rows == ((1,),)
