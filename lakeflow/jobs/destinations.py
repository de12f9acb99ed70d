"""Destinations of webhooks, which jobs name by their ids."""

from __future__ import annotations

import uuid
from dataclasses import replace
from urllib.parse import urlsplit

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest
from lakeflow.jobs.control import NotFound
from lakeflow.jobs.outbox import is_url
from lakeflow.jobs.rows import DestinationRow
from lakeflow.jobs.store import Reader
from lakeflow.jobs.turn import Turn

KINDS = ("WEBHOOK", "SLACK")
"""What is posted: the notice as JSON, or a sentence as chats take it."""


def create_destination(
    turn: Turn,
    name: str,
    url: str,
    *,
    kind: str = "WEBHOOK",
    username: str = "",
    password: str = "",
) -> str:
    """Saves a destination.

    Args:
        turn: The transaction.
        name: For people.
        url: Where notices are posted.
        kind: One of `KINDS`.
        username: For the destination, if it asks for one.
        password: For the destination.

    Returns:
        Its id, which a job gives as `id`.

    Raises:
        ConfigurationError: The kind or the URL is not valid.
    """
    made = DestinationRow(str(uuid.uuid4()), name, kind, url, username, password, turn.now)
    _check(made)
    turn.store.insert(made)
    turn.tell("destination.created", f"The destination {name} was created.")
    return made.destination_id


def list_destinations(reader: Reader) -> list[DestinationRow]:
    """All destinations, the oldest first; they hold secrets."""
    return reader.select(DestinationRow, "1 ORDER BY created, destination_id")


def destination(reader: Reader, destination_id: str) -> DestinationRow:
    """A destination.

    Raises:
        NotFound: There is none with this id.
    """
    found = reader.find(DestinationRow, destination_id)
    if found is None:
        raise NotFound(f"There is no destination {destination_id!r}.")
    return found


def change_destination(turn: Turn, destination_id: str, **changes: str) -> None:
    """Changes a destination; what still waits for it goes where it leads then.

    Args:
        turn: The transaction.
        destination_id: Its id.
        changes: Fields, as `create_destination` takes them.

    Raises:
        NotFound: There is none with this id.
        ConfigurationError: The kind or the URL is not valid.
    """
    changed = replace(destination(turn.store, destination_id), **changes)  # type: ignore[arg-type]
    _check(changed)
    turn.store.put(changed)
    turn.tell("destination.changed", f"The destination {changed.name} was changed.")


def delete_destination(turn: Turn, destination_id: str) -> None:
    """Removes a destination; what still waits for it cannot be delivered.

    Raises:
        NotFound: There is none with this id.
    """
    found = destination(turn.store, destination_id)
    turn.store.delete(DestinationRow, "destination_id = ?", (destination_id,))
    turn.tell("destination.deleted", f"The destination {found.name} was deleted.")


def _check(row: DestinationRow) -> None:
    """Refuses what nothing can be posted to, without repeating it: it may hold a secret."""
    if row.kind not in KINDS:
        raise ConfigurationError(
            f"There are no destinations of the kind {row.kind!r} here.",
            hint=nearest(row.kind, KINDS) or f"There are {' and '.join(KINDS)}.",
        )
    url = row.url
    try:
        found = urlsplit(url)
        good = is_url(url) and bool(found.hostname) and found.port != 0 and url.isprintable()
    except ValueError:
        good = False
    if not good or " " in url:
        raise ConfigurationError(
            "The URL of the destination is not valid.",
            hint="Write it like https://host/path.",
        )
