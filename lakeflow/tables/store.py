"""The few verbs with which everything durable is written, and their local implementation."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lakeflow.core.errors import StateError
from lakeflow.core.failpoints import failpoint
from lakeflow.tables.exclusive import rename_exclusively

Place = Callable[[Path, Path], None]
"""Gives a file a further or another name; FileExistsError if that is taken."""

TEMPORARY = ".tmp-"
"""How names of files begin that were not put to their place before a process ended."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as a listing tells of it.

    Args:
        path: Relative to the store.
        modified: Seconds since 1970.
    """

    path: str
    modified: float


class Store(Protocol):
    """A place for tables and records; paths are relative to it, with forward slashes."""

    def url(self, path: str) -> str:
        """What other libraries open to reach `path`."""

    def put_if_absent(self, path: str, data: bytes, step: str | None = None) -> bool:
        """Writes a whole file durably unless the path is taken.

        Args:
            path: Where.
            data: What.
            step: First part of the failpoints `<step>.linked` (visible, perhaps not durable)
                and `<step>.synced` (durable).

        Returns:
            Whether this call wrote it.
        """

    def read(self, path: str) -> bytes:
        """The content of a file; FileNotFoundError if there is none."""

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""

    def size(self, path: str) -> int:
        """Bytes of a file."""

    def list_from(self, folder: str, start: str = "") -> list[str]:
        """Names in a folder, sorted, from `start` on; none if there is no such folder."""

    def walk(self, folder: str) -> Iterator[StoredFile]:
        """All files below a folder, temporary ones too; none if there is no such folder."""

    def make_durable(self, paths: Iterable[str]) -> None:
        """Returns when files that others wrote, and their names, survive a loss of power."""

    def make_folder_durable(self, folder: str) -> None:
        """Returns when the names in a folder survive a loss of power."""

    def delete(self, path: str) -> None:
        """Removes a file; one that is not there is no error."""

    def delete_folder(self, folder: str) -> None:
        """Removes a folder if it is empty."""


class LocalStore:
    """A folder on a local file system.

    A file appears under its name whole or not at all: it is written and synced under a temporary
    name and then hard-linked, which fails if the name is taken. Where there are no hard links it
    is renamed in a way that fails likewise. Which of the two it is, is tried before the first
    write; a file system that has neither is refused.

    Args:
        root: The folder; made if it is missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._place: Place | None = None
        self._folders: set[Path] = set()

    def url(self, path: str) -> str:
        """The absolute path."""
        return str(self.root / path)

    def put_if_absent(self, path: str, data: bytes, step: str | None = None) -> bool:
        """Writes a whole file durably unless the path is taken; see `Store`."""
        target = self.root / path
        self.make_folder(target.parent)
        if self._place is None:
            self._place = self._probe()
        failpoint("store.write")
        if not self._put(self._place, target, data):
            # Whoever acts on what another process wrote needs it to survive too.
            self._sync_folder(target.parent)
            return False
        if step:
            failpoint(f"{step}.linked")
        self._sync_folder(target.parent)
        if step:
            failpoint(f"{step}.synced")
        return True

    def read(self, path: str) -> bytes:
        """The content of a file."""
        return (self.root / path).read_bytes()

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""
        return (self.root / path).exists()

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return (self.root / path).stat().st_size

    def list_from(self, folder: str, start: str = "") -> list[str]:
        """Names in a folder, sorted; temporary files are not among them."""
        try:
            names = [entry.name for entry in os.scandir(self.root / folder)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for name in names if name >= start and not name.startswith(TEMPORARY))

    def walk(self, folder: str) -> Iterator[StoredFile]:
        """All files below a folder, temporary ones too; symbolic links are not followed."""
        for parent, _, names in os.walk(self.root / folder):
            for name in names:
                path = Path(parent) / name
                with contextlib.suppress(FileNotFoundError):
                    modified = path.lstat().st_mtime
                    yield StoredFile(path.relative_to(self.root).as_posix(), modified)

    def make_durable(self, paths: Iterable[str]) -> None:
        """Syncs files and their folders."""
        folders: set[Path] = set()
        for path in paths:
            target = self.root / path
            descriptor = os.open(target, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            folders.add(target.parent)
        for folder in sorted(folders):
            self._sync_folder(folder)
            self.make_folder(folder)

    def make_folder_durable(self, folder: str) -> None:
        """Syncs a folder, if there is one."""
        if (self.root / folder).is_dir():
            self._sync_folder(self.root / folder)

    def make_folder(self, folder: Path) -> None:
        """Makes a folder and its parents, durably.

        A folder of the lakehouse that is there already may have been made by a process that
        ended before its name was durable, or by a backend for a new partition.
        """
        if folder in self._folders:
            if folder.is_dir():
                return
            self._folders.clear()  # somebody has taken it away, perhaps with others
        if self.root in folder.parents or not folder.is_dir():
            self.make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            self._sync_folder(folder.parent)
        self._folders.add(folder)

    def delete(self, path: str) -> None:
        """Removes a file."""
        (self.root / path).unlink(missing_ok=True)

    def delete_folder(self, folder: str) -> None:
        """Removes a folder if it is empty."""
        with contextlib.suppress(OSError):
            (self.root / folder).rmdir()
        self._folders.discard(self.root / folder)

    def _put(self, place: Place, target: Path, data: bytes) -> bool:
        temporary = target.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
        self._write(temporary, data)
        try:
            place(temporary, target)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def _write(self, path: Path, data: bytes) -> None:
        with path.open("xb") as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                path.unlink()
                raise

    def _sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _probe(self) -> Place:
        """Finds out how a file gets a name that nobody has taken.

        Raises:
            StateError: The file system knows no way.
        """
        for place in (os.link, rename_exclusively):
            if self._works(place):
                return place
        raise StateError(
            f"The file system below {self.root} has neither hard links nor renames that refuse a "
            "taken name: others would see a file before it is whole.",
            hint="Put the lakehouse on another file system.",
        )

    def _works(self, place: Place) -> bool:
        """Whether a way to name files is there; one that takes a taken name is none."""
        first, second, third = (self.root / f"{TEMPORARY}{uuid.uuid4().hex}" for _ in range(3))
        first.write_bytes(b"")
        third.write_bytes(b"")
        try:
            place(first, second)
        except OSError:
            return False
        else:
            try:
                place(third, second)
            except FileExistsError:
                return True
            raise StateError(
                f"The file system below {self.root} lets two files take one name.",
                hint="Put the lakehouse on another file system.",
            )
        finally:
            for path in (first, second, third):
                path.unlink(missing_ok=True)
