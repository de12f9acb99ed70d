"""Jobs as the API shows them, and settings as it takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lakeflow.jobs.rows import JobRow
from lakeflow.jobs.settings.fields import ELSEWHERE, OBJECTS, TASK_TYPES
from lakeflow.server.answers import invalid
from lakeflow.server.paging import cut, written

ARRAYS = ("tasks", "job_clusters", "environments", "parameters")
"""Fields of a job that are read page by page."""

_KEYS: Mapping[str, str] = {
    "tasks": "task_key",
    "job_clusters": "job_cluster_key",
    "environments": "environment_key",
    "environment_variables": "environment_variables_key",
    "parameters": "name",
}
"""Arrays that are merged when a job is updated, and what names their elements."""

_DEFAULTS: Mapping[str, Any] = {
    "name": "Untitled",
    "format": "MULTI_TASK",
    "max_concurrent_runs": 1,
    "timeout_seconds": 0,
    "email_notifications": {},
    "webhook_notifications": {},
}

_OF_A_TASK = {field.name for field in OBJECTS["task"]} - {
    field.name for field in OBJECTS["job"]
}  # fmt: skip
ONE_TASK = "task"
"""Key of the task that older requests write into the job itself."""


def job_json(row: JobRow, page: int | None = 0, *, brief: bool = False) -> dict[str, Any]:
    """A job.

    Args:
        row: The job.
        page: Which part of its long arrays; None for all of them.
        brief: Whether its tasks are left out.
    """
    settings = {**_DEFAULTS, **row.settings}
    if brief:
        settings = {name: value for name, value in settings.items() if name not in ARRAYS}
    settings, more = cut(settings, ARRAYS, page)
    found: dict[str, Any] = {
        "job_id": row.job_id,
        "creator_user_name": row.creator,
        "run_as_user_name": row.creator,
        "created_time": row.created,
        "settings": settings,
    }
    if more and page is not None:
        found |= {"has_more": True, "next_page_token": written(page=page + 1)}
    return found


def reshaped(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with a list of tasks; older requests write the fields of the one task beside it."""
    types = [name for name in (*TASK_TYPES, *ELSEWHERE) if settings.get(name) is not None]
    if not types or settings.get("tasks"):
        return dict(settings)
    inner = {name: value for name, value in settings.items() if name in _OF_A_TASK}
    outer = {name: value for name, value in settings.items() if name not in inner}
    return {**outer, "tasks": [{"task_key": ONE_TASK, **inner}]}


def merged(
    before: Mapping[str, Any], new: Mapping[str, Any], removed: Sequence[str]
) -> dict[str, Any]:
    """The settings of a job after an update of some of them.

    Args:
        before: What it has.
        new: Fields that take the place of those it has; the elements of arrays that have a key
            take the place of those with the same.
        removed: Fields that go, or elements of such an array as `tasks/KEY`.

    Raises:
        Refused: There is nothing to remove.
    """
    found = dict(before)
    for path in removed:
        name, _, key = path.partition("/")
        if not key:
            found.pop(name, None)
        elif name in _KEYS and any(_key(name, each) == key for each in found.get(name) or ()):
            found[name] = [each for each in found[name] if _key(name, each) != key]
        else:
            raise invalid(
                f"fields_to_remove: the job has no {path}.",
                "Write a field such as schedule, or an element such as tasks/KEY.",
            )
    for name, value in new.items():
        if name in _KEYS and isinstance(value, list):
            value = _overlaid(name, found.get(name) or [], value)  # noqa: PLW2901
        found[name] = value
    return found


def _overlaid(name: str, before: Sequence[Any], new: Sequence[Any]) -> list[Any]:
    waiting = {_key(name, each): each for each in new}
    kept = [waiting.pop(key, each) for each in before if (key := _key(name, each)) or True]
    return [*kept, *waiting.values()]


def _key(name: str, element: Any) -> str:
    return str(element.get(_KEYS[name])) if isinstance(element, Mapping) else ""
