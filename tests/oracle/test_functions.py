"""Every function gives Spark's stored answer, raises where Spark raises, or is refused by name."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import pytest

from tests.oracle.differences import BEYOND_SPARK, DIFFERENCES
from tests.oracle.judge import FOLDER, GOOD, RAISES, RAISES_THERE, SAME, Judge, everyday, vectors
from tests.oracle.judge import random as random_queries

VECTORS = defaultdict(list)
for _vector in vectors():
    VECTORS[_vector["function"]].append(_vector)
EVERYDAY = list(everyday())
RANDOM = list(random_queries())
PARTS = 10


@cache
def judge(folder: str, time_zone: str = "UTC") -> Judge:
    return Judge(FOLDER / folder, time_zone)


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_a_function_answers_as_spark_does(name):
    check("functions", VECTORS[name])


@pytest.mark.parametrize("part", range(PARTS))
def test_a_random_query_answers_as_spark_does(part):
    check("random", RANDOM[part::PARTS])


def check(folder, asked):
    found = {}
    for vector in asked:
        outcome = judge(folder, vector.get("time_zone", "UTC")).outcome(vector)
        if outcome.kind not in GOOD:
            found[vector["id"]] = f"{vector['sql']}: {outcome.kind}: {outcome.detail}"
    named = {vector["id"] for vector in asked} & set(DIFFERENCES)
    assert {key: text for key, text in found.items() if key not in named} == {}
    assert named <= set(found), "a difference that is named exists no more"


@pytest.mark.parametrize("vector", EVERYDAY, ids=[vector["id"] for vector in EVERYDAY])
def test_an_everyday_expression_answers_as_spark_does(vector):
    outcome = judge("everyday").outcome(vector)
    wanted = (RAISES_THERE,) if vector["id"] in BEYOND_SPARK else (SAME, RAISES)
    assert outcome.kind in wanted, outcome.detail
