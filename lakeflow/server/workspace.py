"""The workspace: files that clients have put below the home of the server."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakeflow.server.answers import Refused, invalid, missing

ENDINGS: Mapping[str, str] = {"PYTHON": ".py", "SQL": ".sql", "SCALA": ".scala", "R": ".R"}
"""Of the files of notebooks, by language."""

_MARKS: Mapping[str, bytes] = {
    ".py": b"# Databricks notebook source",
    ".sql": b"-- Databricks notebook source",
    ".scala": b"// Databricks notebook source",
    ".R": b"# Databricks notebook source",
}
_LANGUAGES = {ending: language for language, ending in ENDINGS.items()} | {".ipynb": "PYTHON"}


@dataclass(frozen=True, slots=True)
class Workspace:
    """Files and folders, by paths such as `/Shared/report`.

    A notebook is a file whose first line says so, or an `.ipynb`. Its ending may be left out.

    Args:
        root: The folder that holds them.
    """

    root: Path

    def place(self, path: str) -> Path:
        """Where something lies, or would.

        Raises:
            Refused: The path leads out of the workspace.
        """
        if not path.startswith("/"):
            raise invalid(f"Path {path!r} does not begin with a slash.")
        names = [name for name in path.removeprefix("/Workspace/").split("/") if name]
        if path == "/Workspace":
            names = []
        if any(name in (".", "..") or "\0" in name or len(name.encode()) > 255 for name in names):
            raise invalid(f"Path {path!r} is not that of a file of the workspace.")
        found = self.root.joinpath(*names)
        real = Path(os.path.realpath(found))
        if not real.is_relative_to(os.path.realpath(self.root)):
            raise invalid(f"Path {path!r} leads out of the workspace.")
        return found

    def find(self, path: str) -> Path:
        """Where something lies; the ending of a notebook may be left out.

        Raises:
            Refused: There is no such thing.
        """
        place = self.place(path)
        if place.exists():
            return place
        for ending in _LANGUAGES:
            if place.name and (found := place.with_name(place.name + ending)).is_file():
                return found
        raise missing(f"Path ({path}) doesn't exist.")

    def local(self, path: str) -> Path | None:
        """The file or folder of this machine that a task means, if it lies in the workspace."""
        if not path.startswith("/"):
            return None
        try:
            return self.find(path)
        except Refused:
            return None

    def list(self, path: str) -> list[dict[str, Any]]:
        """What lies in a folder, or the file itself."""
        found = self.find(path)
        if not found.is_dir():
            return [self.about(found)]
        return [self.about(each) for each in sorted(found.iterdir()) if not _is_half(each)]

    def about(self, place: Path) -> dict[str, Any]:
        """What is told of a file or a folder."""
        known = place.stat()
        path = "/" + place.relative_to(self.root).as_posix() if place != self.root else "/"
        told: dict[str, Any] = {
            "object_id": known.st_ino,
            "path": path,
            "object_type": "DIRECTORY" if place.is_dir() else "FILE",
            "modified_at": int(known.st_mtime * 1000),
            "created_at": int(known.st_ctime * 1000),
        }
        if not place.is_dir():
            told["size"] = known.st_size
            if language := _language(place):
                told |= {"object_type": "NOTEBOOK", "language": language}
                told["path"] = path.removesuffix(place.suffix)
        return told

    def write(
        self,
        path: str,
        content: bytes,
        form: str,
        language: str | None,
        *,
        overwrite: bool,
    ) -> None:
        """Writes a file.

        Args:
            path: Its path.
            content: All of it.
            form: `SOURCE`, `AUTO`, `RAW` or `JUPYTER`.
            language: Of a notebook in `SOURCE` format.
            overwrite: Whether it may take the place of another.

        Raises:
            Refused: It cannot be written there.
        """
        place = self.place(path)
        if form == "JUPYTER" and place.suffix != ".ipynb":
            place = place.with_name(f"{place.name}.ipynb")
        if form == "SOURCE":
            place, content = _source(place, content, language)
        if place == self.root or place.is_dir():
            raise _exists(path)
        if not place.parent.is_dir():
            raise missing(f"The parent folder ({_parent(path)}) does not exist.")
        if place.exists() and not overwrite:
            raise _exists(path)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=_HALF)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(place)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def make_folder(self, path: str) -> None:
        """Makes a folder and those above it."""
        place = self.place(path)
        try:
            place.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise _exists(path) from None

    def delete(self, path: str, *, recursive: bool) -> None:
        """Removes a file or a folder.

        Raises:
            Refused: There is none, or the folder is not empty.
        """
        place = self.find(path)
        if place == self.root:
            raise invalid("The root of the workspace stays.")
        if not place.is_dir() or place.is_symlink():
            place.unlink()
        elif recursive:
            shutil.rmtree(place)
        elif any(place.iterdir()):
            said = f"Folder ({path}) is not empty."
            raise Refused(400, "DIRECTORY_NOT_EMPTY", said, hint="Give recursive.")
        else:
            place.rmdir()

    def definitions(self, path: str) -> Iterator[Path]:
        """Files of the workspace that a path or a pattern with `/**` names."""
        if path.endswith("/**"):
            folder = self.find(path.removesuffix("/**"))
            yield from (each for each in sorted(folder.rglob("*")) if each.is_file())
        else:
            yield self.find(path)


_HALF = ".half-"


def _is_half(place: Path) -> bool:
    return place.name.startswith(_HALF)


def _source(place: Path, content: bytes, language: str | None) -> tuple[Path, bytes]:
    """A notebook in source form; a file that has an ending of its own stays as it is."""
    if place.suffix in _LANGUAGES:
        return place, content
    if language is None or language not in ENDINGS:
        raise invalid(
            "A notebook in SOURCE format has a language.",
            f"Give language, one of {', '.join(ENDINGS)}, or format AUTO for a file.",
        )
    ending = ENDINGS[language]
    mark = _MARKS[ending]
    marked = content if content.startswith(mark) else mark + b"\n" + content
    return place.with_name(place.name + ending), marked


def _language(place: Path) -> str | None:
    """The language of a notebook; None for other files."""
    if place.suffix == ".ipynb":
        return "PYTHON"
    mark = _MARKS.get(place.suffix)
    if mark is None:
        return None
    with place.open("rb") as file:
        return _LANGUAGES[place.suffix] if file.read(len(mark)) == mark else None


def _parent(path: str) -> str:
    return path.rstrip("/").rpartition("/")[0] or "/"


def _exists(path: str) -> Refused:
    return Refused(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
