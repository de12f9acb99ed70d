"""Conditions by text and by number, and what a for-each task goes over."""

from __future__ import annotations

import json

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.model import Result
from lakeflow.jobs.settings import conditions
from lakeflow.jobs.settings.conditions import (
    OPERATORS,
    Iteration,
    evaluate,
    for_each_inputs,
    for_each_stats,
)

ORDER = {"GREATER_THAN", "GREATER_THAN_OR_EQUAL", "LESS_THAN", "LESS_THAN_OR_EQUAL"}
BIG = 2**63


@pytest.mark.parametrize(
    ("left", "right", "holding"),
    [
        ("12.0", "12", "NOT_EQUAL GREATER_THAN_OR_EQUAL LESS_THAN_OR_EQUAL"),
        ("10.0", "12", "NOT_EQUAL LESS_THAN LESS_THAN_OR_EQUAL"),
        ("9", "10", "NOT_EQUAL LESS_THAN LESS_THAN_OR_EQUAL"),
        (str(BIG), str(BIG + 1), "NOT_EQUAL LESS_THAN LESS_THAN_OR_EQUAL"),
        ("0.1", "0.10000000000000000001", "NOT_EQUAL LESS_THAN LESS_THAN_OR_EQUAL"),
        ("-0", "0", "NOT_EQUAL GREATER_THAN_OR_EQUAL LESS_THAN_OR_EQUAL"),
        ("1e3", " 1000 ", "NOT_EQUAL GREATER_THAN_OR_EQUAL LESS_THAN_OR_EQUAL"),
        ("1e999999999", "1", "NOT_EQUAL GREATER_THAN GREATER_THAN_OR_EQUAL"),
        ("+.5", "5.e-1", "NOT_EQUAL GREATER_THAN_OR_EQUAL LESS_THAN_OR_EQUAL"),
        (12, "12", "EQUAL_TO GREATER_THAN_OR_EQUAL LESS_THAN_OR_EQUAL"),
    ],
)
def test_numbers(left, right, holding):
    assert [op for op in OPERATORS if evaluate(op, left, right)] == holding.split()


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("true", True, True),
        ("True", True, False),
        ("false", "false", True),
        ("", "", True),
        ("a ", "a", False),
        ("[]", [], True),
        ("null", None, True),
    ],
)
def test_equality_compares_texts(left, right, equal):
    assert evaluate("EQUAL_TO", left, right) is equal
    assert evaluate("NOT_EQUAL", left, right) is not equal


@pytest.mark.parametrize("op", sorted(ORDER))
@pytest.mark.parametrize(
    "wrong", ["", "a", "true", "NaN", "Infinity", "1_000", "1,5", "0x1", "\u0661", "e5"]
)
def test_what_is_no_number_has_no_order(op, wrong):
    with pytest.raises(ConfigurationError) as caught:
        evaluate(op, "1", wrong)
    assert caught.value.message == f"{op} compares numbers, and its right operand is {wrong!r}."
    assert "EQUAL_TO" in caught.value.hint
    with pytest.raises(ConfigurationError, match="left operand"):
        evaluate(op, wrong, "1")


def test_there_are_six_operators_and_others_are_refused():
    assert set(OPERATORS) == {"EQUAL_TO", "NOT_EQUAL", *ORDER}
    with pytest.raises(ConfigurationError, match="Did you mean 'EQUAL_TO'"):
        evaluate("EQUALTO", "1", "1")
    with pytest.raises(ConfigurationError, match="It can by EQUAL_TO, NOT_EQUAL"):
        evaluate("==", "1", "1")


@pytest.mark.parametrize(
    "items",
    [[], ["a", "b"], [1, 2.5, True, None], [{"shop": {"id": 1}}, "x"], [[1], [2]], [2**70], [1.1]],
)
def test_inputs_are_a_json_array_or_one_as_text(items):
    assert for_each_inputs(json.dumps(items)) == items
    assert for_each_inputs(items) == items


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ('{"a": 1}', "a JSON array, not"),
        ('"a"', "a JSON array, not a"),
        ("5", "a JSON array, not 5"),
        (None, "a JSON array, not null"),
        ("", "no JSON"),
        ("a,b", "no JSON"),
        ("['a']", "no JSON"),
        ("[1, 2", "no JSON"),
        ("[NaN]", "NaN is no number"),
        ("[1e999]", "more digits than a number holds"),
        ("[1.00000000000000000001]", "more digits than a number holds"),
        (f"[{'9' * 5000}]", "no JSON"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_other_inputs_are_refused(inputs, message):
    with pytest.raises(ConfigurationError, match="inputs of a for-each task") as caught:
        for_each_inputs(inputs)
    assert message in caught.value.message
    assert len(caught.value.message) < 400
    assert caught.value.hint


def test_too_many_and_too_large_inputs_are_refused(monkeypatch):
    monkeypatch.setattr(conditions, "MOST_INPUTS", 3)
    assert for_each_inputs([1, 2, 3]) == [1, 2, 3]
    with pytest.raises(ConfigurationError, match="has 4 inputs; it may have 3"):
        for_each_inputs("[1,2,3,4]")
    monkeypatch.setattr(conditions, "MOST_INPUT_BYTES", 4)
    with pytest.raises(ConfigurationError, match="larger than"):
        for_each_inputs('["ä"]')


def test_ten_thousand_inputs_pass():
    assert len(for_each_inputs(json.dumps([{"number": n} for n in range(10_000)]))) == 10_000


def test_counts_of_iterations_and_the_errors_most_often_met():
    failed = [("a", 1), ("b", 3), ("c", 2), ("d", 4)]
    iterations = [
        Iteration(),
        Iteration(scheduled=True),
        Iteration(True, Result.SUCCESS),
        Iteration(True, Result.SUCCESS_WITH_FAILURES),
        Iteration(True, Result.TIMEDOUT, "late", "CANCELED"),
        *(
            Iteration(True, Result.FAILED, message, "RUN_EXECUTION_ERROR")
            for message, count in failed
            for _ in range(count)
        ),
    ]
    assert for_each_stats(iterations) == {
        "task_run_stats": {
            "total_iterations": 15,
            "scheduled_iterations": 14,
            "active_iterations": 1,
            "completed_iterations": 13,
            "succeeded_iterations": 2,
            "failed_iterations": 11,
        },
        "error_message_stats": [
            {"error_message": message, "termination_category": "RUN_EXECUTION_ERROR", "count": n}
            for message, n in [("d", 4), ("b", 3), ("c", 2)]
        ],
    }
    assert for_each_stats([])["task_run_stats"]["total_iterations"] == 0
