"""Rules that the rows of a dataset must meet, as decorators above or below its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lakeflow.core.errors import DefinitionError
from lakeflow.core.location import Location, caller_location
from lakeflow.pipelines.api import add_expectations, declaring
from lakeflow.pipelines.elements import Expectation, Violation

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]


def expect(name: str, inv: str) -> Decorator[Any]:
    """Counts the rows that violate a condition, and keeps them.

    Args:
        name: The expectation's name.
        inv: A condition in Spark SQL; NULL violates.

    Example:
        >>> @expect("positive", "amount > 0")
        ... def orders(): ...
    """
    return _rules({name: inv}, "warn")


def expect_or_drop(name: str, inv: str) -> Decorator[Any]:
    """Drops the rows that violate a condition; see `expect`.

    Example:
        >>> @expect_or_drop("positive", "amount > 0")
        ... def orders(): ...
    """
    return _rules({name: inv}, "drop")


def expect_or_fail(name: str, inv: str) -> Decorator[Any]:
    """Fails the update if a row violates a condition; see `expect`.

    Example:
        >>> @expect_or_fail("has id", "id IS NOT NULL")
        ... def orders(): ...
    """
    return _rules({name: inv}, "fail")


def expect_or_quarantine(name: str, inv: str) -> Decorator[Any]:
    """Keeps the rows that violate a condition in `<table>_quarantine`; see `expect`.

    Example:
        >>> @expect_or_quarantine("has scorer", "scorer IS NOT NULL")
        ... def goals(): ...
    """
    return _rules({name: inv}, "quarantine")


def expect_all(expectations: Mapping[str, str]) -> Decorator[Any]:
    """Several of `expect`, as name -> condition.

    Example:
        >>> @expect_all({"positive": "amount > 0", "has id": "id IS NOT NULL"})
        ... def orders(): ...
    """
    return _rules(expectations, "warn")


def expect_all_or_drop(expectations: Mapping[str, str]) -> Decorator[Any]:
    """Several of `expect_or_drop`, as name -> condition.

    Example:
        >>> @expect_all_or_drop({"has id": "id IS NOT NULL"})
        ... def orders(): ...
    """
    return _rules(expectations, "drop")


def expect_all_or_fail(expectations: Mapping[str, str]) -> Decorator[Any]:
    """Several of `expect_or_fail`, as name -> condition.

    Example:
        >>> @expect_all_or_fail({"has id": "id IS NOT NULL"})
        ... def orders(): ...
    """
    return _rules(expectations, "fail")


def expect_all_or_quarantine(expectations: Mapping[str, str]) -> Decorator[Any]:
    """Several of `expect_or_quarantine`, as name -> condition.

    Example:
        >>> @expect_all_or_quarantine({"has scorer": "scorer IS NOT NULL"})
        ... def goals(): ...
    """
    return _rules(expectations, "quarantine")


def _rules(conditions: Mapping[str, str], violation: Violation) -> Decorator[Any]:
    location = caller_location()
    return declaring(
        lambda _, function: add_expectations(function, _read(conditions, violation, location)),
        location,
    )


def _read(
    conditions: Mapping[str, str], violation: Violation, location: Location
) -> list[Expectation]:
    if isinstance(conditions, Mapping) and all(
        isinstance(part, str) for pair in conditions.items() for part in pair
    ):
        return [Expectation(n, text, violation, location) for n, text in conditions.items()]
    raise DefinitionError(
        f"Expectations are a dict of str to str, name to condition, not {conditions!r}.",
        condition="NOT_EXPECTED_TYPE",
        location=location,
        hint="Write a condition as Spark SQL text.",
    )
