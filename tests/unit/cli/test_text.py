"""Numbers, values and grids as text."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count as forever
from itertools import islice

import pytest

from lakeflow.cli.text import cell, count, duration, grid, json_value, printable, rate, width


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.00 s"),
        (0.994, "0.99 s"),
        (0.999, "1.0 s"),
        (59.94, "59.9 s"),
        (59.99, "1 min 0 s"),
        (3599.4, "59 min 59 s"),
        (3599.9, "1 h 0 min"),
        (90_000, "25 h 0 min"),
    ],
)
def test_duration(seconds, said):
    assert duration(seconds) == said


def test_count_and_rate():
    assert [count(n, "row") for n in (0, 1, 2, 1_000_000)] == [
        "0 rows",
        "1 row",
        "2 rows",
        "1,000,000 rows",
    ]
    assert [rate(0, 5), rate(5, 0), rate(5, 2), rate(5_000_000, 2)] == [
        "",
        "",
        "2.5 rows/s",
        "2,500,000 rows/s",
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.0, "1.0"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.000000100"), "0.000000100"),
        (datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC), "2026-01-02 03:04:05.000600"),
        (datetime(2026, 1, 2), "2026-01-02 00:00:00"),  # noqa: DTZ001 - TIMESTAMP_NTZ
        (date(2026, 1, 2), "2026-01-02"),
        (b"\x00\xff", "X'00FF'"),
        ([("key", Decimal("1.0"))], "['key': 1.0]"),
        ({"a": {"b": ["x", None]}}, "{a: {b: ['x', NULL]}}"),
        ("tab\there", r"tab\there"),
    ],
)
def test_cell(value, said):
    assert cell(value) == said


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x9b2J", "a\rb", "a\u2028b", "\u202eabc", "\0"])
def test_no_value_moves_the_cursor(hostile):
    assert printable(hostile).isprintable()
    assert all(line.isprintable() for line in grid([hostile], [(hostile,), ([hostile],)]))


def test_json_loses_nothing_and_is_json():
    value = {
        "decimal": Decimal("12345678901234567890.10"),
        "instant": datetime(2026, 1, 2, tzinfo=UTC),
        "time": time(1, 2),
        "span": timedelta(seconds=1.5),
        "binary": b"\x01",
        "infinite": [float("inf"), float("-inf"), float("nan")],
        "map": [("k", 1)],
    }
    assert json.loads(json.dumps(json_value(value), allow_nan=False)) == {
        "decimal": "12345678901234567890.10",
        "instant": "2026-01-02T00:00:00+00:00",
        "time": "01:02:00",
        "span": 1.5,
        "binary": "01",
        "infinite": ["Infinity", "-Infinity", "NaN"],
        "map": [["k", 1]],
    }


def test_a_grid_lines_up_wide_characters():
    lines = list(grid(["city", "n"], [("東京", 1), ("Zürich", 22), ("e\u0301a", 3)]))
    assert {width(line) for line in lines} == {len("Zürich  22")}


def test_a_grid_reads_its_rows_as_a_stream():
    lines = grid(["n"], ((number,) for number in forever()))
    assert list(islice(lines, 5000))[-1].strip() == "4997"


def test_a_grid_without_rows_shows_its_columns():
    assert list(grid(["a", "name"], [])) == ["a  name", "-  ----"]


@pytest.mark.parametrize("text", ["x" * 41, "東" * 30, "x" * 39 + "東京"])
def test_cut_values_fit(text):
    line = list(grid(["v"], [(text,)], widest=40))[-1]
    assert width(line) <= 40
    assert line.endswith("…")
