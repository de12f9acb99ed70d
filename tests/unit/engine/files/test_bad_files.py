"""Bad files: each a clear error that names file and line, or rescued by rule; nothing half-written.

After the mend the next update goes on as if nothing had been.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import threading
from collections import Counter
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.rights import rights_hold

FORMATS = ("csv", "json", "parquet")
GOOD = {"csv": b"id,v\n1,x\n2,y\n", "json": b'{"id":1,"v":"x"}\n{"id":2,"v":"y"}\n'}
GOOD["parquet"] = (
    pq.write_table(pa.table({"id": [1, 2], "v": ["x", "y"]}), sink := io.BytesIO())
    or sink.getvalue()
)
DECLARED = "id BIGINT, v STRING"
MORE = [(1, "x"), (2, "y")]


def strict(drop, form, **options):
    """A read with given columns and nothing that says what to do with what does not fit."""
    header = {"header": "true"} if form == "csv" else {}
    return drop(format=form, schema=DECLARED, **header, **options)


def lenient(drop, form, **options):
    return strict(drop, form, rescuedDataColumn="_rescued_data", **options)


CSV_LINES = {
    "another type": ("id,v\n1,x\nzwei,y\n", 3, "'zwei' of the column id is no BIGINT"),
    "too many fields": ("id,v\n1,x\n2,y,z\n3,w\n", 3, "'2,y,z' has more or fewer fields"),
    "too few fields": ("id,v\n1,x\n2\n", 3, "'2' has more or fewer fields"),
    "a line break in quotes before": ('id,v\n1,"x\ny"\nq,z\n', 4, "'q' of the column id"),
    "crlf": ("id,v\r\n1,x\r\nq,z\r\n", 3, "'q' of the column id"),
    "bom": ("\ufeffid,v\n1,x\nq,z\n", 3, "'q' of the column id"),
    "fraction": ("id,v\n1,x\n1.5,x\n", 3, "'1.5' of the column id is no BIGINT"),
}


@pytest.mark.parametrize("case", CSV_LINES)
def test_a_bad_csv_line_is_told_with_its_number(drop, case):
    text, line, said = CSV_LINES[case]
    folder = strict(drop, "csv")
    path = folder.put("bad name %20.csv", text)
    error = folder.refused()
    assert f"line {line} of {path}" in error
    assert said in error
    path.write_text("id,v\n1,x\n")
    assert folder.taken() == [{"id": 1, "v": "x"}]


def test_an_open_quote_is_taken_as_it_stands_as_in_spark(drop):
    folder = strict(drop, "csv")
    folder.put("open.csv", 'id,v\n1,x\n2,"y\n')
    folder.taken()
    assert folder.values("id", "v") == [(1, "x"), (2, '"y')]


JSON_LINES = {
    "no JSON": ('{"id":1}\n\nnope\n', 3, "'nope' is not JSON"),
    "cut off": ('{"id":1}\n{"id":2', 2, "is not JSON"),
    "no object": ('{"id":1}\n[1]\n', 2, "'[1]' is not JSON"),
    "a key twice": ('{"id":1}\n{"id":1,"id":2}\n', 2, "is not JSON"),
    "another type": ('{"id":1}\n{"id":"2"}\n', 2, "'\"2\"' of the column id is no BIGINT"),
    "too large": ('{"id":1}\n{"id":9223372036854775808}\n', 2, "is no BIGINT"),
    "fraction": ('{"id":1}\r\n{"id":1.0}\r\n', 2, "'1.0' of the column id is no BIGINT"),
    "two on a line": ('{"id":1}\n{"id":2} {"id":3}\n', 2, "is not JSON"),
}


@pytest.mark.parametrize("case", JSON_LINES)
def test_a_bad_json_line_is_told_with_its_number(drop, case):
    text, line, said = JSON_LINES[case]
    folder = strict(drop, "json")
    path = folder.put("bad.json", text)
    error = folder.refused()
    assert f"line {line} of {path}" in error
    assert said in error
    path.write_text('{"id":1}\n')
    assert folder.taken() == [{"id": 1, "v": None}]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_modes(drop, form):
    bad = {"csv": b"id,v\n1,x\nzwei,y\n", "json": b'{"id":1,"v":"x"}\n{"id":"zwei","v":"y"}\n'}[
        form
    ]
    wanted = {
        "PERMISSIVE": [(1, "x"), (None, "y")],
        "DROPMALFORMED": [(1, "x")],
    }
    declared = strict(drop, form).given
    for mode, rows in wanted.items():
        folder = drop(mode, **declared, mode=mode)
        folder.put(f"a.{form}", bad)
        folder.taken()
        assert folder.values("id", "v") == rows
    folder = drop("failfast", **declared, mode="failfast")
    path = folder.put(f"a.{form}", bad)
    assert str(path) in folder.refused()


@pytest.mark.parametrize("form", ["csv", "json"])
def test_corrupt_records_in_their_column(drop, form):
    text = {
        "csv": b"id,v\n1,x\nzwei,y\n3,z,more\n4\n",
        "json": b'{"id":1,"v":"x"}\n{"id":"zwei","v":"y"}\nnope\n',
    }[form]
    folder = strict(drop, form)
    folder.given["schema"] += ", _corrupt_record STRING"
    folder.put(f"a.{form}", text)
    folder.taken()
    kept = {row["_corrupt_record"] for row in folder.rows()}
    lines = text.decode().split("\n")
    assert kept == ({None, *lines[2:5]} if form == "csv" else {None, *lines[1:3]})
    folder = drop("named", **folder.given, columnNameOfCorruptRecord="bad")
    folder.given["schema"] = DECLARED + ", bad STRING"
    folder.put(f"a.{form}", text)
    folder.taken()
    assert {row["bad"] for row in folder.rows()} == kept


@pytest.mark.parametrize("form", FORMATS)
def test_files_without_a_row(drop, form):
    folder = strict(drop, form)
    empty = pq.write_table(pa.table({"id": pa.array([], pa.int64())}), sink := io.BytesIO())
    nothing = {"csv": b"id,v\n", "json": b"\n \r\n", "parquet": empty or sink.getvalue()}[form]
    folder.put(f"zero.{form}", b"")
    folder.put(f"empty.{form}", nothing)
    assert folder.taken() == []
    folder.put(f"good.{form}", GOOD[form])
    folder.taken()
    assert folder.values("id", "v") == MORE


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_to_infer_from(drop, form):
    folder = drop(format=form)
    assert "CF_EMPTY_DIR_FOR_SCHEMA_INFERENCE" in folder.wrong()
    folder.put(f"zero.{form}", b"")
    assert "UNABLE_TO_INFER_SCHEMA" in folder.wrong()
    folder.put(f"good.{form}", GOOD[form])
    folder.taken()
    assert folder.values("id", "v") == MORE


def test_a_header_alone_gives_columns(drop):
    folder = drop(format="csv")
    folder.put("a.csv", "id,v")
    assert folder.taken() == []
    assert folder.schema() == "id STRING, v STRING, _rescued_data STRING"


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("suffix", ["gz", "zst", "bz2"])
def test_compressed(drop, form, suffix):
    folder = drop(format=form)
    data = GOOD[form]
    pack = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "zst": lambda raw: pa.compress(raw, "zstd", asbytes=True),
    }[suffix]
    folder.put(f"a.{form}.{suffix}", pack(data))
    folder.taken()
    assert folder.values("id", "v") == MORE


DAMAGED = {
    "a.csv.gz": gzip.compress(GOOD["csv"] * 1000)[:-20],
    "b.csv.gz": b"id,v\n1,x\n",
    "a.json.gz": gzip.compress(os.urandom(3000).hex().encode())[:1000],
    "a.parquet": GOOD["parquet"][:-10],
    "b.parquet": b"PAR1" + b"\0" * 100 + b"PAR1",
    "c.parquet": b"id,v\n1,x\n",
    "bad8.csv": b"id,v\n1,x\n2,\xff\xfe\n",
    "bad8.json": b'{"id":1,"v":"x"}\n{"id":2,"v":"\xff"}\n',
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named(drop, name):
    form = next(part for part in name.split(".") if part in FORMATS)
    folder = lenient(drop, form) if form != "parquet" else drop(format=form, schema=DECLARED)
    folder.put(f"good.{form}", GOOD[form])
    folder.taken()
    path = folder.put(name, DAMAGED[name])
    for _ in range(2):
        error = folder.refused()
        assert str(path) in error
    if name.startswith("bad8"):
        assert f"line {3 if form == 'csv' else 2}" in error
    folder.given["ignoreCorruptFiles"] = "true"
    folder.put(f"later.{form}", GOOD[form])
    folder.taken()
    assert folder.values("id", "v") == sorted(MORE * 2, key=repr)


def test_another_encoding(drop):
    folder = drop(format="csv", encoding="ISO-8859-1")
    folder.put("a.csv", "id,v\n1,Z\xfcrich\n".encode("latin-1"))
    folder.taken()
    assert folder.values("id", "v") == [(1, "Z\xfcrich")]
    folder = drop("json", format="json", encoding="UTF-16LE")
    folder.put("a.json", '{"id":1,"v":"Z\xfcrich"}\r\n{"id":2}\r\n'.encode("utf-16-le"))
    folder.taken()
    assert folder.values("id", "v") == [(1, "Z\xfcrich"), (2, None)]


NAMES = [
    "with space.csv", "per%20cent%.csv", "new\nline.csv", "\u00fcml\u00e4ut.csv", "u\u0308.csv",
    "a*b?[c].csv", "quote'\".csv", "#hash&x=1.csv", "\U0001f600.csv", "back\\slash.csv",
    "sub dir/k=v/x.csv",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_names_of_files(drop, form):
    folder = strict(drop, form)
    folder.columns = "id, v, _metadata.file_path AS path, _metadata.file_name AS name"
    paths = {str(folder.put(name.replace("csv", form), GOOD[form])) for name in NAMES}
    found = folder.taken()
    assert {row["path"] for row in found} == paths
    assert {row["name"] for row in found} == {path.rsplit("/", 1)[1] for path in paths}
    assert len(found) == 2 * len(NAMES)


@pytest.mark.parametrize("way", ["..", "link/..", "file", "pattern"])
@pytest.mark.parametrize("form", ["csv", "json"])
def test_paths_of_files_are_absolute_and_without_dots(drop, tmp_path, form, way):
    folder = drop(format=form, schemaHints="id INT")
    folder.columns = "_rescued_data, _metadata.file_path AS path"
    landing = tmp_path / "p" / "landing"
    landing.mkdir()
    (tmp_path / "p" / "deep" / "inner").mkdir(parents=True)
    (tmp_path / "p" / "deep" / "landing").mkdir()
    (tmp_path / "p" / "link").symlink_to(tmp_path / "p" / "deep" / "inner")
    if way == "link/..":  # The folder above what the link leads to, as the system takes it.
        landing = tmp_path / "p" / "deep" / "landing"
    path = landing / f"a.{form}"
    path.write_text({"csv": "id\nx\n", "json": '{"id":"x"}\n'}[form])
    folder.path = {
        "..": "in/../landing",
        "link/..": "link/../landing",
        "file": f"in/.././landing/a.{form}",
        "pattern": f"in/../landing/*.{form}",
    }[way]
    [row] = folder.taken()
    assert row["path"] == str(path)
    assert json.loads(row["_rescued_data"]) == {"id": "x", "_file_path": str(path)}


@pytest.mark.parametrize("form", FORMATS)
def test_metadata_tells_the_file(drop, form):
    folder = drop(format=form)
    folder.columns = "id, _metadata"
    path = folder.put(f"a.{form}", GOOD[form])
    os.utime(path, ns=(0, 1_700_000_000_123_456_000))
    [told, _] = [row["_metadata"] for row in folder.taken()]
    assert told.pop("file_modification_time").timestamp() == 1_700_000_000.123456
    assert told == {
        "file_path": str(path),
        "file_name": f"a.{form}",
        "file_size": path.stat().st_size,
        "file_block_start": 0,
        "file_block_length": path.stat().st_size,
    }


@pytest.mark.parametrize("form", FORMATS)
def test_folders_are_columns(drop, form):
    folder = drop(format=form)
    folder.put(f"year=2023/city=S%C3%A3o/a.{form}", GOOD[form])
    folder.put(f"year=2024/city=__HIVE_DEFAULT_PARTITION__/a.{form}", GOOD[form])
    folder.taken()
    assert "year BIGINT, city STRING" in folder.schema()
    assert folder.values("id", "year", "city") == [
        (1, 2023, "S\xe3o"),
        (1, 2024, None),
        (2, 2023, "S\xe3o"),
        (2, 2024, None),
    ]
    folder.put(f"year=soon/city=Ulm/b.{form}", GOOD[form])
    folder.taken()
    kept = [json.loads(row["_rescued_data"]) for row in folder.rows() if row["city"] == "Ulm"]
    assert [found["year"] for found in kept] == ["soon", "soon"]


def test_folders_that_are_not_columns(drop):
    folder = drop(format="csv", partitionColumns="")
    folder.put("year=2023/a.csv", GOOD["csv"])
    folder.taken()
    assert folder.schema() == "id BIGINT, v STRING, _rescued_data STRING"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("then", ["grows", "vanishes", "is replaced"])
def test_a_file_that_changes_while_it_is_read(drop, form, then, monkeypatch):
    """The change comes between the check before and the check after, as another process's would."""
    from lakeflow.backends.duckdb import DuckDBSession

    folder = strict(drop, form)
    path = folder.put(f"a.{form}", GOOD[form])
    stage = DuckDBSession.stage
    once = threading.Event()

    def change(self, *arguments, **options):
        staged = stage(self, *arguments, **options)
        if not once.is_set():
            once.set()
            if then == "grows":
                path.write_bytes(GOOD[form] + GOOD[form])
            elif then == "vanishes":
                path.rename(folder.folder / "away")
            else:
                other = folder.folder / "other"
                other.write_bytes(GOOD[form])
                os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
                other.rename(path)
        return staged

    monkeypatch.setattr(DuckDBSession, "stage", change)
    error = folder.refused()
    assert str(path) in error
    assert ("vanished" if then == "vanishes" else "changed") in error
    path.write_bytes(GOOD[form])
    folder.taken()
    assert folder.values("id", "v") == MORE


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_vanishes_after_it_was_listed(drop, form, monkeypatch):
    from lakeflow.engine.files import reading

    folder = strict(drop, form)
    folder.put(f"a.{form}", GOOD[form])
    path = folder.put(f"b.{form}", GOOD[form])
    verify = reading.verify

    def vanish(*arguments):
        if path.exists():
            path.rename(folder.folder / "away")
        return verify(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(reading, "verify", vanish)
        assert f"{path} is gone since it was listed" in folder.refused()
    assert f"{path} is gone since it was listed" in folder.refused()
    (folder.folder / "away").rename(path)
    folder.taken()
    assert folder.values("id", "v") == sorted(MORE * 2, key=repr)


def test_files_and_folders_without_rights(drop):
    folder = strict(drop, "csv")
    path = folder.put("a.csv", GOOD["csv"])
    path.chmod(0)
    with rights_hold():
        assert f"{path} cannot be read" in folder.refused()
    path.chmod(0o600)
    folder.files.chmod(0)
    with rights_hold():
        assert f"{folder.files} cannot be read" in folder.refused()
    folder.files.chmod(0o700)
    folder.taken()
    assert folder.values("id", "v") == MORE


def test_json_documents_over_several_lines(drop):
    folder = drop(format="json", multiLine="true")
    folder.put("a.json", '[\n {"id": 1,\n  "v": 1.10},\n {"id": 2}\n]\n')
    folder.put("b.json", '\ufeff{"id": 3,\n "v": {"a": [1]}}\n')
    folder.taken()
    assert folder.values("id", "v") == [(1, "1.10"), (2, None), (3, '{"a":[1]}')]
    path = folder.put("c.json", '[{"id": 1},\n {"id": \n')
    assert str(path) in folder.refused()
    path.write_text('[{"id": 9}]')
    folder.taken()
    assert (9, None) in folder.values("id", "v")


def test_deep_json_is_text(drop):
    folder = drop(format="json")
    deep = "[" * 10_000 + "]" * 10_000
    folder.put("a.json", '{"id":1,"v":"x"}\n{"id":2,"v":' + deep + "}\n")
    folder.taken()
    [found] = [row["v"] for row in folder.rows() if row["id"] == 2]
    assert found == deep


def test_nested_deeper_than_a_type_is_text_inside(drop):
    folder = drop(format="json")
    deep = '{"a":' * 12 + "1" + "}" * 12
    folder.put("a.json", '{"id":1,"v":' + deep + "}\n")
    folder.taken()
    found = folder.rows()[0]["v"]
    while isinstance(found, dict):
        found = found["a"]
    assert json.loads(found)["a"] is not None


def test_a_field_of_a_million_characters(drop):
    long = "x" * 1_000_000
    for form, text in (
        ("csv", f'id,v\n1,"{long}"\n2,{long}\n'),
        ("json", f'{{"id":1,"v":"{long}"}}\n{{"id":2,"v":"{long}"}}\n'),
    ):
        folder = drop(form, format=form)
        folder.put(f"a.{form}", text)
        folder.taken()
        assert folder.values("id", "v") == [(1, long), (2, long)]


def test_crlf_in_quotes(drop):
    folder = drop(format="csv")
    folder.put("a.csv", 'id,v\r\n1,"x\r\ny"\r\n2,"a\nb"\r\n')
    folder.taken()
    assert folder.values("id", "v") == [(1, "x\r\ny"), (2, "a\nb")]


def test_quoted_lines_that_look_like_rows(drop):
    """DuckDB, which reads parts of a long file side by side, says that it cannot join them."""
    rows, line = "7,x\n" * 2_000, 'a "quoted"\nline'
    folder = drop(format="csv")
    quoted = line.replace('"', '""')
    text = "".join(f'{n},"{rows}"\n{n},"{quoted}"\n' for n in range(1_500))
    folder.put("a.csv", f"id,v\n{text}")
    folder.taken()
    found = folder.values("id", "v")
    assert Counter(n for n, _ in found) == dict.fromkeys(range(1_500), 2)
    assert Counter(v for _, v in found) == {rows: 1_500, line: 1_500}


def test_integers_of_both_signs_are_inferred_as_such(drop):
    folder = drop(format="json")
    records = [
        {"n": -2, "l": [-1, 5], "s": {"x": 3}, "low": -(2**63), "far": 2**63},
        {"n": 7, "l": [], "s": {"x": -3}, "low": 2**63 - 1, "far": -1},
    ]
    folder.put("a.json", "\n".join(map(json.dumps, records)))
    folder.taken()
    # What Apache Spark 4.3.0 infers; `far` is DECIMAL(20,0) there.
    assert folder.schema() == (
        "far DECIMAL(38,0), l ARRAY<BIGINT>, low BIGINT, n BIGINT, s STRUCT<x: BIGINT>,"
        " _rescued_data STRING"
    )
    assert folder.values("n", "low", "far", "_rescued_data") == [
        (-2, -(2**63), Decimal(2**63), None),
        (7, 2**63 - 1, Decimal(-1), None),
    ]


def test_long_integers_are_inferred_whole(drop):
    folder = drop(format="json")
    folder.put("a.json", '{"n":18446744073709551616,"m":1,"f":123456789012345678901234567890.5}\n')
    folder.taken()
    assert folder.schema().startswith("f DOUBLE, m BIGINT, n STRING")
    folder = drop("fits", format="json")
    folder.put("a.json", '{"n":9223372036854775808}\n{"n":1}\n')
    folder.taken()
    assert str(folder.rows()[0]["n"]) in ("1", "9223372036854775808")


def test_a_view_that_reads_files_whole(drop):
    folder = strict(drop, "json")
    folder.mode = "WHOLE"
    folder.put("a.json", GOOD["json"])
    folder.taken()
    path = folder.put("b.json", "nope\n")
    assert f"line 1 of {path}" in folder.refused()
    path.unlink()
    folder.taken()
    assert folder.values("id", "v") == MORE


@pytest.mark.parametrize("way", ["put back", "ignoreMissingFiles => true", "--full-refresh"])
@pytest.mark.parametrize("inferred", [True, False])
def test_ways_out_of_a_file_that_an_open_batch_names_and_that_is_gone(drop, way, inferred):
    """The batch was begun, for its intent is there, and could not be read."""
    folder = drop(format="csv", header="true", schemaEvolutionMode="none")
    if not inferred:
        folder.given["schema"] = "id INT, v STRING"
    folder.put("0.csv", "id,v\n1,x\n")
    folder.taken()
    path = folder.put("1.csv", "id,v\n2,y\n")
    os.truncate(folder.put("2.csv.gz", gzip.compress(b"id,v\n3,z\n" * 99)), 20)
    assert "2.csv.gz is damaged" in folder.refused()
    folder.put("2.csv.gz", gzip.compress(b"id,v\n3,z\n"))
    path.unlink()
    for _ in range(2):
        said = folder.refused()
        assert f"{path} is gone since it was listed" in said
        assert way in said.replace("Put it", "put")
    if way == "put back":
        path.write_text("id,v\n2,y\n")
        folder.taken()
    elif way == "--full-refresh":
        assert folder.run(full_refresh=["t"]).state == "COMPLETED"
    else:
        folder.given["ignoreMissingFiles"] = "true"
        folder.taken()
    rows = {(1, "x"), (3, "z")} | ({(2, "y")} if way == "put back" else set())
    assert folder.values("id", "v") == sorted(rows)
    folder.put("3.csv", "id,v\n4,w\n")
    folder.taken()
    assert folder.values("id", "v") == sorted(rows | {(4, "w")})


@pytest.mark.parametrize("form", FORMATS)
def test_only_what_the_query_reads_is_looked_at(drop, form):
    bad = {
        "csv": b"id,n\n1,x\n",
        "json": b'{"id":1,"n":"x"}\n',
        "parquet": pq.write_table(pa.table({"id": [1], "n": ["x"]}), sink := io.BytesIO())
        or sink.getvalue(),
    }[form]
    given = {"format": form, "schema": "id BIGINT, n BIGINT"}
    given.update({"header": "true"} if form == "csv" else {})
    folder = drop("unread", **given)
    folder.put(f"a.{form}", bad)
    folder.columns = "id"
    assert folder.taken() == [{"id": 1}]
    folder = drop("read", **given)
    folder.put(f"a.{form}", bad)
    folder.columns = "id, n"
    assert "of the column n is no BIGINT" in folder.refused()
    folder = drop("rescued", **given, rescuedDataColumn="_rescued_data")
    path = folder.put(f"a.{form}", bad)
    folder.columns = "id, _rescued_data"
    [row] = folder.taken()
    assert json.loads(row["_rescued_data"]) == {"n": "x", "_file_path": str(path)}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("mode", ["STREAM", "whole"])
def test_an_empty_folder_with_given_columns_is_an_empty_table(drop, form, mode):
    folder = strict(drop, form)
    folder.mode = mode
    folder.columns = "id, v, _metadata.file_name AS name"
    assert folder.taken() == []
    assert folder.schema() == "id BIGINT, v STRING, name STRING"
    path = folder.put(f"a.{form}", GOOD[form])
    folder.taken()
    assert folder.values("id", "v", "name") == [(*row, f"a.{form}") for row in MORE]
    if mode == "whole":
        path.unlink()
        assert folder.taken() == []
