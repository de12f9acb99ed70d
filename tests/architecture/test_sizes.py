"""Files and functions are short enough to be held in the head."""

from __future__ import annotations

import ast
from pathlib import Path

LINES_OF_A_FILE = 500
LINES_OF_A_FUNCTION = 60


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def too_long(root: Path, sources: dict[Path, ast.Module]) -> dict[str, int]:
    found = {}
    for path, tree in sources.items():
        lines = len((root / path).read_text().splitlines())
        if lines > LINES_OF_A_FILE:
            found[str(path)] = lines
        for function in functions(tree):
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > LINES_OF_A_FUNCTION:
                found[f"{path}:{function.name}"] = lines
    return found


def test_nothing_is_too_long(root, sources):
    assert too_long(root, sources) == {}
