"""What becomes of a notice that somebody has tried to deliver.

A notice is written with what it tells of, and struck out once it is delivered. A server that is
killed between a delivery and its record delivers again; the notice has the same id then.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from lakeflow.jobs.rows import DestinationRow, NoticeRow
from lakeflow.jobs.store import Reader
from lakeflow.jobs.turn import Turn

WAITS = (10, 60, 300, 1800, 7200, 21600)
"""Seconds from one try to the next; after the last of them a notice is given up."""

_NEXT = (
    "sequence IN (SELECT min(sequence) FROM outbox WHERE state = 'WAITING' AND due <= ? "
    "GROUP BY kind, recipient) ORDER BY sequence"
)


def due_notices(reader: Reader, now: int) -> list[NoticeRow]:
    """The oldest notice of each recipient that may be delivered.

    Args:
        reader: Reads `jobs.db`.
        now: Milliseconds since 1970.
    """
    return reader.select(NoticeRow, _NEXT, (now,))


def next_due(reader: Reader, now: int) -> int | None:
    """When there will be something to deliver that may not be yet."""
    later = "state = 'WAITING' AND due > ? ORDER BY due LIMIT 1"
    return next((row.due for row in reader.select(NoticeRow, later, (now,))), None)


def delivered(turn: Turn, notice: NoticeRow) -> None:
    """Records that a notice has reached its recipient."""
    turn.store.update(NoticeRow, notice.sequence, state="DELIVERED", failure="")
    _tell(turn, notice, "notice.delivered", f"{recipient(notice)} was told {notice.event}.")


def failed(turn: Turn, notice: NoticeRow, why: str, *, for_good: bool = False) -> None:
    """Records that a notice could not be delivered; it is tried again, or given up.

    Args:
        turn: The transaction.
        notice: The notice as it was before the try.
        why: What happened, in one sentence without secrets.
        for_good: Whether no further try can do better.
    """
    tries = notice.tries + 1
    if not for_good and tries <= len(WAITS):
        due = turn.now + WAITS[notice.tries] * 1000
        turn.store.update(NoticeRow, notice.sequence, tries=tries, due=due, failure=why)
        turn.posted = True
        return
    turn.store.update(NoticeRow, notice.sequence, state="FAILED", tries=tries, failure=why)
    after = "" if for_good else f" after {tries} tries"
    said = f"{recipient(notice)} could not be told {notice.event}{after}: {why}"
    _tell(turn, notice, "notice.failed", said)


def recipient(notice: NoticeRow) -> str:
    """Who is told, without what is secret in an address."""
    if is_url(notice.recipient):
        return public(notice.recipient)
    return notice.recipient


def is_url(text: str) -> bool:
    """Whether the id of a destination is the destination itself."""
    return text.lower().startswith(("http://", "https://"))


def public(url: str) -> str:
    """Scheme, host and port of a URL: the rest may be a secret."""
    try:
        found = urlsplit(url)
        port = "" if found.port is None else f":{found.port}"
    except ValueError:
        return "a URL that is not one"
    return f"{found.scheme}://{found.hostname or ''}{port}"


def destination_of(reader: Reader, notice: NoticeRow) -> DestinationRow | None:
    """Where a webhook goes; None if nobody knows its id."""
    said = notice.recipient
    if is_url(said):
        return DestinationRow(said, public(said), "WEBHOOK", said, "", "", 0)
    return reader.find(DestinationRow, said)


def _tell(turn: Turn, notice: NoticeRow, type: str, message: str) -> None:  # noqa: A002 - the event's own word
    turn.tell(
        type,
        message,
        job_id=notice.job_id,
        run_id=notice.run_id,
        attempt=notice.attempt,
        task_key=notice.task_key,
        iteration=notice.iteration,
        details={"notice_id": notice.notice_id},
    )
