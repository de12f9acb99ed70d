"""Breaks the protocol in one place after the other and looks which test notices.

`python tests/faults/mutations.py [WORD ...]` copies the tree, applies each mutation of
`mutations.txt` whose name has one of the words, runs the tests that should break, and ends with an
error if one of them did not. A text that is not in the source exactly once is an error, too: the
source has moved on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Edit:
    """Lines of a file, and what takes their place."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutation:
    """A rule left out, and the tests that must notice."""

    name: str
    tests: str
    edits: tuple[Edit, ...]


def mutations() -> Iterator[Mutation]:
    """All of them."""
    _, *parts = (HERE / "mutations.txt").read_text().split("\n== ")
    for part in parts:
        name, tests, *lines = part.splitlines()
        yield Mutation(name, tests.removeprefix("tests: "), tuple(_edits(lines)))


def _edits(lines: list[str]) -> Iterator[Edit]:
    path = ""
    pattern = r"^(?:([\w/.]+)\n)?((?:-.*\n)+)((?:\+.*\n)*)"
    for named, old, new in re.findall(pattern, "\n".join(lines) + "\n", re.MULTILINE):
        path = named or path
        yield Edit(path, *("".join(line[1:] + "\n" for line in t.splitlines()) for t in (old, new)))


def apply(mutation: Mutation, tree: Path) -> None:
    """Edits a copy of the tree.

    Raises:
        ValueError: A text is not there exactly once.
    """
    for edit in mutation.edits:
        path = tree / edit.path
        text = path.read_text()
        # The last line may go on: only its beginning is given.
        old, new = edit.old.removesuffix("\n"), edit.new.removesuffix("\n")
        if text.count(old) != 1:
            raise ValueError(f"{mutation.name}: found {text.count(old)} times: {old!r}")
        path.write_text(text.replace(old, new))


def copy(tree: Path) -> None:
    """What is needed to run the tests of a tree."""
    for name in ("lakeflow", "connectors", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tree)


def broken_by(mutation: Mutation, tree: Path) -> str | None:
    """The first test that notices."""
    files, _, words = mutation.tests.partition(" -k ")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider"]
    found = subprocess.run(
        [*command, *(f"tests/faults/{name}" for name in files.split()), "-k", words],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": f"{tree}:{tree / 'connectors'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = re.search(r"^FAILED tests/faults/([^\n]*?)(?: - |$)", found.stdout, re.MULTILINE)
    if found.returncode not in (0, 1) or (found.returncode == 1 and failed is None):
        raise RuntimeError(found.stdout + found.stderr)
    return failed[1] if failed else None


def main(words: list[str]) -> int:
    """Runs those whose name has one of the words; 1 if one was not noticed."""
    unnoticed = 0
    for mutation in mutations():
        if words and not any(word in mutation.name for word in words):
            continue
        with tempfile.TemporaryDirectory() as folder:
            copy(Path(folder))
            apply(mutation, Path(folder))
            test = broken_by(mutation, Path(folder))
        unnoticed += test is None
        print(f"{mutation.name}: {test or 'NOT NOTICED'}", flush=True)
    return int(unnoticed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
