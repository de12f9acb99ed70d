"""Fields that hold paths: each is taken against the folder of the file in which it stands."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.jobs.definitions import tree
from lakeflow.jobs.definitions.tree import Node

NOTEBOOK, FILE, FOLDER, LIBRARY, DEPENDENCY, PATTERN, PIPELINE = (
    "notebook", "file", "folder", "library", "dependency", "pattern", "pipeline",
)  # fmt: skip

_TASK: dict[tuple[str, ...], str] = {
    ("notebook_task", "notebook_path"): NOTEBOOK,
    ("spark_python_task", "python_file"): FILE,
    ("sql_task", "file", "path"): FILE,
    ("dbt_task", "project_directory"): FOLDER,
    ("dbt_task", "profiles_directory"): FOLDER,
    ("pipeline_task", "pipeline_id"): PIPELINE,
    ("scala_task", "file"): FILE,
    ("r_task", "file"): FILE,
    ("libraries", "*", "whl"): LIBRARY,
    ("libraries", "*", "jar"): LIBRARY,
    ("libraries", "*", "egg"): LIBRARY,
    ("libraries", "*", "requirements"): FILE,
}

PATHS: Mapping[str, Mapping[tuple[str, ...], str]] = {
    "jobs": {
        **{("tasks", "*", *path): kind for path, kind in _TASK.items()},
        **{
            ("tasks", "*", "for_each_task", "task", *path): kind for path, kind in _TASK.items()
        },
        ("environments", "*", "spec", "dependencies", "*"): DEPENDENCY,
        ("environment_variables", "*", "spec", "files", "*"): FILE,
    },
    "pipelines": {
        ("path",): FILE,
        ("libraries", "*", "notebook", "path"): NOTEBOOK,
        ("libraries", "*", "file", "path"): FILE,
        ("libraries", "*", "glob", "include"): PATTERN,
        ("root_path",): FOLDER,
        ("environment", "dependencies", "*"): DEPENDENCY,
    },
    "dashboards": {("file_path",): FILE},
    "alerts": {("file_path",): FILE},
    "apps": {("source_code_path",): FOLDER},
    "artifacts": {("path",): FOLDER, ("files", "*", "source"): PATTERN},
    "sync": {("paths", "*"): PATTERN, ("include", "*"): PATTERN, ("exclude", "*"): PATTERN},
}  # fmt: skip
"""Kinds of resources, and the fields in them that hold paths. `*` is any position."""

NOTEBOOKS = (".py", ".ipynb", ".sql", ".scala", ".r", ".R")
"""Endings that the path of a notebook may leave out."""

_SOUGHT = (NOTEBOOK, FILE, FOLDER, PIPELINE)

_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|/|~|\$\{|\{\{")

Missing = Callable[[str, Location, str], None]
"""Told message, place and hint for a path that leads to nothing."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Rewrites relative paths so that all are taken against one folder.

    Args:
        folder: The project's.
        files: The files that declare it, as locations name them; paths in values from elsewhere
            are taken against the folder.
        missing: Told of what is not there.
        deployed: The path that the folder has once it is deployed; it may stand before a path.
    """

    folder: Path
    files: frozenset[str]
    missing: Missing
    deployed: str = ""

    def rewrite(self, node: Node, kind: str) -> Node:
        """A resource, or a section, with its paths rewritten."""
        for pattern, role in PATHS.get(kind, {}).items():
            for path, found in list(_matches(node, pattern)):
                if isinstance(found.value, str) and not _from_git(node, path):
                    new = self._path(found.value, role, found.location)
                    node = _replaced(node, path, Node(new, found.location))
        return node

    def _path(self, text: str, role: str, location: Location) -> str:
        if role == DEPENDENCY:
            option, _, rest = text.rpartition(" ")
            if option == "-r" or re.match(r"\.\.?/", rest):
                return f"{option} {self._path(rest, FILE if option else LIBRARY, location)}".strip()
            if option or not rest.endswith(".whl"):
                return text
        if role == PIPELINE and "/" not in text:  # an id or a key
            return text
        if self.deployed and text.startswith(f"{self.deployed}/"):
            found = PurePosixPath(text.removeprefix(f"{self.deployed}/"))
            return self._existing(found, role, location)
        negated = role == PATTERN and text.startswith("!")
        text = text[1:] if negated else text
        if not text or _ELSEWHERE.match(text):
            return text
        around = Path(location.file).parent if location.file in self.files else self.folder
        whole = os.path.relpath(os.path.normpath(around / text), self.folder)
        found = PurePosixPath(Path(whole).as_posix())
        return ("!" if negated else "") + self._existing(found, role, location)

    def _existing(self, path: PurePosixPath, role: str, location: Location) -> str:
        """The path, or that of the notebook that it means; tells if there is nothing."""
        at = self.folder / path
        if role not in _SOUGHT or os.path.exists(at):  # noqa: PTH110, odd names
            return str(path)
        if role == NOTEBOOK:
            for ending in NOTEBOOKS:
                if os.path.isfile(f"{at}{ending}"):  # noqa: PTH113, odd names
                    return f"{path}{ending}"
        beside = os.listdir(at.parent) if os.path.isdir(at.parent) else []  # noqa: PTH112, PTH208
        what = {FOLDER: "folder", NOTEBOOK: "notebook", PIPELINE: "file or folder"}.get(
            role, "file"
        )
        self.missing(f"There is no {what} {path}.", location, nearest(at.name, beside))
        return str(path)


def _matches(
    node: Node, pattern: tuple[str, ...], path: tree.Path = ()
) -> Iterator[tuple[tree.Path, Node]]:
    if not pattern:
        yield path, node
    elif pattern[0] == "*":
        for number, below in enumerate(node.items):
            yield from _matches(below, pattern[1:], (*path, number))
    elif pattern[0] in node.mapping:
        yield from _matches(node.mapping[pattern[0]], pattern[1:], (*path, pattern[0]))


def _replaced(node: Node, path: tree.Path, new: Node) -> Node:
    if not path:
        return new
    part, rest = path[0], path[1:]
    if isinstance(part, int):
        items = list(node.items)
        items[part] = _replaced(items[part], rest, new)
        return Node(tuple(items), node.location)
    return node.with_entries({part: _replaced(node.mapping[part], rest, new)})


def _from_git(job: Node, path: tree.Path) -> bool:
    """Whether a task's file comes from a repository, in which its path is then taken."""
    if path[0] != "tasks" or "libraries" in path:
        return False
    around = job.get(*path[:-1])
    source = None if around is None else around.mapping.get("source")
    if source is not None:
        return source.value == "GIT"
    return "git_source" in job.mapping
