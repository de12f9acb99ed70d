"""Columns that come later: in each format and each mode, without a lost or a doubled row."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

FORMATS = ("csv", "json", "parquet")


def written(form: str, rows: list[dict]) -> bytes:
    """Rows in a format; a key that a row lacks is NULL, and columns are those of all rows."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if form == "json":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    target = io.BytesIO()
    if form == "csv":
        pyarrow.csv.write_csv(table, target)
    else:
        pq.write_table(table, target)
    return target.getvalue()


DAYS = [
    [{"id": 1, "name": "ann", "price": 1.5}, {"id": 2, "name": "bob", "price": None}],
    [{"id": 3, "name": None, "price": 2.25, "city": "Ulm"}],
    [{"name": "eve", "id": 4, "more": 7, "city": "Bonn"}],
]
ALL = sorted(
    [
        (1, "ann", 1.5, None, None),
        (2, "bob", None, None, None),
        (3, None, 2.25, "Ulm", None),
        (4, "eve", None, "Bonn", 7),
    ],
    key=repr,
)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("daily", [True, False])
def test_new_columns_are_added_in_one_update(drop, form, daily):
    folder = drop(format=form)
    for number, rows in enumerate(DAYS):
        folder.put(f"{number}.{form}", written(form, rows))
        if daily:
            folder.taken()
    folder.taken()
    assert folder.values("id", "name", "price", "city", "more") == ALL
    # Only columns that came later come last. Keys of JSON have no order, so names give one.
    names = folder.schema()
    assert names.replace(" _rescued_data STRING,", "").replace(", _rescued_data STRING", "") == (
        "city STRING, id BIGINT, more BIGINT, name STRING, price DOUBLE"
        if form == "json" and not daily
        else "id BIGINT, name STRING, price DOUBLE, city STRING, more BIGINT"
    )
    assert {row["_rescued_data"] for row in folder.rows()} == {None}
    assert folder.run().state == "IDLE"


def test_the_same_data_in_three_formats_give_equal_tables(drop):
    tables = []
    for form in FORMATS:
        folder = drop(form, format=form)
        for number, rows in enumerate(DAYS):
            folder.put(f"{number}.{form}", written(form, rows))
            folder.taken()
        tables.append((folder.schema(), folder.values("id", "name", "price", "city", "more")))
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize("form", FORMATS)
def test_rescue_keeps_new_columns_apart(drop, form):
    folder = drop(format=form, schemaEvolutionMode="rescue")
    folder.put(f"0.{form}", written(form, DAYS[0]))
    folder.taken()
    path = folder.put(f"1.{form}", written(form, DAYS[1]))
    folder.taken()
    assert folder.schema() == "id BIGINT, name STRING, price DOUBLE, _rescued_data STRING"
    [kept] = [row["_rescued_data"] for row in folder.rows() if row["id"] == 3]
    assert json.loads(kept) == {"city": "Ulm", "_file_path": str(path)}


@pytest.mark.parametrize("form", FORMATS)
def test_none_ignores_new_columns(drop, form):
    folder = drop(format=form, schemaEvolutionMode="none")
    folder.put(f"0.{form}", written(form, DAYS[0]))
    folder.taken()
    folder.put(f"1.{form}", written(form, DAYS[1]))
    folder.taken()
    assert folder.schema() == "id BIGINT, name STRING, price DOUBLE"
    assert (3, None, 2.25) in folder.values("id", "name", "price")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("declared", [True, False])
def test_fail_on_new_columns(drop, form, declared):
    schema = {"schema": "id BIGINT, name STRING, price DOUBLE"} if declared else {}
    folder = drop(format=form, schemaEvolutionMode="failOnNewColumns", header="true", **schema)
    if form != "csv":
        folder.given.pop("header")
    folder.put(f"0.{form}", written(form, DAYS[0]))
    folder.taken()
    path = folder.put(f"1.{form}", written(form, DAYS[1]))
    for _ in range(2):
        said = folder.refused()
        assert "UNKNOWN_FIELD_EXCEPTION.NEW_FIELDS_IN_FILE" in said
        assert "city" in said
    path.unlink()
    folder.given["ignoreMissingFiles"] = "true"
    folder.put(f"2.{form}", written(form, DAYS[0]))
    assert len(folder.taken()) == 4


@pytest.mark.parametrize("form", FORMATS)
def test_a_given_schema_takes_no_new_columns(drop, form):
    folder = drop(format=form, schema="id INT, price DECIMAL(10,2)")
    if form == "csv":
        folder.given["header"] = "true"
    folder.put(f"0.{form}", written(form, DAYS[1]))
    folder.taken()
    assert folder.schema() == "id INT, price DECIMAL(10,2)"
    assert [str(v) for v in folder.rows()[0].values()] == ["3", "2.25"]


@pytest.mark.parametrize("form", FORMATS)
def test_hints_decide_types_and_name_columns_that_are_not_there_yet(drop, form):
    folder = drop(format=form, schemaHints="price DECIMAL(10,3), id STRING, later DATE")
    folder.put(f"0.{form}", written(form, DAYS[0]))
    folder.taken()
    assert folder.schema().startswith(
        "id STRING, name STRING, price DECIMAL(10,3), later DATE, _rescued_data"
    )
    assert [row["id"] for row in folder.rows() if row["name"] == "ann"] == ["1"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_value_of_another_type_is_rescued(drop, form):
    folder = drop(format=form)
    folder.put(f"0.{form}", written(form, [{"id": 1, "price": 1.5}]))
    folder.taken()
    path = folder.put(f"1.{form}", written(form, [{"id": "two", "price": 3.5}]))
    folder.taken()
    assert folder.values("id", "price") == [(1, 1.5), (None, 3.5)]
    [kept] = [row["_rescued_data"] for row in folder.rows() if row["id"] is None]
    assert json.loads(kept) == {"id": "two", "_file_path": str(path)}
    assert folder.schema() == "id BIGINT, price DOUBLE, _rescued_data STRING"


@pytest.mark.parametrize("form", FORMATS)
def test_a_name_in_another_case_is_rescued(drop, form):
    folder = drop(format=form)
    folder.put(f"0.{form}", written(form, [{"id": 1}]))
    folder.taken()
    path = folder.put(f"1.{form}", written(form, [{"ID": 2}]))
    folder.taken()
    assert folder.values("id") == [(1,), (None,)]
    [kept] = [row["_rescued_data"] for row in folder.rows() if row["id"] is None]
    found = json.loads(kept)
    assert str(found.pop("ID")) == "2"
    assert found == {"_file_path": str(path)}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_case_can_be_ignored(drop, form):
    folder = drop(format=form, readerCaseSensitive="false")
    folder.put(f"0.{form}", written(form, [{"id": 1}]))
    folder.put(f"1.{form}", written(form, [{"ID": 2}]))
    folder.taken()
    assert folder.values("id", "_rescued_data") == [(1, None), (2, None)]


def test_case_of_json_keys_counts(drop):
    folder = drop(format="json", readerCaseSensitive="false")
    folder.put("0.json", '{"id": 1}\n')
    assert "readerCaseSensitive" in folder.wrong()


@pytest.mark.parametrize("form", FORMATS)
def test_a_view_of_the_same_files_hides_no_new_column_from_a_stream(tmp_path, form):
    folder, pipeline = tmp_path / "in", tmp_path / "pipeline.sql"
    folder.mkdir()
    files = f"read_files('in', format => '{form}')"
    pipeline.write_text(
        f"CREATE STREAMING TABLE t AS SELECT * FROM STREAM {files};\n"
        f"CREATE MATERIALIZED VIEW whole AS SELECT * FROM {files};\n"
    )
    session = Session(Settings.load({}, lakehouse=tmp_path / "lake"))
    for number, rows in enumerate(([{"id": 1}], [{"id": 2, "more": 7}])):
        (folder / f"{number}.{form}").write_bytes(written(form, rows))
        assert session.run(pipeline).state == "COMPLETED"
    for table in ("t", "whole"):
        rows = session.query(f"SELECT id, more, _rescued_data FROM {table} ORDER BY id").read_all()
        assert [tuple(row.values()) for row in rows.to_pylist()] == [(1, None, None), (2, 7, None)]


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_structs_grow(drop, form):
    folder = drop(format=form)
    folder.put(f"0.{form}", written(form, [{"s": {"x": 1}, "l": [{"a": "p"}]}]))
    folder.taken()
    folder.put(f"1.{form}", written(form, [{"s": {"y": "t", "x": 2}, "l": [{"b": 5, "a": "q"}]}]))
    folder.taken()
    for column in ("s STRUCT<x: BIGINT, y: STRING>", "l ARRAY<STRUCT<a: STRING, b: BIGINT>>"):
        assert column in folder.schema()
    assert folder.values("s", "l", "_rescued_data") == [
        ({"x": 1, "y": None}, [{"a": "p", "b": None}], None),
        ({"x": 2, "y": "t"}, [{"a": "q", "b": 5}], None),
    ]


def test_new_columns_only_of_null_are_no_columns_yet(drop):
    folder = drop(format="json")
    folder.put("0.json", '{"id": 1}\n')
    folder.taken()
    folder.put("1.json", '{"id": 2, "new": null}\n')
    folder.taken()
    folder.put("2.json", '{"id": 3, "new": 1.5}\n')
    folder.taken()
    assert folder.schema() == "id BIGINT, _rescued_data STRING, new DOUBLE"


def test_schema_changes_do_not_double_batches(drop):
    folder = drop(format="json", maxFilesPerTrigger="1")
    for number in range(6):
        folder.put(f"{number}.json", json.dumps({"id": number, f"c{number}": number}) + "\n")
    folder.taken()
    assert folder.values("id") == [(n,) for n in range(6)]
    assert [row[f"c{row['id']}"] for row in folder.rows()] == [row["id"] for row in folder.rows()]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"schemaEvolutionMode": "addNewColumnsWithTypeWidening"}, "is not supported"),
        ({"schemaEvolutionMode": "recue"}, "no schemaEvolutionMode"),
        ({"schemaEvolutionMode": "addNewColumns", "schema": "id INT"}, "given schema"),
        ({"schemaHints": "id INT", "schema": "id INT"}, "given schema"),
        ({"schemaHints": "id NUMBR"}, "NUMBR"),
        ({"modus": "x"}, "no option modus"),
        ({"mode": "LOOSE"}, "PERMISSIVE, DROPMALFORMED or FAILFAST"),
        ({"multiLine": "perhaps"}, "true or false"),
        ({"header": "true"}, "header"),
        ({"maxFilesPerTrigger": "0"}, "maxFilesPerTrigger"),
        ({"maxFilesPerTrigger": "many"}, "maxFilesPerTrigger"),
    ],
)
def test_options_are_looked_at_before_anything_runs(drop, options, said):
    folder = drop(format="json", **options)
    folder.put("0.json", '{"id": 1}\n')
    assert said in folder.wrong()
