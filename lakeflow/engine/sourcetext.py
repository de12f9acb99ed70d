"""The text on which a query function depends: its file and the project's modules it imports."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def source_text(function: Callable[..., Any]) -> str:
    """The text of a function's file and of what that imports from its own folder.

    Modules of elsewhere do not count: they change with an installation, not with the project.
    """
    name = inspect.getsourcefile(function)
    if name is None:
        return function.__qualname__
    seen: dict[Path, str] = {}
    waiting = [Path(name)]
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen[file] = file.read_text(encoding="utf-8")
            waiting.extend(_imported(seen[file], Path(name).parent))
    first, *others = seen
    texts = [seen[first], *(seen[file] for file in sorted(others))]
    return "\n".join([function.__qualname__, *texts])


def _imported(text: str, folder: Path) -> Iterator[Path]:
    """The files below a folder that a text imports, as far as they were loaded."""
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            file = getattr(sys.modules.get(name), "__file__", None)
            if file is None or not file.endswith(".py"):
                continue
            path = Path(file)
            inside = path.is_relative_to(folder) and "site-packages" not in path.parts
            if inside:
                yield path
