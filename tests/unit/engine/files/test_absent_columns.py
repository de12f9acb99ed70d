"""Columns that a given schema names and the files do not have: told by name, never lost."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def declared(drop):
    """A read with a given schema of a file of two columns, and the warnings of its updates."""

    def make(form, schema, **options):
        folder = drop(format=form, schema=schema, **options)
        if form == "csv":
            folder.given.setdefault("header", "true")
        folder.warnings = []
        folder.session.listeners = [
            lambda event: folder.warnings.append(event) if event.level == "WARN" else None
        ]
        folder.put(f"0.{form}", content(form, ("id", "name")))
        return folder

    return make


def content(form, names, value="1"):
    if form == "csv":
        return f"{','.join(names)}\n{','.join(value for _ in names)}\n"
    sink = io.BytesIO()
    pq.write_table(pa.table({name: [value] for name in names}), sink)
    return sink.getvalue()


@pytest.mark.parametrize("mode", ["STREAM", "whole"])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_column_that_a_file_does_not_name_is_told_with_the_nearest(declared, form, mode):
    folder = declared(form, "id STRING, nam STRING")
    folder.mode = mode
    folder.taken()
    assert folder.values("id", "nam") == [("1", None)]
    [warning] = folder.warnings
    assert str(folder.files / f"0.{form}") in warning.message
    assert '"nam"' in warning.message
    assert "Did you mean 'name'?" in warning.message
    assert (warning.flow, warning.dataset) == ("t", "t")
    assert warning.location.file == str(folder.pipeline)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_many_files_are_one_warning(declared, form):
    folder = declared(form, "id STRING, nam STRING", maxFilesPerTrigger="1")
    for number in range(1, 4):
        folder.put(f"{number}.{form}", content(form, ("id", "name")))
    folder.taken()
    assert len(folder.warnings) == 1
    assert len(folder.values("id")) == 4


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_without_any_of_the_columns_is_refused(declared, form):
    folder = declared(form, "nr STRING, nam STRING")
    said = folder.refused()
    assert str(folder.files / f"0.{form}") in said
    assert 'it has "id", "name", not "nr", "nam"' in said
    assert ("header => false" in said) == (form == "csv")
    folder.given["schema"] = "id STRING, name STRING"
    folder.taken()
    assert folder.values("id", "name") == [("1", "1")]


def test_a_file_without_a_header_is_refused_with_the_way_out(declared):
    folder = declared("csv", "nr INT, nam INT")
    (folder.files / "0.csv").write_text("1,2\n3,4\n")
    assert "header => false" in folder.refused()
    folder.given["header"] = "false"
    folder.taken()
    assert folder.values("nr", "nam") == [(1, 2), (3, 4)]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_case_of_names_is_told_as_the_reason(declared, form):
    folder = declared(form, "ID STRING, NAME STRING")
    assert "readerCaseSensitive => false" in folder.refused()
    folder.given["readerCaseSensitive"] = "false"
    folder.taken()
    assert folder.values("ID", "NAME") == [("1", "1")]
    assert folder.warnings == []


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_is_rescued_is_not_lost(declared, form):
    folder = declared(form, "nr STRING", rescuedDataColumn="_rescued_data")
    folder.taken()
    assert len(folder.warnings) == 1
    assert '"name":"1"' in folder.rows()[0]["_rescued_data"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_columns_of_folders_are_in_no_file(declared, form):
    folder = declared(form, "id STRING, name STRING, year INT")
    (folder.files / f"0.{form}").rename(folder.put(f"year=2024/1.{form}", ""))
    folder.taken()
    assert folder.values("id", "year") == [("1", 2024)]
    assert folder.warnings == []


def test_columns_of_an_inferred_schema_may_be_absent(declared):
    folder = declared("csv", "")
    folder.given.pop("schema")
    folder.put("1.csv", content("csv", ("id", "city")))
    folder.taken()
    assert len(folder.values("id")) == 2
    assert [w for w in folder.warnings if "which the schema names" in w.message] == []
