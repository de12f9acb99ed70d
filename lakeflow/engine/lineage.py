"""What an update is made of, as events: each flow's inputs, output and columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from lakeflow.core.clock import Clock
from lakeflow.core.events import Event
from lakeflow.engine.resolve import ResolvedFlow, SourceRead, TableRead

FLOW_TYPES = {"streaming_table": "APPEND", "materialized_view": "COMPLETE"}
"""Databricks' names for how a flow changes its table."""


def definition_events(flows: Iterable[ResolvedFlow], clock: Clock) -> Iterator[Event]:
    """One `dataset_definition` per table and one `flow_definition` per flow.

    Args:
        flows: Of the update, typed.
        clock: The time that the events carry.
    """
    told = set()
    for flow in flows:
        dataset = flow.query.dataset
        if dataset.name not in told:
            told.add(dataset.name)
            yield Event(
                "dataset_definition",
                f"{dataset.name.short} is a {flow.kind.replace('_', ' ')}.",
                clock.now(),
                dataset=dataset.name.short,
                location=dataset.location,
                details={
                    "dataset_type": flow.kind.upper(),
                    "comment": dataset.comment,
                    "partition_columns": list(dataset.partition_columns),
                    "expectations": [
                        {"name": e.name, "condition": e.condition, "action": e.violation.upper()}
                        for e in dataset.expectations
                    ],
                },
            )
        yield _flow_definition(flow, clock)


def _flow_definition(flow: ResolvedFlow, clock: Clock) -> Event:
    output = flow.query.dataset.name.short
    leaves = [*flow.streams(), *flow.static()]
    tables = sorted({leaf.name.short for leaf in leaves if isinstance(leaf, TableRead)})
    sources = sorted({_source(leaf) for leaf in leaves if isinstance(leaf, SourceRead)})
    return Event(
        "flow_definition",
        f"Flow {flow.name} is defined: {', '.join(tables + sources) or 'nothing'} -> {output}.",
        clock.now(),
        dataset=output,
        flow=flow.name,
        location=flow.query.flow.location,
        details={
            "output_dataset": output,
            "input_datasets": tables,
            "input_sources": sources,
            "flow_type": FLOW_TYPES[flow.kind],
            "schema": json.loads(flow.query.schema.to_delta())["fields"],
        },
    )


def _source(leaf: SourceRead) -> str:
    """A source without what its options may hold of secrets."""
    path = next((v for k, v in leaf.options.items() if k.lower() in ("path", "table")), None)
    return leaf.connector if path is None else f"{leaf.connector}:{path}"
