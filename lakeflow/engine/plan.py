"""What an update would do, before anything happens."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeflow.core.location import Location
from lakeflow.core.names import TableName
from lakeflow.engine.dry_run import check_binding
from lakeflow.engine.resolve import ResolvedFlow, TableRead

if TYPE_CHECKING:
    from lakeflow.engine.pipeline import FullRefresh, PreparedPipeline


@dataclass(frozen=True, slots=True)
class PlannedFlow:
    """What an update would do with one flow.

    Args:
        name: The flow.
        target: The table it writes, by its short name.
        kind: What the table is.
        technique: How its rows would be computed.
        reason: Why so, in one sentence.
        inputs: What it reads; streams are marked.
        location: Where it is declared.
        notes: What else a user should know, such as that it is not portable to Spark.
    """

    name: str
    target: str
    kind: str
    technique: str
    reason: str
    inputs: tuple[str, ...]
    location: Location
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What an update would do; printed by `str()`."""

    flows: tuple[PlannedFlow, ...]

    def __str__(self) -> str:
        lines = []
        for flow in self.flows:
            name = flow.target if flow.name == flow.target else f"{flow.name} -> {flow.target}"
            lines.append(f"{name} ({flow.kind.replace('_', ' ')}, {flow.location})")
            lines.append(f"    {flow.technique}: {flow.reason}")
            if flow.inputs:
                lines.append(f"    reads {', '.join(flow.inputs)}")
            lines.extend(f"    {note}" for note in flow.notes)
        return "\n".join(lines)


def plan_of(prepared: PreparedPipeline, full_refresh: FullRefresh) -> Plan:
    """Analyses a pipeline and says what would happen; nothing is written.

    Raises:
        DefinitionErrors: Everything that is declared wrongly, or every table that is lost.
    """
    selected = prepared.selected(full_refresh)
    flows = prepared.analyse(frozenset(selected))
    prepared.refuse_lost_tables(selected)
    check_binding(prepared.backend, flows)
    return Plan(tuple(_planned(prepared, flow, selected) for flow in flows))


def _planned(
    prepared: PreparedPipeline, flow: ResolvedFlow, rebuilt: Collection[TableName]
) -> PlannedFlow:
    technique, reason = _technique(prepared, flow, rebuilt)
    return PlannedFlow(
        flow.name,
        flow.query.dataset.name.short,
        flow.kind,
        technique,
        reason,
        _inputs(flow),
        flow.query.flow.location,
        prepared.natives.notes(flow.query),
    )


def _technique(
    prepared: PreparedPipeline, flow: ResolvedFlow, rebuilt: Collection[TableName]
) -> tuple[str, str]:
    if flow.query.dataset.name in rebuilt:
        return "FULL_REFRESH", "it was asked for"
    if flow.kind == "streaming_table":
        return "APPEND_ONLY", "a streaming table takes each new row once"
    if any(isinstance(leaf, TableRead) and leaf.name in rebuilt for leaf in flow.static()):
        return "COMPLETE_RECOMPUTE", "an input is refreshed in full"
    return prepared.technique(flow)


def _inputs(flow: ResolvedFlow) -> tuple[str, ...]:
    names: list[str] = []
    for leaf in (*flow.streams(), *flow.static()):
        if isinstance(leaf, TableRead):
            name = _short(leaf.name)
        else:
            name = leaf.options.get("path") or leaf.id
        names.append(f"STREAM {name}" if leaf.streaming else name)
    return tuple(names)


def _short(name: TableName) -> str:
    return name.short
