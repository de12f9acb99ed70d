"""Keeps out whoever held a pipeline's lease before and may still be writing.

Every table remembers the highest epoch that has written to it. With a lease that can only expire
the new holder commits its epoch before it relies on anything; an earlier holder finds it in the
snapshot on which it would build its next commit, and stops.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from lakeflow.core.errors import LeaseLost
from lakeflow.engine.lease import Lease
from lakeflow.tables.log import Commit
from lakeflow.tables.table import Decision, Snapshot, Table


def epoch_application(pipeline_id: str) -> str:
    """The id under which a pipeline's epochs are transactions of a table."""
    return f"lakeflow/epoch/{pipeline_id}"


def epoch_transaction(pipeline_id: str, lease: Lease) -> Mapping[str, int]:
    """What every commit carries while earlier holders may be alive."""
    return {epoch_application(pipeline_id): lease.epoch} if lease.needs_fence else {}


def check_epoch(snapshot: Snapshot, pipeline_id: str, lease: Lease) -> None:
    """Raises if a later holder of the lease has been here.

    Raises:
        LeaseLost: It has.
    """
    found = snapshot.transaction(epoch_application(pipeline_id)) or 0
    if found > lease.epoch:
        raise LeaseLost(f"Epoch {found} of this pipeline has begun; this is {lease.epoch}.")


def fence(table: Table, pipeline_id: str, lease: Lease, now: datetime) -> None:
    """Commits an epoch to a table, so that earlier holders of the lease can write no more.

    Raises:
        LeaseLost: A later holder has done so.
    """

    def decide(snapshot: Snapshot) -> Decision:
        check_epoch(snapshot, pipeline_id, lease)
        if snapshot.transaction(epoch_application(pipeline_id)) == lease.epoch:
            return Decision(None, "it is fenced")
        return Decision(Commit("FENCE", transactions=epoch_transaction(pipeline_id, lease)))

    table.commit(decide, now)
