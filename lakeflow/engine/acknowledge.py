"""What a source may forget: no more than every flow attached to it has durably taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lakeflow.core.errors import DefinitionError, DefinitionErrors, LakeflowError, StateError
from lakeflow.core.failpoints import failpoint
from lakeflow.engine.batch import FlowTarget
from lakeflow.engine.inputs import StreamInput, attachment
from lakeflow.engine.resolve import ResolvedFlow, SourceRead
from lakeflow.engine.run import Run
from lakeflow.engine.state import FlowEntry, PipelineState, pipelines
from lakeflow.tables.store import Store


def check_sharing(flows: Sequence[ResolvedFlow]) -> None:
    """Refuses two reads of a source that gives each row to one reader only.

    Raises:
        DefinitionErrors: Every read but the first of such a source.
    """
    readers: dict[str, str] = {}
    errors: list[LakeflowError] = []
    for flow in flows:
        for leaf in _sources(flow):
            if leaf.group is None or not leaf.group.exclusive:
                continue
            name = leaf.group.name
            if name not in readers:
                readers[name] = flow.name
                continue
            errors.append(
                DefinitionError(
                    f"Flow {flow.name} reads {name}, which flow {readers[name]} reads too: what "
                    "one read of it has got, another does not get.",
                    location=leaf.location,
                    hint=f"Read the table of {readers[name]} instead.",
                )
            )
    if errors:
        raise DefinitionErrors(errors)


def attach(state: PipelineState, store: Store, flows: Sequence[ResolvedFlow]) -> None:
    """Attaches every flow to its sources, durably, before any of them reads.

    Raises:
        StateError: A source forgets what it is told, and another pipeline reads it.
    """
    for flow in flows:
        entry = state.flow(flow.name, flow.query.dataset.name)
        keys: dict[str, list[str]] = {}
        for leaf in _sources(flow):
            if leaf.group is not None:
                _refuse_others(state, store, leaf)
            keys.setdefault(attachment(leaf, entry.id), []).append(leaf.id)
        for source, found in keys.items():
            state.attach(source, entry.id, found)


def acknowledge(
    run: Run, writing: FlowTarget, ends: Mapping[str, Any], inputs: Mapping[str, StreamInput]
) -> None:
    """Sends each source the minimum of what its attached flows have committed.

    Args:
        run: The update.
        writing: A flow.
        ends: Where it stands, by key.
        inputs: Its streams, by key.
    """
    for found in inputs.values():
        # One flow at a time: the minimum of a moment ago, told later, would take back another's.
        with run.acknowledging:
            taken = _taken(run, found.shared, writing.flow_id, ends)
            if taken:
                found.commit(taken)
    failpoint("source.acknowledged")


def _taken(run: Run, shared: str, flow_id: str, ends: Mapping[str, Any]) -> list[Any]:
    """The positions of all attached flows; none while one of them has none."""
    positions: list[Any] = []
    attachments = run.state.attached(shared)
    shared_by_others = attachments.keys() - {flow_id}
    entries = {entry.id: entry for entry in run.state.flows()} if shared_by_others else {}
    for attached, keys in attachments.items():
        known = ends if attached == flow_id else _committed(run, entries.get(attached))
        if any(known.get(key) is None for key in keys):
            return []
        positions.extend(known[key] for key in keys)
    return positions


def _committed(run: Run, entry: FlowEntry | None) -> Mapping[str, Any]:
    """Where a flow stands, as its table says; nowhere while that is rebuilt from the beginning."""
    known = None if entry is None else run.targets.entries().get(entry.target)
    if entry is None or known is None:
        return {}
    target = run.targets.known(known)
    try:
        position = run.writer.position(
            FlowTarget(entry.name, entry.id, target.name, target.main, target.companions)
        )
    except StateError:
        # The flow itself is refused for it; until it is mended it holds the source back.
        return {}
    request = run.state.refresh_request()
    if request and entry.target in request.tables and position.generation.id != request.id:
        return {}
    return {} if position.decided is None else position.decided.ends


def _sources(flow: ResolvedFlow) -> Iterator[SourceRead]:
    return (leaf for leaf in flow.streams() if isinstance(leaf, SourceRead))


def _refuse_others(state: PipelineState, store: Store, leaf: SourceRead) -> None:
    """A source that several pipelines acknowledge would forget what one of them still needs."""
    assert leaf.group is not None
    for name in pipelines(store):
        if name != state.name and PipelineState(store, name).attached(leaf.group.name):
            raise StateError(
                f"Pipeline {name} reads {leaf.group.name}, which forgets what was taken.",
                location=leaf.location,
                hint="Let one pipeline read it and the other read its table, or let the other's "
                "flows go with lakeflow detach.",
            )
