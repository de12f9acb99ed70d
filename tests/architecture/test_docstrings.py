"""Every public name says what it is, and every example in a docstring runs."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
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


def documented_arguments(text: str) -> list[str]:
    """The names below `Args:`."""
    section = re.search(r"^Args:\n((?: {4}.*\n?|\n)*)", text, re.MULTILINE)
    return re.findall(r"^ {4}(\w+):", section[1], re.MULTILINE) if section else []


def arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    found = node.args
    return {each.arg for each in (*found.posonlyargs, *found.args, *found.kwonlyargs)} | {
        each.arg for each in (found.vararg, found.kwarg) if each is not None
    }


def taken(node: ast.AST) -> set[str]:
    """What may be given to a function, or to a class when one of it is made."""
    if not isinstance(node, ast.ClassDef):
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        return arguments(node)
    names: set[str] = set()
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            names.add(each.target.id)
        elif isinstance(each, ast.FunctionDef) and each.name == "__init__":
            names |= arguments(each)
    return names


def test_no_docstring_tells_of_an_argument_that_is_not_there(sources):
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    stale = [
        f"{path}:{node.lineno} {node.name}: {name}"
        for path, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, kinds)
        for name in documented_arguments(ast.get_docstring(node) or "")
        if name not in taken(node)
    ]
    assert stale == []


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert failed == 0
