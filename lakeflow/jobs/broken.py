"""Ends a run with which the scheduler cannot go on, so that the others go on."""

from __future__ import annotations

import logging
from dataclasses import replace

from lakeflow.jobs.model import Result
from lakeflow.jobs.rows import AttemptRow, RunRow
from lakeflow.jobs.turn import Turn

_LOG = logging.getLogger(__name__)


def end_broken(turn: Turn, row: RunRow, error: Exception) -> tuple[RunRow, list[int]]:
    """Writes the end of a run that is not to be trusted any more.

    Args:
        turn: The transaction.
        row: The run.
        error: What came up.

    Returns:
        The run as it is now, and the attempts that had not ended.
    """
    _LOG.error("Run %d cannot go on.", row.run_id, exc_info=error)
    message = f"Lakeflow could not go on with it: {type(error).__name__}: {error}"
    ended = replace(
        row,
        state="TERMINATED",
        result=Result.FAILED,
        code="INTERNAL_ERROR",
        message=message,
        ended=turn.now,
    )
    turn.store.replace(ended)
    open_ones = turn.store.select(AttemptRow, "run_id = ? AND state != 'TERMINATED'", (row.run_id,))
    for attempt in open_ones:
        turn.store.replace(
            replace(
                attempt,
                state="TERMINATED",
                result=Result.FAILED,
                code="INTERNAL_ERROR",
                message=message,
                ended=turn.now,
            )
        )
    turn.tell("run.ended", f"FAILED: {message}", job_id=row.job_id, run_id=row.run_id)
    return ended, [attempt.attempt for attempt in open_ones]
