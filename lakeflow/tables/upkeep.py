"""Upkeep of a table: checkpoints and clean-up of its log, compaction, removal of files.

Nothing here knows of pipelines. Who calls it says which version somebody may still ask for and
which files are promised to commits that are not made yet, and is the only one at work on the
upkeep of the table; writers and readers may go on.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from lakeflow.core.clock import Clock
from lakeflow.core.errors import StateError
from lakeflow.core.failpoints import failpoint
from lakeflow.tables.log import (
    LOG_FOLDER,
    Commit,
    DataFile,
    log_files,
    read_commit,
)
from lakeflow.tables.store import TEMPORARY, Store
from lakeflow.tables.table import Decision, Snapshot, Table

COMPACTIONS_FOLDER = "_lakeflow/compactions"
FORMAT = 1


def checkpoint(table: Table) -> int:
    """Sums up the log in a checkpoint of the newest version, whole and durable or not there.

    deltalake makes it beside the lakehouse from a copy of the log's end, and the store puts it
    in place. There is no `_last_checkpoint`: a hint can outlive what it names, and then the table
    cannot be opened; without one readers list the log, which clean-up keeps short.

    Returns:
        The version that has a checkpoint now.
    """
    from deltalake import DeltaTable

    store, place = table.store, table.place
    version = table.snapshot().version
    found = log_files(store, place)
    if version in found.checkpoints:
        return version
    last = max(found.checkpoints, default=-1)
    names = [f"{v:020d}.json" for v in range(max(last, 0), version + 1) if v in {*found.commits}]
    if last >= 0:
        names.append(_checkpoint_name(last))
    with tempfile.TemporaryDirectory(prefix="lakeflow-") as folder:
        log = Path(folder) / LOG_FOLDER
        log.mkdir()
        for name in names:
            (log / name).write_bytes(store.read(f"{place}/{LOG_FOLDER}/{name}"))
        DeltaTable(folder, version=version).create_checkpoint()
        made = (log / _checkpoint_name(version)).read_bytes()
    store.put_if_absent(f"{place}/{LOG_FOLDER}/{_checkpoint_name(version)}", made)
    return version


def clean_log(table: Table, needed: int, before: datetime) -> int:
    """Deletes commits and checkpoints that nobody asks for any more.

    What stays is a checkpoint at or below everything needed, its commit, and all that follows.

    Args:
        table: The table.
        needed: The first version whose content or changes somebody may still ask for.
        before: Versions that were the newest at this time or later are kept, too.

    Returns:
        How many versions the log has lost.

    Raises:
        StateError: The checkpoint that is to carry the log cannot be read; nothing was deleted.
    """
    store, folder = table.store, f"{table.place}/{LOG_FOLDER}"
    found = log_files(store, table.place)
    limit = min(needed, _newest_at(table, before))
    kept = max((v for v in found.checkpoints if v <= limit and v in found.commits), default=0)
    if kept <= min(found.commits):
        return 0
    store.make_folder_durable(folder)
    if not table.opens_at(kept):
        raise StateError(f"The checkpoint {kept} of {store.url(table.place)} cannot be read.")
    store.delete(f"{folder}/_last_checkpoint")
    # Upwards: what a crash leaves has no gap, and a writer that slept finds the commit before its
    # own gone.
    for name in store.list_from(folder):
        version = name.partition(".")[0]
        if len(version) == 20 and version.isdigit() and int(version) < kept:
            store.delete(f"{folder}/{name}")
    return sum(v < kept for v in found.commits)


def remove_files(
    table: Table, needed: int, before: datetime, promised: Callable[[], frozenset[str]]
) -> list[str]:
    """Removes files that no version which is still needed refers to, and that nobody will commit.

    Args:
        table: The table.
        needed: The first version whose content or changes somebody may still ask for.
        before: Versions that were the newest at this time or later are needed, too, and so are
            files that are younger.
        promised: Called after the files were listed and before the log is read: paths, relative
            to the store, of files or folders that records speak of.

    Returns:
        What was removed.
    """
    store, place = table.store, table.place
    partitions = table.snapshot().metadata.partition_columns
    listed = [
        file.path
        for file in store.walk(place)
        if file.modified < before.timestamp() and _is_ours(file.path[len(place) + 1 :], partitions)
    ]
    failpoint("upkeep.listed")
    if not listed:
        return []
    kept = promised()
    needed = max(min(needed, _newest_at(table, before)), log_files(store, place).oldest_readable)
    newest = table.snapshot()
    referenced = {file.path for file in table.at(min(needed, newest.version)).files}
    for _, actions in table.commits(needed + 1, newest.version):
        referenced |= {DataFile.from_json(a["add"]).path for a in actions if "add" in a}
    removed = []
    for path in listed:
        if path[len(place) + 1 :] in referenced or _covers(kept, path):
            continue
        store.delete(path)
        removed.append(path)
    return removed


@dataclass(frozen=True, slots=True)
class Compaction:
    """How a table's small files become few.

    Args:
        small: Files below this many bytes are put together.
        target: Files that come out are at most about this large.
        fewest: No work for fewer small files than this in one partition.
    """

    small: int = 32 << 20
    target: int = 128 << 20
    fewest: int = 10


def small_files(snapshot: Snapshot, rule: Compaction) -> list[tuple[DataFile, ...]]:
    """The groups of files that a compaction would each make one file of."""
    partitions: dict[tuple[tuple[str, str | None], ...], list[DataFile]] = {}
    for file in snapshot.files:
        if file.size < rule.small:
            partitions.setdefault(tuple(sorted(file.partition.items())), []).append(file)
    groups: list[tuple[DataFile, ...]] = []
    for files in partitions.values():
        if len(files) < rule.fewest:
            continue
        group: list[DataFile] = []
        for file in files:
            if group and sum(f.size for f in group) + file.size > rule.target:
                groups.append(tuple(group))
                group = []
            group.append(file)
        groups.append(tuple(group))
    return [group for group in groups if len(group) > 1]


Rewrite = Callable[[tuple[DataFile, ...], str], Sequence[DataFile]]
"""Writes the rows of some files, all of one partition, as new files below a folder of the table;
the paths that it returns are relative to the table."""


def compact(
    table: Table,
    rule: Compaction,
    rewrite: Rewrite,
    allowed: Callable[[Snapshot], None],
    clock: Clock,
    transactions: Mapping[str, int] | None = None,
) -> int | None:
    """Puts small files together without changing a row; streaming readers pass over the commit.

    Args:
        table: The table.
        rule: Which files.
        rewrite: Writes the new files.
        allowed: Raises unless this process may commit on a snapshot.
        clock: The time that the commit carries.
        transactions: What the commit carries, too.

    Returns:
        The version that was committed; None if there was nothing to do, or if somebody has
        changed the files meanwhile.

    Raises:
        StateError: The new files do not hold as many rows as the old ones.
    """
    snapshot = table.snapshot()
    groups = small_files(snapshot, rule)
    if not groups:
        return None
    store, place = table.store, table.place
    name = f"compact-{uuid.uuid4().hex}"
    intent = f"{place}/{COMPACTIONS_FOLDER}/{name}.json"
    store.put_if_absent(intent, json.dumps({"format": FORMAT, "folder": name}).encode())
    old = {file.path: file for group in groups for file in group}
    new = _rewritten(table, groups, rewrite, name)
    failpoint("compact.staged")

    def decide(newest: Snapshot) -> Decision:
        allowed(newest)
        if newest.metadata != snapshot.metadata or not {*old} <= {f.path for f in newest.files}:
            return Decision(None, "its files have changed")
        if not all(store.exists(f"{place}/{file.path}") for file in new):
            return Decision(None, "somebody has removed what was written")
        return Decision(
            Commit(
                "OPTIMIZE",
                adds=tuple(new),
                removes=tuple(old.values()),
                transactions=transactions or {},
                data_change=False,
            )
        )

    version, commit = table.commit(decide, clock.now())
    store.delete(intent)
    return None if commit is None else version


def _rewritten(
    table: Table, groups: Sequence[tuple[DataFile, ...]], rewrite: Rewrite, folder: str
) -> list[DataFile]:
    """The new files of all groups, durable and with as many rows as the old ones."""
    new: list[DataFile] = []
    for group in groups:
        made = [replace(file, data_change=False) for file in rewrite(group, folder)]
        counts = [file.rows for file in group]
        if None not in counts and sum(f.rows or 0 for f in made) != sum(n or 0 for n in counts):
            raise StateError(
                f"A compaction of {table.store.url(table.place)} would have changed rows."
            )
        new += made
    table.store.make_durable(f"{table.place}/{file.path}" for file in new)
    return new


def forget_compactions(store: Store, place: str) -> None:
    """Drops the intents that a crash has left; their files are removed when they are old enough."""
    for name in store.list_from(f"{place}/{COMPACTIONS_FOLDER}"):
        store.delete(f"{place}/{COMPACTIONS_FOLDER}/{name}")


def compacting(store: Store, place: str) -> frozenset[str]:
    """Folders of a table, relative to the store, to which compactions are writing."""
    names = store.list_from(f"{place}/{COMPACTIONS_FOLDER}")
    return frozenset(f"{place}/{name.removesuffix('.json')}" for name in names)


def _checkpoint_name(version: int) -> str:
    return f"{version:020d}.checkpoint.parquet"


def _newest_at(table: Table, instant: datetime) -> int:
    """The version that was the newest at a time; clocks that went back make it lower."""
    found = log_files(table.store, table.place)
    newest = found.oldest_readable
    for version in range(newest + 1, found.newest + 1):
        if _committed(table.store, table.place, version) >= instant.timestamp():
            break
        newest = version
    return newest


def _committed(store: Store, place: str, version: int) -> float:
    """When a version was committed, as it says itself; foreign ones that do not are new."""
    for action in read_commit(store, place, version):
        if "commitInfo" in action:
            return float(action["commitInfo"].get("timestamp", float("inf"))) / 1000
    return float("inf")


def _is_ours(path: str, partitions: Sequence[str]) -> bool:
    """Whether a file of a table's folder is data, or was left by a process that ended."""
    *folders, name = path.split("/")
    if name.startswith(TEMPORARY):
        return True
    hidden = [part for part in (*folders, name) if part.startswith(("_", "."))]
    return all(part.partition("=")[0] in partitions for part in hidden)


def _covers(kept: frozenset[str], path: str) -> bool:
    return any(part in kept for part in _with_parents(path))


def _with_parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
