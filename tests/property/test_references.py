"""References and conditions on random texts, against scanners that know no regular expression."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.settings.conditions import evaluate, for_each_inputs
from lakeflow.jobs.settings.known_references import KNOWN, TIME_ARGUMENTS
from lakeflow.jobs.settings.references import Reference, check, parse, resolve
from lakeflow.jobs.settings.scope import Scope, as_text

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORD = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
NOW = datetime(2026, 1, 1, tzinfo=UTC)

soup = st.lists(
    st.sampled_from(["{", "}", "{{", "}}", "`", "``", ".", " ", "[", "]", "a", "job", "id", "é"])
).map("".join)
names = st.text(min_size=1, max_size=8)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | soup
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def path_of(inside: str) -> tuple[str, ...] | None:
    """The parts between braces, read letter by letter."""
    parts, rest = [], inside.strip(" \t")
    while True:
        part = ""
        if rest[:1] == "`":
            rest = rest[1:]
            while rest and (rest[0] != "`" or rest[:2] == "``"):
                part, rest = part + rest[0], rest[2 if rest[0] == "`" else 1 :]
            if not rest:
                return None
            rest = rest[1:]
        else:
            bracket = rest[:1] == "["
            rest = rest[bracket:]
            while rest and rest[0] in WORD:
                part, rest = part + rest[0], rest[1:]
            if bracket:
                if rest[:1] != "]":
                    return None
                rest = rest[1:]
        if not part:
            return None
        parts.append(part)
        if not rest:
            return tuple(parts)
        if rest[0] != ".":
            return None
        rest = rest[1:]


def naive(text: str) -> list[str | tuple[str, ...]]:
    """Letters and references, by trying every end for every start."""
    found: list[str | tuple[str, ...]] = []
    position = 0
    while position < len(text):
        if text.startswith("{{", position):
            for end in range(position + 2, len(text) - 1):
                path = text.startswith("}}", end) and path_of(text[position + 2 : end])
                if path:
                    found.append(path)
                    position = end + 2
                    break
            else:
                found.append(text[position])
                position += 1
        else:
            found.append(text[position])
            position += 1
    return found


@UNHURRIED
@given(soup | st.text())
def test_parse_finds_what_a_slow_scanner_finds(text):
    parsed = parse(text)
    letters = [
        each for part in parsed for each in ([part.path] if isinstance(part, Reference) else part)
    ]
    assert letters == naive(text)
    assert "".join(map(str, parsed)) == text


@UNHURRIED
@given(st.lists(names, min_size=1, max_size=4))
def test_a_reference_prints_as_it_is_read(path):
    assert parse(str(Reference.to(*path))) == (Reference.to(*path),)


@UNHURRIED
@given(
    st.lists(st.tuples(st.text(st.characters(exclude_characters="{}")), names), max_size=5),
    st.data(),
)
def test_values_stand_where_their_references_stood(pieces, data):
    values = {name: data.draw(st.text()) for _, name in pieces}
    scope = Scope(1, "n", 2, NOW, parameters=values)
    text = "".join(said + str(Reference.to("job", "parameters", name)) for said, name in pieces)
    assert resolve(text, scope) == "".join(said + values[name] for said, name in pieces)


known_paths = st.sampled_from(KNOWN).flatmap(
    lambda known: st.tuples(
        *(
            (st.sampled_from(sorted(TIME_ARGUMENTS)) if part == "<time>" else names)
            if part.startswith("<")
            else st.just(part)
            for part in known.pattern
        )
    )
)
mistakes = known_paths.flatmap(
    lambda path: st.sampled_from([path, path[:-1] or path, (*path, "x"), (*path[:-1], "idd")])
)


@UNHURRIED
@given(
    st.lists(mistakes.map(lambda path: str(Reference.to(*path))) | soup, max_size=4).map("".join)
)
def test_nothing_but_a_configuration_error_is_raised(text):
    with suppress(ConfigurationError):
        resolve([text], Scope(1, "n", 2, NOW))
    for error in check(
        {"tasks": [{"task_key": "a", "t": text, "for_each_task": {"task": {"t": text}}}]}
    ):
        assert isinstance(error, ConfigurationError)
        assert error.message.startswith("tasks[a].")


@UNHURRIED
@given(json_values.map(lambda value: json.loads(json.dumps(value).replace("job", "jab"))))
def test_what_has_no_references_is_the_same_after_resolving(value):
    assert resolve(value, Scope(1, "n", 2, NOW)) == value


@UNHURRIED
@given(st.dictionaries(st.text(), json_values, max_size=3))
def test_check_takes_any_json(job):
    assert check(job) == []
    for field in ("tasks", "parameters"):
        check({field: list(job.values())}, strict=True)


numbers = st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
compared = {
    "GREATER_THAN": lambda a, b: a > b,
    "GREATER_THAN_OR_EQUAL": lambda a, b: a >= b,
    "LESS_THAN": lambda a, b: a < b,
    "LESS_THAN_OR_EQUAL": lambda a, b: a <= b,
}


@UNHURRIED
@given(st.sampled_from(sorted(compared)), numbers, numbers)
def test_an_order_is_that_of_exact_numbers(op, left, right):
    assert evaluate(op, str(left), str(right)) == compared[op](Decimal(left), Decimal(right))
    assert evaluate(op, str(left), str(left)) == op.endswith("EQUAL")


@UNHURRIED
@given(st.sampled_from(["EQUAL_TO", "LESS_THAN", "like"]), json_values, json_values)
def test_conditions_raise_nothing_else(op, left, right):
    with suppress(ConfigurationError):
        assert evaluate(op, left, right) in (True, False)


@UNHURRIED
@given(st.lists(json_values, max_size=4))
def test_inputs_pass_through_json(items):
    assert for_each_inputs(json.dumps(items)) == items
    assert for_each_inputs(as_text(items)) == items


@UNHURRIED
@given(soup | st.text(alphabet='[]{}",:0123456789.eE+-ntf '))
def test_inputs_raise_nothing_else(text):
    with suppress(ConfigurationError):
        assert for_each_inputs(text) == json.loads(text)
