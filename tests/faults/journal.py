"""What a program writes and syncs, in order, and what a loss of power leaves of it.

The recorder knows nothing of the program: it stands in the place of the system calls and looks at
the whole folder at each of them, so that what others write (DuckDB, Arrow) is seen as well.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Seen = dict[str, int | None]
"""Paths below the folder: the number of a file's content, None for a folder."""


class Recorder:
    """Writes down every sync and every change of names in a folder.

    Args:
        folder: What is watched.
        record: Where the journal and all contents are kept.
    """

    def __init__(self, folder: Path, record: Path) -> None:
        self.folder = folder
        self.record = record
        self.lock = threading.RLock()
        record.mkdir(exist_ok=True)

    def install(self) -> None:
        """Replaces the system calls of this process."""
        sync = os.fsync

        def fsync(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if not path.is_relative_to(self.folder):
                sync(descriptor)
                return
            with self.lock:  # what appears while it syncs need not be durable afterwards
                seen = self.look()
                sync(descriptor)
                if path.is_dir():
                    self.write("sync folder", str(path.relative_to(self.folder)), seen)
                else:
                    self.write("sync file", os.fstat(descriptor).st_ino, seen)

        os.fsync = fsync
        for name in NAMING:
            setattr(os, name, self._watched(getattr(os, name)))

    def steps(self) -> list[tuple[str, str | int | None, Seen]]:
        """What was written down so far: the step, what was synced, and all names after it."""
        lines = (self.record / "journal").read_text().splitlines()
        return [(step, what, seen) for step, what, seen in map(json.loads, lines)]

    def _watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            with self.lock:
                try:
                    return call(*arguments, **named)
                finally:
                    self.write("names", None, self.look())

        return watched

    def look(self) -> Seen:
        """Everything in the folder; the contents stay alive by a further name."""
        seen: Seen = {}
        for path, folders, files in os.walk(self.folder):
            start = os.path.relpath(path, self.folder)
            for name in folders:
                seen[os.path.normpath(f"{start}/{name}")] = None
            for name in files:
                try:
                    number = Path(path, name).stat().st_ino
                    kept = self.record / str(number)
                    if not kept.exists():
                        LINK(f"{path}/{name}", kept)
                except FileNotFoundError:
                    continue
                seen[os.path.normpath(f"{start}/{name}")] = number
        return seen

    def write(self, step: str, what: str | int | None, seen: Seen) -> None:
        with (self.record / "journal").open("a") as file:
            file.write(json.dumps([step, what, seen]) + "\n")


LINK = os.link
NAMING = ("link", "mkdir", "unlink", "remove", "rmdir", "rename", "replace")
"""System calls that change names."""


@dataclass
class Disk:
    """What is durable after each step of a journal.

    Args:
        record: The recorder's folder.
        names: Folder's number -> name -> what it is, as last synced.
        contents: Files whose content is synced.
    """

    record: Path
    names: dict[int, dict[str, int]] = field(default_factory=dict)
    contents: set[int] = field(default_factory=set)
    folders: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def points(self) -> Iterator[tuple[int, dict[int, dict[str, int]]]]:
        """After each step: its number, and the names that are visible, by folder."""
        self.folders["."] = 0
        lines = (self.record / "journal").read_text().splitlines()
        for number, line in enumerate(lines):
            step, what, seen = json.loads(line)
            visible = self._by_folder(seen)
            if step == "sync file":
                self.contents.add(what)
            elif step == "sync folder":
                self.names[self.folders[what]] = dict(visible.get(self.folders[what], {}))
            yield number, visible

    def _by_folder(self, seen: Seen) -> dict[int, dict[str, int]]:
        """Folders get a number of their own, anew when they vanish and come again."""
        for path in set(self.folders) - set(seen) - {"."}:
            del self.folders[path]
        found: dict[int, dict[str, int]] = {0: {}}
        for path in sorted(seen):
            number = seen[path]
            if number is None:
                if path not in self.folders:
                    self.count -= 1
                    self.folders[path] = self.count
                number = self.folders[path]
                found.setdefault(number, {})
            parent = os.path.dirname(path) or "."  # noqa: PTH120 - text, not a place
            found.setdefault(self.folders[parent], {})[os.path.basename(path)] = number  # noqa: PTH119
        return found

    def losses(
        self, visible: dict[int, dict[str, int]], chance: random.Random
    ) -> Iterator[tuple[str, Loss]]:
        """What may be left: nothing that was not synced, all names, or some of both."""
        yield "nothing", self._loss(visible, lambda: False, lambda: 0.0)
        yield "names only", self._loss(visible, lambda: True, lambda: 0.0)
        yield "halves", self._loss(visible, lambda: True, lambda: 0.5)
        yield (
            "some",
            self._loss(
                visible, lambda: chance.random() < 0.5, lambda: chance.choice((0.0, 0.5, 1.0))
            ),
        )

    def _loss(
        self,
        visible: dict[int, dict[str, int]],
        kept: Callable[[], bool],
        share: Callable[[], float],
    ) -> Loss:
        left: list[tuple[str, int, float]] = []

        def fill(folder: int, path: str) -> None:
            synced, seen = self.names.get(folder, {}), visible.get(folder, {})
            for name in sorted({*synced, *seen}):
                old, new = synced.get(name), seen.get(name)
                number = old if old == new or not kept() else new
                if number is None:
                    continue
                if number < 0:
                    left.append((f"{path}{name}", number, 1.0))
                    fill(number, f"{path}{name}/")
                else:
                    part = 1.0 if number in self.contents else share()
                    left.append((f"{path}{name}", number, part))

        fill(0, "")
        return tuple(left)

    def restore(self, loss: Loss, folder: Path) -> None:
        """Makes a folder of what a loss of power has left."""
        folder.mkdir()
        for path, number, part in loss:
            target = folder / path
            if number < 0:
                target.mkdir()
                continue
            data = (self.record / str(number)).read_bytes()
            target.write_bytes(data[: int(len(data) * part)])


Loss = tuple[tuple[str, int, float], ...]
"""Path, content (negative: a folder), and how much of it is there."""
