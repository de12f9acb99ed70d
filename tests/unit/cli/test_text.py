"""Numbers, values and grids as text."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count as forever
from itertools import islice

import pytest

from lakeflow.cli.text import count, duration, grid, rate, width
from lakeflow.core.values import cell, printable


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
        (Decimal("1E+3"), "1000"),
        (Decimal("0.000000100"), "0.000000100"),
        (-0.0, "-0.0"),
        (9999999.999, "9999999.999"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC), "2026-01-02 03:04:05.0006"),
        (b"", "[]"),
        ("tab\there", r"tab\there"),
    ],
)
def test_cell(value, said):
    assert cell(value) == said


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x9b2J", "a\rb", "a\u2028b", "\u202eabc", "\0"])
def test_no_value_moves_the_cursor(hostile):
    assert printable(hostile).isprintable()
    assert all(line.isprintable() for line in grid([hostile], [(hostile,), (hostile * 2,)]))


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
