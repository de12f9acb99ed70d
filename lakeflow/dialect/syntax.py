"""What the parser found wrong, in words that say nothing of the parser."""

from __future__ import annotations

import re
from typing import Any

from sqlglot.errors import SqlglotError

from lakeflow.core.errors import DefinitionError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest

_WORDS = "SELECT FROM WHERE GROUP ORDER HAVING QUALIFY JOIN UNION LIMIT DISTINCT BETWEEN LATERAL"
_KNOWN = frozenset([*_WORDS.split(), "WITH", "LEFT", "RIGHT", "INNER", "CROSS", "CASE", "WHEN"])
_BEFORE = re.compile(r"[A-Za-z_]+")


def syntax_error(location: Location, problem: SqlglotError) -> DefinitionError:
    """PARSE_SYNTAX_ERROR at the offending word, with the word that was perhaps meant."""
    details: list[dict[str, Any]] = getattr(problem, "errors", [])
    if not details or not details[0].get("line"):
        return _error("A quote or a comment is not closed", location)
    found = details[0]
    line, near = found["line"], found.get("highlight") or ""
    column = max(1, (found.get("col") or 1) - len(near) + 1)
    if line == 1 and location.column is not None:
        column += location.column - 1
    text = _said(found["description"], near, at_end=not (found.get("end_context") or "").strip())
    words = [near, *reversed(_BEFORE.findall(found.get("start_context") or "")[-2:])]
    return _error(text, location.shifted(line - 1, column), _meant(words))


def _said(description: str, near: str, *, at_end: bool) -> str:
    place = "at the end, after" if at_end else "near"
    if description.startswith("Required keyword"):
        return f"Expected an expression {place} {near!r}"
    if description.startswith("Invalid expression"):
        return f"{near!r} cannot stand here"
    expected = re.match(r"(?:Expecting|Expected) (.+?)(?: but got .*)?$", description)
    if expected is not None:
        return f"Expected {expected[1]} {place} {near!r}"
    return f"{description.rstrip('.')} near {near!r}"


def _meant(words: list[str]) -> str | None:
    for word in map(str.upper, words):
        if len(word) > 2 and word not in _KNOWN and (hint := nearest(word, _KNOWN)):
            return hint
    return None


def _error(text: str, location: Location, hint: str | None = None) -> DefinitionError:
    return DefinitionError(f"{text}.", condition="PARSE_SYNTAX_ERROR", location=location, hint=hint)
