"""The text on which a query function depends: its file and the project's modules it imports."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def source_text(function: Callable[..., Any]) -> str:
    """The text of a function's file and of what that imports from its own folder.

    Modules of elsewhere do not count: they change with an installation, not with the project.
    """
    files = _files(function)
    if not files:
        return function.__qualname__
    first, *others = files
    texts = [files[first], *(files[file] for file in sorted(others))]
    return "\n".join([function.__qualname__, *texts])


def imported_modules(function: Callable[..., Any]) -> dict[str, str]:
    """The modules beside a function's file that it imports, with the hashes of their texts."""
    modules = list(_files(function))[1:]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in modules}


def _files(function: Callable[..., Any]) -> dict[Path, str]:
    """The texts of a function's file, which comes first, and of the modules beside it."""
    name = inspect.getsourcefile(function)
    seen: dict[Path, str] = {}
    waiting = [] if name is None else [Path(name)]
    folder = Path(name or "").parent
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen[file] = file.read_text(encoding="utf-8")
            waiting.extend(_imported(seen[file], folder))
    return seen


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
