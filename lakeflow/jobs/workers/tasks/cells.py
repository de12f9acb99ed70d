"""Reads notebooks: Databricks' source format in Python and SQL, and Jupyter's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakeflow.core.errors import TaskError
from lakeflow.core.names import nearest

ENDINGS = ("", ".py", ".ipynb", ".sql")
LANGUAGES = ("python", "sql", "md", "sh", "fs", "run")
_REFUSED = {
    "pip": "Name the package in the task's libraries; they are installed before it starts.",
    "conda": "Name the package in the task's libraries; they are installed before it starts.",
    "scala": "Put the cell into a scala_task.",
    "r": "Put the cell into an r_task.",
}
_WITHOUT_EFFECT = ("matplotlib", "load_ext", "autoreload", "config")
"""Magic words that say how a notebook looks or is edited."""

_SIGNS = {".py": ("#", "python"), ".sql": ("--", "sql")}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a notebook.

    Args:
        language: One of `LANGUAGES`.
        source: Its text, without the magic word.
        line: Where the text begins in the file; 1 in a notebook of Jupyter, which has no lines.
        argument: What stands behind the magic word.
        title: As its author named it.
    """

    language: str
    source: str
    line: int = 1
    argument: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook.

    Args:
        path: The file.
        cells: In their order.
        numbered: Whether the lines of cells are lines of the file.
    """

    path: Path
    cells: tuple[Cell, ...]
    numbered: bool


def read(path: Path) -> Notebook:
    """Reads a notebook.

    Raises:
        TaskError: The file is no notebook, or has a cell that cannot run here.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _no_notebook(path, "it is not UTF-8") from error
    if path.suffix == ".ipynb":
        return Notebook(path, tuple(_of_jupyter(path, text)), False)
    sign, language = _SIGNS.get(path.suffix, ("#", "python"))
    first, *lines = text.splitlines() or [""]
    if first.strip() != f"{sign} Databricks notebook source":
        raise _no_notebook(path, f"its first line is not '{sign} Databricks notebook source'")
    return Notebook(path, tuple(_of_source(path, lines, sign, language)), True)


def _no_notebook(path: Path, why: str) -> TaskError:
    return TaskError(
        f"{path} is no notebook that can run here: {why}.",
        "INVALID_RUN_CONFIGURATION",
        hint="Notebooks are .py or .sql files in Databricks' source format, and .ipynb files; "
        "a plain script is a spark_python_task.",
    )


def _of_source(path: Path, lines: list[str], sign: str, language: str) -> list[Cell]:
    cells, begin = [], 0
    separator = f"{sign} COMMAND ----------"
    for end in [*(i for i, line in enumerate(lines) if line.strip() == separator), len(lines)]:
        # The header is line 1 of the file and not among these.
        if (cell := _source_cell(path, lines[begin:end], begin + 2, sign, language)) is not None:
            cells.append(cell)
        begin = end + 1
    return cells


def _source_cell(path: Path, lines: list[str], line: int, sign: str, language: str) -> Cell | None:
    title = ""
    titled = f"{sign} DBTITLE "
    while lines and (not lines[0].strip() or lines[0].startswith(titled)):
        if lines[0].startswith(titled):
            title = lines[0].partition(",")[2]
        lines, line = lines[1:], line + 1
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    if not lines:
        return None
    magic = f"{sign} MAGIC"
    if lines[0].startswith(magic):
        lines = [each.removeprefix(magic).removeprefix(" ") for each in lines]
    return _cell(path, lines, line, language, title)


def _of_jupyter(path: Path, text: str) -> list[Cell]:
    try:
        book: Any = json.loads(text)
        language = _language(book["metadata"])
        found = [(each["cell_type"], "".join(each["source"])) for each in book["cells"]]
    except (ValueError, KeyError, TypeError) as error:
        raise _no_notebook(path, f"it is not in Jupyter's format ({error!r})") from error
    cells = []
    for kind, source in found:
        if kind == "markdown":
            cells.append(Cell("md", source))
        elif kind == "code" and source.strip():
            cells.append(_cell(path, source.splitlines(), 1, language, ""))
    return cells


def _language(metadata: dict[str, Any]) -> str:
    ours = metadata.get("application/vnd.databricks.v1+notebook", {}).get("language")
    theirs = metadata.get("language_info", metadata.get("kernelspec", {})).get("name", "python")
    return "sql" if "sql" in str(ours or theirs).lower() else "python"


def _cell(path: Path, lines: list[str], line: int, language: str, title: str) -> Cell:
    begin = next((i for i, each in enumerate(lines) if each.strip()), 0)
    word, _, argument = lines[begin].strip().partition(" ")
    if not word.startswith("%") or word.lstrip("%") in _WITHOUT_EFFECT:
        plain = [_plain(each) for each in lines] if language == "python" else lines
        return Cell(language, "\n".join(plain), line, "", title)
    name = word.lstrip("%").lower()
    if name not in LANGUAGES:
        raise TaskError(
            f"{path.name}, line {line + begin}: cells that begin with {word} do not run here.",
            "INVALID_RUN_CONFIGURATION",
            hint=_REFUSED.get(name) or nearest(name, LANGUAGES) or None,
        )
    rest = lines[begin + 1 :]
    if name in ("sql", "python", "sh", "md") and argument and not argument.startswith("-"):
        return Cell(name, "\n".join([argument, *rest]), line + begin, "", title)
    return Cell(name, "\n".join(rest), line + begin + 1, argument.strip(), title)


def _plain(line: str) -> str:
    words = line.strip().split()
    is_magic = words and words[0].startswith("%") and words[0].lstrip("%") in _WITHOUT_EFFECT
    return "" if is_magic else line
