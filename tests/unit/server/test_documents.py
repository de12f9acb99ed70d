"""docs/api.md says what the table of routes says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lakeflow.server.api import table

DOCUMENT = Path(__file__).parents[3] / "docs" / "api.md"


def row(route) -> str:
    return f"| `{route.method} {route.paths[0]}` | {route.status} | {route.summary} |"


def test_every_route_is_in_the_document_and_nothing_else():
    found = re.findall(r"^\| `[A-Z]+ /.*$", DOCUMENT.read_text(), re.MULTILINE)
    assert found == [row(route) for route in table().routes]


@pytest.mark.parametrize(
    "route", table().routes, ids=lambda route: f"{route.method} {route.paths[0]}"
)
def test_every_route_says_what_it_is(route):
    assert route.summary.endswith(".")
    assert all(each.meaning.endswith(".") for each in route.parameters)
    names = [each.name for each in route.parameters]
    assert len(names) == len(set(names))
