"""What a source may forget: no more than every flow attached to it has durably taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakeflow.core.failpoints import failpoint
from lakeflow.engine.batch import FlowTarget
from lakeflow.engine.inputs import StreamInput
from lakeflow.engine.records import Generation
from lakeflow.engine.run import Run


def acknowledge(run: Run, inputs: Mapping[str, StreamInput]) -> None:
    """Sends each source the minimum of what its attached flows have committed.

    Args:
        run: The update.
        inputs: The streams of a flow, by key.
    """
    for key, found in inputs.items():
        end = _taken_by_all(run, found.shared, key)
        if end is not None:
            found.commit(end)
    failpoint("source.acknowledged")


def _taken_by_all(run: Run, shared: str, key: str) -> Any:
    """The lowest position of all attached flows; None while one of them has none."""
    entries = {entry.id: entry for entry in run.state.flows()}
    lowest: Any = None
    for flow_id in run.state.attached(shared):
        entry = entries.get(flow_id)
        known = None if entry is None else run.targets.entries().get(entry.target)
        if entry is None or known is None:
            return None
        target = run.targets.known(known)
        writing = FlowTarget(entry.name, entry.id, target.name, target.main, target.companions)
        position = run.writer.position(writing)
        ends: list[Any] = [None if position.decided is None else position.decided.ends.get(key)]
        if (generation := run.staging.get(entry.target)) is not None:
            ends.append(_staged_start(run, writing, generation, key))
        if any(end is None for end in ends):
            return None
        end = min(ends)
        lowest = end if lowest is None else min(lowest, end)
    return lowest


def _staged_start(run: Run, writing: FlowTarget, generation: Generation, key: str) -> Any:
    """Where a generation that is being built began to read; nothing before it may go."""
    intent = run.writer.records(writing, generation).newest_intent(1)
    return None if intent is None or key not in intent.sources else intent.sources[key].start
