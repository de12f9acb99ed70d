"""Copies of a server's state: taken while it works, and put in its place while it does not."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from lakeflow.core.errors import ConfigurationError, CorruptStateError, LakeflowError
from lakeflow.core.settings import Settings
from lakeflow.jobs.formats import make_durable
from lakeflow.jobs.home import Home, HomeLock
from lakeflow.jobs.store import Reader, Store


def back_up(home: Home, file: Path) -> int:
    """Writes a copy of the database of jobs, also while a server is at work.

    Args:
        home: Of the server.
        file: The copy; it is there whole, or not at all.

    Returns:
        Its size in bytes.

    Raises:
        ConfigurationError: The file is there, or nothing has run in the home.
    """
    if file.exists():
        raise ConfigurationError(
            f"{file} is there already.", hint="Choose another name, or take it away."
        )
    if not home.database.exists():
        raise ConfigurationError(
            f"No job has been saved in {home.folder}.", hint="Choose another --home."
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(Reader(home.database)) as reader:
        reader.copy_to(file)
    return file.stat().st_size


def restore(home: Home, file: Path, settings: Settings) -> Path | None:
    """Puts a copy in the place of the database of jobs.

    What begins from now on gets numbers that neither the database before it nor the published
    history has given, so that nothing is taken for something else.

    Args:
        home: Of the server.
        file: The copy.
        settings: Of the lakehouse that has the history.

    Returns:
        Where the database before it is kept; None if there was none.

    Raises:
        ConfigurationError: There is no such copy.
        ConflictError: A server is at work in the home.
        CorruptStateError: The copy is damaged.
        StateError: It was written by a newer Lakeflow.
    """
    if not file.is_file():
        raise ConfigurationError(f"There is no file {file}.", hint="Name what backup has written.")
    lock = HomeLock(home, {})
    try:
        return _restored(home, file, settings)
    finally:
        lock.release()


def _restored(home: Home, file: Path, settings: Settings) -> Path | None:
    fresh = home.database.with_name(".jobs.restored.db")
    _remove(fresh)
    with closing(Reader(file)) as copy:
        if fault := copy.fault():
            raise CorruptStateError(f"{file} is damaged: {fault}.", hint="Take an older copy.")
        copy.copy_to(fresh)
        number = copy.home
    with closing(Store(fresh)) as store, store.transaction():
        for sequence, key in (_numbered(home), _published(number, settings)):
            store.begin_after(sequence, key)
    make_durable(fresh)
    kept = _keep(home)
    for name in ("-wal", "-shm"):
        Path(f"{home.database}{name}").unlink(missing_ok=True)
    fresh.replace(home.database)
    make_durable(home.folder)
    return kept


def _numbered(home: Home) -> tuple[int, int]:
    """What the database in place has given; nothing if it cannot be read any more."""
    try:
        with closing(Reader(home.database)) as reader:
            return reader.numbered()
    except (LakeflowError, sqlite3.DatabaseError):
        return 0, 0


def _published(number: int, settings: Settings) -> tuple[int, int]:
    from lakeflow.core.clock import SystemClock
    from lakeflow.engine.history import History
    from lakeflow.tables.store import LocalStore

    history = History(LocalStore(settings.lakehouse), SystemClock(), number)
    return max(history.published().values()), history.highest_id()


def _keep(home: Home) -> Path | None:
    """Puts the database in place aside, as it is if it cannot be read."""
    if not home.database.exists():
        return None
    stem = f"jobs.before-restore-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    kept = home.database.with_name(f"{stem}.db")
    number = 1
    while kept.exists():
        number += 1
        kept = kept.with_name(f"{stem}-{number}.db")
    try:
        with closing(Reader(home.database)) as reader:
            reader.copy_to(kept)
    except (LakeflowError, sqlite3.DatabaseError):
        home.database.replace(kept)
    return kept


def _remove(database: Path) -> None:
    for name in ("", "-wal", "-shm"):
        Path(f"{database}{name}").unlink(missing_ok=True)
