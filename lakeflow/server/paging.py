"""Pages of long lists, by tokens that only we can read."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from lakeflow.server.answers import invalid
from lakeflow.server.routes import Request

PAGE = 100
"""Elements of an array of a job or a run in one answer."""


def written(**place: int | str) -> str:
    """The token of a place."""
    text = json.dumps(place, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(token: str | None, name: str, default: int = 0) -> int:
    """A number from the token of a place.

    Raises:
        Refused: The token is not one of ours.
    """
    if not token:
        return default
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        found = json.loads(text)[name]
    except (binascii.Error, ValueError, LookupError, TypeError):
        found = None
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 2**63:
        raise invalid(
            f"page_token {token!r} was not given by this list.",
            "Take next_page_token from the answer before.",
        )
    return found


def window(token: str | None, start: int, key: str, limit: int) -> tuple[str, list[int]]:
    """Where a page of a list begins, newest first, that may grow meanwhile.

    Args:
        token: From the answer before.
        start: Rows that are passed over if no token says better.
        key: The column by which the list is ordered.
        limit: How many rows are shown; one more is asked for.

    Returns:
        The end of a query in SQL, and its values.
    """
    below = read(token, "below", -1) if token and has(token, "below") else None
    if below is not None:
        return f"AND {key} < ? ORDER BY {key} DESC LIMIT ?", [below, limit + 1]
    return f"ORDER BY {key} DESC LIMIT ? OFFSET ?", [limit + 1, start]


def has(token: str, name: str) -> bool:
    """Whether a token says something of that name."""
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        return name in json.loads(text)
    except (binascii.Error, ValueError, TypeError):
        return False


def around(start: int, limit: int, last: int | None) -> dict[str, str]:
    """The tokens of the pages before and after one.

    Args:
        start: Rows before it.
        limit: Its length.
        last: Key of its last row if there are further ones.
    """
    found: dict[str, str] = {}
    if last is not None:
        found["next_page_token"] = written(start=start + limit, below=last)
    if start:
        found["prev_page_token"] = written(start=max(start - limit, 0))
    return found


def page_of(request: Request) -> int | None:
    """The page of long arrays that is asked for; None for all of it, before version 2.2."""
    return read(request.get("page_token"), "page") if request.version >= "2.2" else None


def cut(
    value: Mapping[str, Any], arrays: Sequence[str], page: int | None
) -> tuple[dict[str, Any], bool]:
    """An object with one page of each of its arrays.

    Args:
        value: The object.
        arrays: Names of its arrays.
        page: Number of the page; None for all of it.

    Returns:
        The object, and whether there are further pages.
    """
    kept = dict(value)
    if page is None:
        return kept, False
    more = False
    for name in arrays:
        if found := kept.get(name):
            kept[name] = found[page * PAGE : (page + 1) * PAGE]
            more = more or len(found) > (page + 1) * PAGE
    return kept, more


def sliced(found: Sequence[Mapping[str, Any]], name: str, start: int, limit: int) -> dict[str, Any]:
    """A page of a list that is all there.

    Args:
        found: The list.
        name: Its field.
        start: Where the page begins.
        limit: How long it is.
    """
    answer: dict[str, Any] = {name: list(found[start : start + limit])}
    if start + limit < len(found):
        answer["next_page_token"] = written(start=start + limit)
    if start:
        answer["prev_page_token"] = written(start=max(start - limit, 0))
    return answer
