"""Counts of a server as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lakeflow.jobs.freshness import KIND
from lakeflow.jobs.store import Reader

if TYPE_CHECKING:
    from lakeflow.server.api import Api

MEDIA = "text/plain; version=0.0.4; charset=utf-8"

Labelled = Iterable[tuple[Mapping[str, str], float]]


def metrics_text(api: Api) -> str:
    """All counts."""
    runs, tasks, saved, newest, stale = api.read(_counted)
    calls = sorted(api.counted.copy().items())
    up = float(api.server.failure is None)
    lines = [
        *_metric("lakeflow_up", "gauge", "Whether the scheduler runs.", [({}, up)]),
        *_metric("lakeflow_jobs", "gauge", "Jobs that are saved.", [({}, saved)]),
        *_metric("lakeflow_runs", "gauge", "Runs by state and result.", runs),
        *_metric("lakeflow_tasks", "gauge", "Attempts of tasks by state and result.", tasks),
        *_metric(
            "lakeflow_table_stale", "gauge", "Whether a table is older than it may be.", stale
        ),
        *_metric("lakeflow_events_total", "counter", "Events of jobs and runs.", [({}, newest)]),
        *_metric(
            "lakeflow_calls_total",
            "counter",
            "Calls of the API by their answer.",
            [({"call": call, "status": str(status)}, n) for (call, status), n in calls],
        ),
    ]
    return "\n".join(lines) + "\n"


def _counted(reader: Reader) -> tuple[Labelled, Labelled, float, float, Labelled]:
    def by_state(table: str) -> list[tuple[Mapping[str, str], float]]:
        return [
            ({"state": state, "result": result or ""}, count)
            for state, result, count in reader.totals(table)
        ]

    from lakeflow.jobs.rows import DocumentRow, JobEvent, JobRow

    newest = reader.select(JobEvent, "1 ORDER BY sequence DESC LIMIT 1")
    last = float(newest[0].sequence) if newest else 0.0
    stale: dict[str, bool] = {}
    for each in reader.select(DocumentRow, "kind = ? ORDER BY key", (KIND,)):
        table = each.value["table"]
        stale[table] = stale.get(table, False) or each.value["stale"]
    told = [({"table": table}, float(found)) for table, found in stale.items()]
    return by_state("runs"), by_state("attempts"), float(reader.count(JobRow)), last, told


def _metric(name: str, kind: str, said: str, values: Labelled) -> Iterable[str]:
    yield f"# HELP {name} {said}"
    yield f"# TYPE {name} {kind}"
    for labels, value in values:
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{'{' + inner + '}' if inner else ''} {value:.0f}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
