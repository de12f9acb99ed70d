"""The executed copy of a notebook: what each cell said, as a file that Jupyter opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lakeflow.jobs.workers.tasks import traces
from lakeflow.jobs.workers.tasks.cells import Cell

LARGEST_OUTPUT = 1 << 20
"""Bytes of a cell's stream that are kept in the copy; all of it is in the attempt's files."""


class Executed:
    """Collects cells as they run.

    Args:
        folder: Of the attempt: what a cell says is what its files `stdout` and `stderr` gain.
        name: Of the file that is written there.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name
        self._streams = {name: folder / name for name in ("stdout", "stderr")}
        self._before: dict[str, int] = {}
        self._cells: list[dict[str, Any]] = []

    def begin(self) -> None:
        """A cell begins."""
        self._before = {name: _size(path) for name, path in self._streams.items()}

    def end(self, cell: Cell, shown: list[dict[str, str]], error: BaseException | None) -> None:
        """A cell has ended.

        Args:
            cell: The cell.
            shown: What it displayed, by media type.
            error: Why it failed.
        """
        if cell.language == "md":
            self._add("markdown", cell.source)
            return
        outputs: list[dict[str, Any]] = []
        for name, path in self._streams.items():
            if text := _gained(path, self._before[name]):
                outputs.append({"output_type": "stream", "name": name, "text": _lines(text)})
        outputs += [
            {
                "output_type": "display_data",
                "metadata": {},
                "data": {kind: _lines(text) for kind, text in each.items()},
            }
            for each in shown
        ]
        if error is not None:
            outputs.append(
                {
                    "output_type": "error",
                    "ename": type(error).__name__,
                    "evalue": traces.cut(traces.said(error), traces.LONGEST_MESSAGE),
                    "traceback": traces.cut(
                        traces.formatted(error), traces.LONGEST_TRACE
                    ).splitlines(),
                }
            )
        magic = "" if cell.language == "python" else f"%{cell.language} {cell.argument}".rstrip()
        source = "\n".join(each for each in (magic, cell.source) if each)
        self._add("code", source, outputs=outputs, execution_count=len(self._cells) + 1)

    def write(self) -> None:
        """Writes the copy."""
        book = {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"language_info": {"name": "python"}},
            "cells": self._cells,
        }
        self.path.write_text(json.dumps(book, indent=1, ensure_ascii=False), encoding="utf-8")

    def _add(self, kind: str, source: str, **more: Any) -> None:
        number = f"cell-{len(self._cells) + 1}"
        said = {"cell_type": kind, "id": number, "metadata": {}, "source": _lines(source)}
        self._cells.append({**said, **more})


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _gained(path: Path, before: int) -> str:
    if (size := _size(path) - before) <= 0:
        return ""
    with path.open("rb") as file:
        file.seek(before)
        text = file.read(min(size, LARGEST_OUTPUT)).decode(errors="replace")
    left = size - LARGEST_OUTPUT
    return text if left <= 0 else f"{text}\n... {left} bytes more in {path.name}\n"


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
