"""Events, results, plans and tables as plain lines and as JSON; every function here is pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lakeflow.cli.progress import FINISHED_STATES
from lakeflow.cli.session import (
    ExpectationCounts,
    FlowResult,
    Plan,
    TableDescription,
    UpdateResult,
)
from lakeflow.cli.text import count, duration, grid
from lakeflow.core.errors import DefinitionErrors, LakeflowError
from lakeflow.core.events import Event
from lakeflow.core.values import json_value, printable

SHOWN_EVENT_TYPES = frozenset({"update_progress", "flow_progress", "planning_information"})
"""Event types that a running update prints; of others only warnings and errors."""

WIDEST_CELL = 40
"""Characters of a value that `lakeflow show` prints."""


def is_shown(event: Event) -> bool:
    """Whether a running update prints this event; that flows wait is not worth a line each."""
    if event.details.get("status") == "QUEUED":
        return False
    return event.event_type in SHOWN_EVENT_TYPES or event.level in ("WARN", "ERROR")


def event_line(event: Event, *, log: bool = False) -> str:
    """One line on one event: time, what it is about, what happened.

    Args:
        event: What happened.
        log: Says what somebody needs to know who was not there: the day, and why the update
            failed, which a running command tells on the error stream.
    """
    moment = event.timestamp.strftime("%Y-%m-%d %H:%M:%S" if log else "%H:%M:%S")
    if event.event_type == "update_progress" and not log:
        return f"{moment}  Update is {event.details.get('state')}."
    status = event.details.get("status")
    if event.event_type != "flow_progress" or event.flow is None or status is None:
        return f"{moment}  {_message(event)}"
    quality = event.details.get("data_quality", {})
    parts = list(
        _count_parts(
            event.details.get("metrics", {}).get("num_output_rows") or 0,
            quality.get("dropped_records") or 0,
            quality.get("quarantined_records") or 0,
            (
                (each["name"], each["passed_records"], each["failed_records"])
                for each in quality.get("expectations", ())
            ),
        )
    )
    if is_problem(event):
        parts.append(_message(event))
    return f"{moment}  {printable(event.flow):<24}  {status:<9}  {', '.join(parts)}".rstrip()


def is_problem(event: Event) -> bool:
    """Whether an event is a warning or an error that its flow's state does not tell already."""
    if event.level not in ("WARN", "ERROR"):
        return False
    return event.details.get("status") not in ("SKIPPED", "STOPPED")


def problem(event: Event) -> str:
    """A warning or an error as a person should read it; its hint stands on a line of its own."""
    message = event.message
    said = str((event.error or {}).get("message") or "")
    if said and said not in message:
        message = f"{message} {said}"
    if event.location is not None and str(event.location) not in message:
        message = f"{event.location}: {message}"
    return "\n".join(printable(line) for line in message.split("\n"))


def _message(event: Event) -> str:
    if event.level not in ("WARN", "ERROR"):
        return " ".join(printable(line.strip()) for line in event.message.split("\n"))
    text = " ".join(line.strip() for line in problem(event).split("\n"))
    return f"{'WARNING' if event.level == 'WARN' else 'ERROR'} {text}"


def _count_parts(
    rows: int, dropped: int, quarantined: int, expectations: Iterable[tuple[str, int, int]]
) -> Iterator[str]:
    if rows:
        yield count(rows, "row")
    if dropped:
        yield f"{dropped:,} dropped"
    if quarantined:
        yield f"{quarantined:,} quarantined"
    for name, passed, failed in expectations:
        if failed:
            yield f"{printable(name)} failed {failed:,} of {passed + failed:,}"


def result_lines(result: UpdateResult, seconds: float) -> list[str]:
    """How an update ended: one sentence, and one line per flow that did not finish."""
    rows = sum(flow.rows for flow in result.flows)
    dropped = sum(flow.dropped for flow in result.flows)
    quarantined = sum(flow.quarantined for flow in result.flows)
    parts = [count(len(result.flows), "flow"), f"{count(rows, 'row')} written"]
    parts += [f"{dropped:,} dropped"] if dropped else []
    parts += [f"{quarantined:,} quarantined"] if quarantined else []
    lines = [f"Update {result.state} in {duration(seconds)}: {', '.join(parts)}."]
    if result.state == "FAILED":
        lines += [
            f"  {printable(flow.name)} {flow.state}"
            for flow in result.flows
            if flow.state not in FINISHED_STATES
        ]
    return lines


def standing_lines(finished: Sequence[str], unfinished: Sequence[str]) -> list[str]:
    """Where an update stands that was stopped."""
    if not finished and not unfinished:
        return ["Stopped before any flow had begun."]
    return [
        "Stopped. What was committed stays; the next run goes on from there.",
        f"  finished: {_names(finished)}",
        f"  not finished: {_names(unfinished)}",
    ]


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names)) if names else "none"


def result_json(result: UpdateResult) -> dict[str, Any]:
    """The last object that `lakeflow run --json` prints."""
    return {
        "update_id": result.update_id,
        "state": result.state,
        "flows": [_flow_json(flow) for flow in result.flows],
    }


def _flow_json(flow: FlowResult) -> dict[str, Any]:
    return {
        "name": flow.name,
        "state": flow.state,
        "rows": flow.rows,
        "dropped": flow.dropped,
        "quarantined": flow.quarantined,
        "expectations": _expectations_json(flow.expectations),
        "seconds": round(flow.seconds, 3),
        "error": None if flow.error is None else _error_json(flow.error),
    }


def _expectations_json(expectations: Iterable[ExpectationCounts]) -> list[dict[str, Any]]:
    return [
        {"name": each.name, "passed_records": each.passed, "failed_records": each.failed}
        for each in expectations
    ]


def error_json(error: LakeflowError) -> dict[str, Any]:
    """An error as the last object that `--json` prints."""
    errors = error.errors if isinstance(error, DefinitionErrors) else [error]
    return {"errors": [_error_json(each) for each in errors]}


def _error_json(error: LakeflowError) -> dict[str, Any]:
    return failure_json(
        type(error).__name__,
        error.message,
        condition=error.condition,
        location=None if error.location is None else str(error.location),
        hint=error.hint,
    )


def failure_json(
    kind: str,
    message: str,
    *,
    condition: str | None = None,
    location: str | None = None,
    hint: str | None = None,
) -> dict[str, Any]:
    """Anything that went wrong, as one of the errors that `--json` prints."""
    return {
        "class": kind,
        "condition": condition,
        "message": message,
        "location": location,
        "hint": hint,
    }


def plan_json(plan: Plan) -> dict[str, Any]:
    """What an update would do, as one object."""
    return {
        "flows": [
            {
                "name": flow.name,
                "target": str(flow.target),
                "kind": flow.kind,
                "technique": flow.technique,
                "reason": flow.reason,
                "notes": list(flow.notes),
                "inputs": [str(name) for name in flow.inputs],
                "location": None if flow.location is None else str(flow.location),
            }
            for flow in plan.flows
        ]
    }


def description_lines(table: TableDescription) -> Iterator[str]:
    """A table: what it is, its columns, its first rows, its expectations."""
    kind = table.kind.replace("_", " ")
    yield f"{table.name}  {kind}, version {table.version}, {count(table.row_count, 'row')}"
    if table.comment:
        yield f"  {printable(table.comment)}"
    yield ""
    columns = [
        (field.name, f"{field.type}{'' if field.nullable else ' NOT NULL'}", field.comment or "")
        for field in table.schema
    ]
    yield from grid(["column", "type", "comment"], columns)
    yield ""
    kinds = [field.type for field in table.schema]
    yield from grid(table.schema.names, table.rows, kinds, widest=WIDEST_CELL)
    if table.row_count > len(table.rows):
        yield f"… {count(table.row_count - len(table.rows), 'more row')}"
    if table.expectations:
        yield ""
        yield from grid(
            ["expectation", "passed", "failed"],
            [(each.name, each.passed, each.failed) for each in table.expectations],
        )


def description_json(table: TableDescription) -> dict[str, Any]:
    """A table as one object."""
    return {
        "name": str(table.name),
        "kind": table.kind,
        "version": table.version,
        "comment": table.comment,
        "row_count": table.row_count,
        "schema": [
            {
                "name": field.name,
                "type": str(field.type),
                "nullable": field.nullable,
                "comment": field.comment,
            }
            for field in table.schema
        ],
        "rows": [
            {
                field.name: json_value(value, field.type)
                for field, value in zip(table.schema, row, strict=True)
            }
            for row in table.rows
        ],
        "expectations": _expectations_json(table.expectations),
    }
