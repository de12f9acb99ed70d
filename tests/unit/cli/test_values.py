"""Values of every type: printed the same by `show` and `query`, as Spark's `show` prints them."""

from __future__ import annotations

import json

import pytest

from lakeflow.cli.main import run_command
from lakeflow.cli.session import open_session

VALUES = {
    "TRUE": ("true", True),
    "CAST(7 AS TINYINT)": ("7", 7),
    "CAST(9223372036854775807 AS BIGINT)": ("9223372036854775807", 9223372036854775807),
    "CAST('12345678901234567890.10' AS DECIMAL(22,2))": (
        "12345678901234567890.10",
        "12345678901234567890.10",
    ),
    "CAST(0.1 AS FLOAT)": ("0.1", 0.1),
    "CAST(16777216 AS FLOAT)": ("1.6777216E7", 16777216.0),
    "CAST(1 AS DOUBLE)": ("1.0", 1.0),
    "CAST(1234567.5 AS DOUBLE)": ("1234567.5", 1234567.5),
    "CAST(10000000 AS DOUBLE)": ("1.0E7", 1e7),
    "CAST('-1.25e-7' AS DOUBLE)": ("-1.25E-7", -1.25e-7),
    "CAST('NaN' AS DOUBLE)": ("NaN", "NaN"),
    "CAST('-Infinity' AS DOUBLE)": ("-Infinity", "-Infinity"),
    "CAST('NaN' AS FLOAT)": ("NaN", "NaN"),
    "'naïve'": ("naïve", "naïve"),
    "CAST(NULL AS STRING)": ("NULL", None),
    "CAST('a' AS BINARY)": ("[61]", "61"),
    "DATE'0099-02-03'": ("0099-02-03", "0099-02-03"),
    "TIMESTAMP'2026-01-02 03:04:05.0600'": (
        "2026-01-02 03:04:05.06",
        "2026-01-02T03:04:05.060000+00:00",
    ),
    "TIMESTAMP'2026-01-02 05:00:00+02:00'": ("2026-01-02 03:00:00", "2026-01-02T03:00:00+00:00"),
    "CAST('2026-01-02 03:04:05' AS TIMESTAMP_NTZ)": ("2026-01-02 03:04:05", "2026-01-02T03:04:05"),
    "array(1, NULL)": ("[1, NULL]", [1, None]),
    "array('a', 'b')": ("[a, b]", ["a", "b"]),
    "array(CAST('NaN' AS DOUBLE), CAST(0.1 AS DOUBLE))": ("[NaN, 0.1]", ["NaN", 0.1]),
    "array(CAST(0.1 AS FLOAT))": ("[0.1]", [0.1]),
    "array(array(1), array())": ("[[1], []]", [[1], []]),
    "map('k', 1)": ("{k -> 1}", {"k": 1}),
    "map(1, array(1.50))": ("{1 -> [1.50]}", {"1": ["1.50"]}),
    "map_from_arrays(CAST(array() AS ARRAY<STRING>), CAST(array() AS ARRAY<INT>))": ("{}", {}),
    "named_struct('a', 1, 'b', 'x', 'c', CAST(NULL AS INT))": (
        "{1, x, NULL}",
        {"a": 1, "b": "x", "c": None},
    ),
    "named_struct('m', map('k', DATE'2026-01-02'))": (
        "{{k -> 2026-01-02}}",
        {"m": {"k": "2026-01-02"}},
    ),
    "array(named_struct('d', CAST(1.10 AS DECIMAL(5,2))))": ("[{1.10}]", [{"d": "1.10"}]),
}


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("values")
    columns = ",\n".join(f"{value} AS c{number}" for number, value in enumerate(VALUES))
    (folder / "p.sql").write_text(f"CREATE MATERIALIZED VIEW t AS SELECT {columns};")
    assert run_command(["run", str(folder / "p.sql"), f"--lakehouse={folder}"], open_session) == 0
    return folder


def told(capsys, *words):
    capsys.readouterr()
    assert run_command(list(words), open_session) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("number", range(len(VALUES)), ids=list(VALUES))
def test_show_and_query_print_what_spark_shows(lakehouse, capsys, number):
    wanted, _ = list(VALUES.values())[number]
    query = told(capsys, "query", f"SELECT c{number} FROM t", f"--lakehouse={lakehouse}")
    assert query.splitlines()[2].strip() == wanted


def test_show_and_query_print_the_same(lakehouse, capsys):
    query = told(capsys, "query", "SELECT * FROM t", f"--lakehouse={lakehouse}").splitlines()
    assert query[-1] in told(capsys, "show", "t", f"--lakehouse={lakehouse}").splitlines()


def test_json_is_valid_and_keeps_every_digit(lakehouse, capsys):
    wanted = {f"c{number}": value for number, (_, value) in enumerate(VALUES.values())}

    def read(text):
        return json.loads(text, parse_constant=pytest.fail)  # NaN and Infinity are not JSON

    where = f"--lakehouse={lakehouse}"
    assert read(told(capsys, "query", "SELECT * FROM t", "--json", where)) == wanted
    assert read(told(capsys, "show", "t", "--json", where))["rows"] == [wanted]
