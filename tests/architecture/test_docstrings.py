"""Every public name says what it is, and every example in a docstring runs."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import lakeflow
import lakeflow_connectors


def modules() -> list[str]:
    return sorted(
        found.name
        for package in (lakeflow, lakeflow_connectors)
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not found.name.endswith("__main__")
    )


def public_definitions(
    tree: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_") or is_overload(node):
            continue
        yield f"{prefix}{node.name}", node
        if isinstance(node, ast.ClassDef):
            yield from public_definitions(node, f"{prefix}{node.name}.")


def is_overload(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(each) in ("overload", "typing.overload") for each in node.decorator_list)


def test_every_module_and_every_public_name_has_a_docstring(sources):
    bare = [str(path) for path, tree in sources.items() if not ast.get_docstring(tree)]
    bare += [
        f"{path}:{node.lineno} {name}"
        for path, tree in sources.items()
        for name, node in public_definitions(tree)
        if not ast.get_docstring(node)
    ]
    assert bare == []


def test_no_docstring_only_repeats_the_name(sources):
    repeating = []
    for path, tree in sources.items():
        for name, node in public_definitions(tree):
            said = (ast.get_docstring(node) or "").rstrip(".").lower().replace(" ", "_")
            if said in {node.name.lower(), f"the_{node.name.lower()}"}:
                repeating.append(f"{path}:{node.lineno} {name}")
    assert repeating == []


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert failed == 0
