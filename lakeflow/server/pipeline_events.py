"""The events of a pipeline, from the table to which its updates write them."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from lakeflow.core.errors import DefinitionError
from lakeflow.core.settings import Settings
from lakeflow.server.answers import invalid
from lakeflow.server.paging import written

_COMPARISON = re.compile(
    r"\s*(level|id|event_type|timestamp)\s*(<=|>=|<>|!=|=|<|>|\bin\b)\s*"
    r"('[^']*'|\(\s*'[^']*'(?:\s*,\s*'[^']*')*\s*\))\s*",
    re.IGNORECASE,
)


def events_of(
    settings: Settings,
    pipeline: str,
    pipeline_id: str,
    *,
    condition: str,
    order: Any,
    limit: int,
    start: int,
) -> dict[str, Any]:
    """A page of events.

    Args:
        settings: Of the lakehouse.
        pipeline: The name by which the lakehouse knows the pipeline.
        pipeline_id: Its id here.
        condition: A filter as clients write it.
        order: `timestamp desc` or `timestamp asc`.
        limit: How many.
        start: How many are passed over.
    """
    from lakeflow.engine.eventlog import event_log_name
    from lakeflow.engine.session import Session

    way = str(order[0] if isinstance(order, list) and order else order or "timestamp desc")
    if not re.fullmatch(r"timestamp( asc| desc)?", way.strip(), re.IGNORECASE):
        raise invalid(f"order_by {way!r} is no order.", "Write timestamp desc.")
    turned = "ASC" if way.strip().lower().endswith("asc") else "DESC"
    text = (
        f"SELECT * FROM {event_log_name(pipeline)} WHERE {sql_condition(condition)} "
        f"ORDER BY timestamp {turned}, sequence.control_plane_seq_no {turned}, "
        f"sequence.data_plane_id.seq_no {turned} LIMIT {limit + 1} OFFSET {start}"
    )
    try:
        rows = Session(settings).query(text).read_all().to_pylist()
    except DefinitionError as error:
        if error.condition != "TABLE_OR_VIEW_NOT_FOUND":
            raise
        rows = []
    answer: dict[str, Any] = {"events": [_json(row, pipeline_id) for row in rows[:limit]]}
    if len(rows) > limit:
        answer["next_page_token"] = written(start=start + limit)
    if start:
        answer["prev_page_token"] = written(start=max(start - limit, 0))
    return answer


def sql_condition(text: str) -> str:
    """The SQL of a filter; nothing of what a client writes goes into it but quoted texts.

    Args:
        text: Comparisons of level, id, event_type and timestamp with texts, joined by AND.

    Raises:
        Refused: It is something else.

    Example:
        >>> sql_condition("level in ('ERROR', 'WARN') and id = 'x'")
        "level IN ('ERROR', 'WARN') AND id = 'x'"
    """
    if not text.strip():
        return "true"
    parts = []
    for each in re.split(r"\band\b", text, flags=re.IGNORECASE):
        match = _COMPARISON.fullmatch(each)
        texts = re.findall(r"'([^']*)'", match[3]) if match else []
        several = match is not None and match[3].startswith("(")
        if match is None or (match[2].lower() == "in") is not several:
            raise invalid(f"The filter {text!r} is none.", "Write level in ('ERROR', 'WARN').")
        name = match[1].lower()
        values = ", ".join(_literal(name, value) for value in texts)
        parts.append(f"{name} {match[2].upper()} {f'({values})' if several else values}")
    return " AND ".join(parts)


def _literal(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\")
    if name != "timestamp":
        return f"'{escaped}'"
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise invalid(f"{value!r} is no timestamp.", "Write 2026-01-31T10:00:00Z.") from None
    return f"CAST('{escaped}' AS TIMESTAMP)"


def _json(row: dict[str, Any], pipeline_id: str) -> dict[str, Any]:
    found = _present(row)
    found["timestamp"] = row["timestamp"].isoformat().replace("+00:00", "Z")
    found["details"] = json.loads(row["details"] or "{}")
    found["origin"]["pipeline_id"] = pipeline_id
    return dict(found)


def _present(value: Any) -> Any:
    """The value without the fields that are null."""
    if isinstance(value, dict):
        return {name: _present(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_present(each) for each in value]
    return value
