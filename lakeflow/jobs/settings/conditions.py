"""If/else conditions and the inputs of for-each tasks, once their references are resolved."""

from __future__ import annotations

import json
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest
from lakeflow.jobs.model import JsonValue, Result
from lakeflow.jobs.settings.scope import as_text

MOST_INPUTS = 100_000
"""Items that a for-each task may have."""

MOST_INPUT_BYTES = 16 * 1024 * 1024
"""Size of the JSON array that holds them."""

_BY_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "EQUAL_TO": operator.eq,
    "NOT_EQUAL": operator.ne,
}
_BY_NUMBER: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    "GREATER_THAN": operator.gt,
    "GREATER_THAN_OR_EQUAL": operator.ge,
    "LESS_THAN": operator.lt,
    "LESS_THAN_OR_EQUAL": operator.le,
}
OPERATORS = (*_BY_TEXT, *_BY_NUMBER)
"""What a condition may compare by."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")


def evaluate(op: str, left: JsonValue, right: JsonValue) -> bool:
    """Whether a condition holds: equality compares texts, an order compares numbers.

    Args:
        op: One of `OPERATORS`.
        left: Its first operand, resolved.
        right: Its second.

    Raises:
        ConfigurationError: There is no such operator, or a number is needed and is not there.

    Example:
        >>> evaluate("EQUAL_TO", "12.0", "12"), evaluate("GREATER_THAN_OR_EQUAL", "12.0", "12")
        (False, True)
    """
    if op in _BY_TEXT:
        return _BY_TEXT[op](as_text(left), as_text(right))
    if op in _BY_NUMBER:
        return _BY_NUMBER[op](_number(op, "left", left), _number(op, "right", right))
    raise ConfigurationError(
        f"A condition cannot compare by {op!r}.",
        hint=nearest(op, OPERATORS) or f"It can by {', '.join(OPERATORS)}.",
    )


def _number(op: str, side: str, value: JsonValue) -> Decimal:
    text = as_text(value).strip()
    if _NUMBER.fullmatch(text):
        try:
            return Decimal(text)
        except InvalidOperation:
            pass
    raise ConfigurationError(
        f"{op} compares numbers, and its {side} operand is {text[:100]!r}.",
        hint="Compare texts with EQUAL_TO or NOT_EQUAL.",
    )


def for_each_inputs(inputs: JsonValue) -> list[JsonValue]:
    """The items over which a for-each task goes.

    Args:
        inputs: A JSON array, or one as text, resolved.

    Raises:
        ConfigurationError: It is something else, or too large.

    Example:
        >>> for_each_inputs('["north", {"shop": "south"}]')
        ['north', {'shop': 'south'}]
    """
    items = _from_json(inputs) if isinstance(inputs, str) else inputs
    if not isinstance(items, list):
        raise ConfigurationError(
            f"The inputs of a for-each task are a JSON array, not {as_text(items)[:100]}.",
            hint='Write them as ["a", "b"], or refer to a parameter or task value that is one.',
        )
    if len(items) > MOST_INPUTS:
        raise ConfigurationError(
            f"A for-each task has {len(items):,} inputs; it may have {MOST_INPUTS:,}.",
            hint="Give it ranges of items instead of single ones.",
        )
    return items


def _from_json(text: str) -> JsonValue:
    if len(text.encode(errors="surrogatepass")) > MOST_INPUT_BYTES:
        raise ConfigurationError(
            f"The inputs of a for-each task are larger than {MOST_INPUT_BYTES // 1024**2} MiB.",
            hint="Give it names of what the tasks shall read instead of the data.",
        )
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_exact)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"The inputs of a for-each task are no JSON: {error}. They are {text[:100]!r}.",
            hint='Write them as ["a", "b"].',
        ) from None


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _exact(text: str) -> float:
    number = float(text)
    if Decimal(text) != Decimal(repr(number)):
        raise ValueError(f"{text[:100]} has more digits than a number holds; put it in quotes")
    return number


@dataclass(frozen=True, slots=True)
class Iteration:
    """Where one run of a for-each task's inner task has got to.

    Args:
        scheduled: Whether it has been given a run.
        result: What its last attempt came to; None while it has not ended.
        message: Why it failed.
        category: Its termination code, such as `RUN_EXECUTION_ERROR`.
    """

    scheduled: bool = False
    result: Result | None = None
    message: str = ""
    category: str = ""


def for_each_stats(iterations: Iterable[Iteration]) -> dict[str, JsonValue]:
    """What the API tells of a for-each task: counts, and the three errors most often met."""
    every = list(iterations)
    ended = [each for each in every if each.result is not None]
    failures = [each for each in ended if each.result is not None and each.result.failed]
    scheduled = [each for each in every if each.scheduled or each.result is not None]
    errors = Counter((each.message, each.category) for each in failures)
    return {
        "task_run_stats": {
            "total_iterations": len(every),
            "scheduled_iterations": len(scheduled),
            "active_iterations": len(scheduled) - len(ended),
            "completed_iterations": len(ended),
            "succeeded_iterations": len(ended) - len(failures),
            "failed_iterations": len(failures),
        },
        "error_message_stats": [
            {"error_message": message, "termination_category": category, "count": count}
            for (message, category), count in errors.most_common(3)
        ],
    }
