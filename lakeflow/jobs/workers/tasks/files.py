"""`dbutils.fs` over the folders of this machine."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from lakeflow.core.errors import TaskError
from lakeflow.core.names import nearest

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):")


class FileInfo(NamedTuple):
    """A file or folder as `ls` tells it; the names are Databricks'."""

    path: str
    name: str
    size: int
    modificationTime: int

    def isDir(self) -> bool:
        """Whether it is a folder."""
        return self.name.endswith("/")

    def isFile(self) -> bool:
        """Whether it is a file."""
        return not self.isDir()


class Files:
    """Files by path: absolute, or relative to the folder in which the task runs."""

    def ls(self, path: str) -> list[FileInfo]:
        """What lies in a folder, or the file itself."""
        place = local(path)
        return [_info(each) for each in (sorted(place.iterdir()) if place.is_dir() else [place])]

    def head(self, file: str, max_bytes: int = 65536) -> str:
        """The beginning of a file as text."""
        with local(file).open("rb") as opened:
            return opened.read(max_bytes).decode(errors="replace")

    def put(self, file: str, contents: str, overwrite: bool = False) -> bool:
        """Writes a text to a file.

        Raises:
            FileExistsError: It is there already, and `overwrite` is not given.
        """
        place = local(file)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("w" if overwrite else "x", encoding="utf-8") as opened:
            opened.write(contents)
        return True

    def cp(self, source: str, target: str, recurse: bool = False) -> bool:
        """Copies a file, or with `recurse` a folder."""
        place, to = self._pair(source, target, recurse)
        if place.is_dir():
            shutil.copytree(place, to, dirs_exist_ok=True)
        else:
            shutil.copy2(place, to)
        return True

    def mv(self, source: str, target: str, recurse: bool = False) -> bool:
        """Moves a file, or with `recurse` a folder."""
        place, to = self._pair(source, target, recurse)
        shutil.move(place, to)
        return True

    def rm(self, path: str, recurse: bool = False) -> bool:
        """Removes a file or an empty folder, or with `recurse` a folder and what lies in it."""
        place = local(path)
        if not place.is_dir() or place.is_symlink():
            place.unlink()
        elif recurse:
            shutil.rmtree(place)
        else:
            place.rmdir()
        return True

    def mkdirs(self, path: str) -> bool:
        """Makes a folder and those above it."""
        local(path).mkdir(parents=True, exist_ok=True)
        return True

    def _pair(self, source: str, target: str, recurse: bool) -> tuple[Path, Path]:
        place, to = local(source), local(target)
        if place.is_dir() and not recurse:
            raise IsADirectoryError(f"{source} is a folder; give recurse=True.")
        to.parent.mkdir(parents=True, exist_ok=True)
        return place, to

    def __getattr__(self, name: str) -> Any:
        known = [each for each in dir(type(self)) if not each.startswith("_")]
        raise TaskError(
            f"dbutils.fs.{name} is not supported here.",
            "INVALID_RUN_CONFIGURATION",
            hint=nearest(name, known) or f"There are {', '.join(known)}.",
        )


def local(path: str) -> Path:
    """The place of a path on this machine.

    Raises:
        TaskError: It lies elsewhere.
    """
    found = _SCHEME.match(path)
    if found is None:
        return Path(path)
    if found[1] != "file":
        raise TaskError(
            f"dbutils.fs reads and writes local files; {path} is in {found[1]}.",
            "INVALID_RUN_CONFIGURATION",
            hint="Write a path, or file:/path.",
        )
    return Path(re.sub("^//+", "/", path.removeprefix("file:")))


def _info(place: Path) -> FileInfo:
    known = place.stat()
    end = "/" if place.is_dir() else ""
    size = 0 if end else known.st_size
    modified = int(known.st_mtime * 1000)
    return FileInfo(f"{place}{end}", f"{place.name}{end}", size, modified)
