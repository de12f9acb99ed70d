"""`dbutils.notebook.run`: another notebook in a process of its own, which may run in a thread."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import sys
from dataclasses import replace
from pathlib import Path

from lakeflow.jobs.model import Result
from lakeflow.jobs.workers import wire
from lakeflow.jobs.workers.tasks.context import Context, order
from lakeflow.jobs.workers.wire import Message

_NUMBERS = itertools.count(1)


def run_notebook(context: Context, path: str, timeout: float, arguments: dict[str, str]) -> str:
    """Runs a notebook and returns what it exits with.

    Args:
        context: Of the caller; task values that the notebook sets become its own.
        path: The notebook.
        timeout: Seconds after which it is stopped; 0 for never.
        arguments: Its parameters.

    Raises:
        RuntimeError: It failed.
        TimeoutError: It took too long.
    """
    assignment = replace(
        context.assignment,
        type="notebook_task",
        settings={"notebook_path": path, "base_parameters": arguments},
        parameters={},
        folder=context.assignment.folder / f"{Path(path).stem}-{next(_NUMBERS)}",
    )
    told = _run(order(assignment, context.given, again=False), timeout)
    if told is None:
        raise RuntimeError(f"The process of the notebook {path} has died.")
    if not told:
        raise TimeoutError(f"The notebook {path} took more than {timeout:g} seconds.")
    context.values.update(told["values"])
    if told["result"] != Result.SUCCESS:
        raise RuntimeError(f"The notebook {path} failed: {told['message']}")
    return str(told["output"]["notebook_output"]["result"])


def _run(message: Message, timeout: float) -> Message | None:
    """What the worker tells: nothing at all if it died, an empty message if it took too long."""
    import subprocess

    line, theirs = socket.socketpair()
    guard, guarded = socket.socketpair()
    with line, guard, contextlib.ExitStack() as after:
        with theirs, guarded:
            files = [theirs.fileno(), guarded.fileno()]
            command = [sys.executable, "-P", "-m", "lakeflow.jobs.workers.worker", *map(str, files)]
            # It stays in the group of its caller, so that a request to stop reaches both.
            program = subprocess.Popen(command, pass_fds=files, stdin=subprocess.DEVNULL)
        after.callback(program.wait)
        try:
            line.sendall(wire.pack(message))
            if not select.select([line], [], [], timeout or None)[0]:
                program.kill()
                return {}
            return wire.receive(line)
        except BaseException:
            program.kill()
            raise
