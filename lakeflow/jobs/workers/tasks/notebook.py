"""`notebook_task`: the cells of a notebook, one after another, in one namespace."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import shlex
import subprocess
import sys
from typing import Any

from lakeflow.core.errors import TaskError
from lakeflow.jobs.workers.tasks import cells, program, traces
from lakeflow.jobs.workers.tasks.cells import Cell, Notebook
from lakeflow.jobs.workers.tasks.context import Context, Done, Stopped
from lakeflow.jobs.workers.tasks.executed import Executed
from lakeflow.jobs.workers.tasks.namespace import Display, namespace
from lakeflow.jobs.workers.tasks.nested import run_notebook
from lakeflow.jobs.workers.tasks.script import new_main
from lakeflow.jobs.workers.tasks.utilities import NotebookExit

LARGEST_RESULT = 5 << 20
"""Bytes of what a notebook exits with that are kept."""


def run(context: Context) -> Done:
    """Runs the notebook in this process and keeps the executed copy."""
    book = cells.read(context.file("notebook_path", cells.ENDINGS))
    given = context.settings.get("base_parameters") or {}
    parameters = {str(k): str(v) for k, v in {**given, **context.assignment.parameters}.items()}
    os.chdir(book.path.parent)
    sys.path[:0] = [str(book.path.parent), str(context.assignment.root)]
    names = new_main(str(book.path)).__dict__
    names |= namespace(context, parameters, run_notebook)
    executed = Executed(context.assignment.folder, f"{book.path.stem}.ipynb")
    execution = _Execution(names, parameters, executed)
    try:
        result, error, message = execution.run(book)
    finally:
        executed.write()
    output = {"notebook_output": _limited(result), "executed_notebook": executed.path.name}
    return Done(output, 1 if error else 0, message, error)


def _limited(result: str) -> dict[str, Any]:
    data = result.encode()
    kept = data[:LARGEST_RESULT].decode(errors="ignore")
    return {"result": kept, "truncated": len(data) > LARGEST_RESULT}


class _Execution:
    """The cells of a notebook as they run; `parameters` are those of its widgets."""

    def __init__(
        self, names: dict[str, Any], parameters: dict[str, str], executed: Executed
    ) -> None:
        self._names = names
        self._parameters = parameters
        self._executed = executed
        self._display: Display = names["display"]

    def run(self, book: Notebook) -> tuple[str, BaseException | None, str]:
        """Runs all cells; what the notebook exits with, or its error and what to say of it."""
        for number, cell in enumerate(book.cells, 1):
            error = self._watched(book, cell, number)
            if isinstance(error, Stopped):
                raise error
            if isinstance(error, NotebookExit):
                return error.value, None, ""
            if isinstance(error, SystemExit) and not error.code:
                break
            if error is not None:
                return "", error, _failed(book, cell, number, error)
        return "", None, ""

    def _watched(self, book: Notebook, cell: Cell, number: int) -> BaseException | None:
        """Runs a cell and notes what it said; the error with which it ended."""
        self._executed.begin()
        self._display.shown.clear()
        ended: BaseException | None = None
        try:
            self._cell(book, cell, number)
        except BaseException as error:
            ended = error
        program.flush()
        failed = None if isinstance(ended, NotebookExit | Stopped) else ended
        self._executed.end(cell, self._display.shown, failed)
        return ended

    def _cell(self, book: Notebook, cell: Cell, number: int) -> None:
        match cell.language:
            case "python":
                self._python(book, cell, number)
            case "sql":
                self._sql(cell)
            case "sh":
                _sh(cell)
            case "fs":
                self._fs(cell)
            case "run":
                self._run(book, cell)

    def _python(self, book: Notebook, cell: Cell, number: int) -> None:
        file, source = str(book.path), "\n" * (cell.line - 1) + cell.source
        if not book.numbered:
            file = f"{book.path}, cell {number}"
            linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        tree = ast.parse(source, file)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        self._evaluate(tree, file, "exec")
        if isinstance(last, ast.Expr):
            value = self._evaluate(ast.Expression(last.value), file, "eval")
            if value is not None:
                self._display.show(value)

    def _evaluate(self, tree: ast.Module | ast.Expression, file: str, mode: str) -> Any:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(tree, file, mode, flags, dont_inherit=True)
        found = eval(code, self._names)
        if code.co_flags & inspect.CO_COROUTINE:
            import asyncio

            return asyncio.run(found)
        return found

    def _sql(self, cell: Cell) -> None:
        self._names["_sqldf"] = result = self._names["spark"].sql(cell.source)
        if result is not None:
            self._display.show(result)

    def _fs(self, cell: Cell) -> None:
        word, *words = shlex.split(f"{cell.argument} {cell.source}") or [""]
        found = getattr(self._names["dbutils"].fs, word)(*words)
        for each in found if isinstance(found, list) else [found]:
            self._display(each)

    def _run(self, book: Notebook, cell: Cell) -> None:
        """Runs the cells of another notebook in this namespace."""
        said, *given = shlex.split(f"{cell.argument} {cell.source}") or [""]
        for each in given:
            name, equals, value = each.partition("=")
            if not name.startswith("$") or not equals:
                raise TaskError(
                    f"{each} is no parameter of %run.",
                    "INVALID_RUN_CONFIGURATION",
                    hint='Write %run ./notebook $name="value".',
                )
            self._parameters[name[1:]] = value
        path = book.path.parent / said
        for ending in cells.ENDINGS:
            if (found := path.with_name(path.name + ending)).is_file():
                other = cells.read(found)
                for number, inner in enumerate(other.cells, 1):
                    self._cell(other, inner, number)
                return
        raise TaskError(f"%run: there is no notebook {path}.", "RESOURCE_NOT_FOUND")


def _sh(cell: Cell) -> None:
    program.flush()
    words = [program.shell(), *shlex.split(cell.argument), "-c", cell.source]
    code = subprocess.run(words, stdin=subprocess.DEVNULL, check=False).returncode
    # As in the product, only `%sh -e` lets the notebook fail with its commands.
    if code and "-e" in words:
        raise RuntimeError(f"The shell ended with exit code {code}.")


def _failed(book: Notebook, cell: Cell, number: int, error: BaseException) -> str:
    """What went wrong, in which notebook, cell and line."""
    file = str(book.path) if book.numbered else f"{book.path}, cell {number}"
    lines = [line for name, line in traces.places(error) if name == file]
    if isinstance(error, SyntaxError) and error.filename == file and error.lineno:
        lines, error = [error.lineno], SyntaxError(error.msg)
    line = lines[-1] if lines else cell.line
    title = f" ({cell.title})" if cell.title else ""
    return (
        f"{type(error).__name__}: {traces.said(error)}\n"
        f"  In the notebook {book.path.name}, cell {number}{title}, line {line}."
    )
