"""What the architecture tests look at: the files of the checkout, parsed."""

from __future__ import annotations

import ast
import functools
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def tracked_files() -> tuple[Path, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = (ROOT / line for line in listed.stdout.splitlines())
    return tuple(sorted(path for path in paths if path.is_file()))


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def files() -> tuple[Path, ...]:
    """Every file of the project, relative to its folder."""
    return tuple(path.relative_to(ROOT) for path in tracked_files())


@pytest.fixture(scope="session")
def sources(files: tuple[Path, ...]) -> dict[Path, ast.Module]:
    """The Python files of the two packages, parsed."""
    return {
        path: ast.parse((ROOT / path).read_text())
        for path in files
        if path.suffix == ".py" and path.parts[0] in ("lakeflow", "connectors")
    }
