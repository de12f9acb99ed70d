"""What is checked of a table's log before anything relies on it."""

from __future__ import annotations

from lakeflow.core.errors import CorruptStateError, MissingFile
from lakeflow.tables.log import LOG_FOLDER, commit_path, newest_version, parse_commit
from lakeflow.tables.store import Store

CORRUPT_FOLDER = f"{LOG_FOLDER}/_corrupt"


def check_tail(store: Store, place: str) -> None:
    """Makes the end of a log whole.

    A loss of power can leave the newest commit of a writer that does not sync empty or cut off.
    Such a commit was never acknowledged: it is moved aside, and a checkpoint that cannot be
    opened is, too, as long as the commits it sums up are still there.

    Args:
        store: Where the table lies.
        place: The table's folder.

    Raises:
        CorruptStateError: A commit before the newest is damaged, or a file of the newest is
            missing or cut off.
    """
    version = newest_version(store, place)
    if version < 0:
        return
    path = commit_path(place, version)
    data = store.read(path)
    actions = parse_commit(data)
    if actions is None:
        _set_aside(store, place, path, data)
        if version > 0 and parse_commit(store.read(commit_path(place, version - 1))) is None:
            raise CorruptStateError(
                f"Two commits at the end of {store.url(place)}/{LOG_FOLDER} are damaged.",
                hint="Restore the table from a copy.",
            )
        return
    for action in actions:
        if "add" in action:
            _check_file(store, place, action["add"])
    _check_checkpoint(store, place)


def _set_aside(store: Store, place: str, path: str, data: bytes) -> None:
    name = path.rsplit("/", 1)[1]
    kept = 0
    while not store.put_if_absent(f"{place}/{CORRUPT_FOLDER}/{name}.{kept}", data):
        kept += 1
    store.delete(path)
    store.make_folder_durable(f"{place}/{LOG_FOLDER}")


def _check_file(store: Store, place: str, added: dict[str, object]) -> None:
    from urllib.parse import unquote

    path = f"{place}/{unquote(str(added['path']))}"
    if not store.exists(path) or store.size(path) != added["size"]:
        raise MissingFile(store.url(path))


def _check_checkpoint(store: Store, place: str) -> None:
    """Sets aside a checkpoint that a loss of power has cut off."""
    names = store.list_from(f"{place}/{LOG_FOLDER}")
    checkpoints = [name for name in names if name.endswith(".checkpoint.parquet")]
    if not checkpoints:
        return
    path = f"{place}/{LOG_FOLDER}/{checkpoints[-1]}"
    data = store.read(path)
    if len(data) >= 12 and data.startswith(b"PAR1") and data.endswith(b"PAR1"):
        return
    commits = {int(name[:20]) for name in names if name.endswith(".json") and len(name) == 25}
    if commits != set(range(max(commits) + 1)):
        raise CorruptStateError(
            f"The checkpoint {store.url(path)} is damaged, and the commits it sums up are gone.",
            hint="Restore the table from a copy.",
        )
    _set_aside(store, place, path, data)
    store.delete(f"{place}/{LOG_FOLDER}/_last_checkpoint")
