"""A process that runs tasks: forked ahead, or started as `python -m lakeflow.jobs.worker FD`."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from lakeflow.core.errors import TaskError
from lakeflow.core.names import nearest
from lakeflow.jobs import leftovers, wire
from lakeflow.jobs.model import Result
from lakeflow.jobs.tasks.context import Context, Done, Given, Stopped
from lakeflow.jobs.tasks.context import load as load_function
from lakeflow.jobs.work import Assignment, Outcome

MODULES = {
    "python_operator_task": "function",
    "shell_task": "shell",
    "spark_python_task": "script",
}
"""What runs a type: the module of `lakeflow.jobs.tasks`."""

_OURS = str(Path(__file__).parent)
_HIDDEN = ("<frozen importlib", "<frozen runpy")


def load() -> None:
    """Imports what workers need, so that forks have it."""
    for module in MODULES.values():
        importlib.import_module(f"lakeflow.jobs.tasks.{module}")


def serve(line: socket.socket) -> int:
    """Runs what comes over the line: one attempt, or for a cluster until the line closes."""
    line.set_inheritable(False)
    while (order := wire.receive(line)) is not None:
        outcome = _attempt(order, line)
        line.sendall(wire.pack(outcome))
        if not order["again"]:
            break
    # It stays open until the process is gone, whatever is still to be done at its exit.
    line.detach()
    return 0


def _attempt(order: wire.Message, line: socket.socket) -> dict[str, Any]:
    given = Given(**order["given"])
    assignment = read_assignment(order["assignment"])
    context = Context(assignment, given)
    before = _used()
    try:
        with _kept() if order["again"] else contextlib.nullcontext():
            _prepare(assignment)
            with _dying_with(line):
                outcome = _run(context)
            _flush()
    except Stopped:
        outcome = _stopped()
    except OSError as error:
        outcome = Outcome(Result.FAILED, "INTERNAL_ERROR", f"The attempt's files: {error}.")
    seconds, memory = _used()
    told = asdict(outcome) | {"values": context.values, "output": dict(outcome.output)}
    return told | {"cpu_seconds": seconds - before[0], "peak_memory": memory}


def read_assignment(said: wire.Message) -> Assignment:
    """An assignment from its message."""
    paths = {name: Path(said[name]) for name in ("folder", "root")}
    return Assignment(**{**said, **paths, "libraries": tuple(said["libraries"])})


def _prepare(assignment: Assignment) -> None:
    """Gives the process the streams, variables and limits of an attempt."""
    assignment.folder.mkdir(parents=True, exist_ok=True)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        with (assignment.folder / name).open("ab") as file:
            os.dup2(file.fileno(), number)
        # Line by line, so that whoever follows the file sees what has been said.
        stream = open(  # noqa: SIM115 - it lives as long as the process
            number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.environ.update(assignment.environment)
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (assignment.memory_limit or most, most))
    signal.signal(signal.SIGTERM, _stop)


def _stop(*_: object) -> None:
    raise Stopped


@contextlib.contextmanager
def _dying_with(line: socket.socket) -> Iterator[None]:
    """Kills this process and its group when the other end of the line is gone.

    The kernel does it, at once, whatever the task is doing; where it cannot, Python does.
    """
    flags = fcntl.fcntl(line, fcntl.F_GETFL)
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(line, fcntl.F_SETSIG, signal.SIGKILL)
    else:
        signal.signal(signal.SIGIO, lambda *_: os.killpg(0, signal.SIGKILL))
    fcntl.fcntl(line, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(line, fcntl.F_SETFL, flags | fcntl.FASYNC)
    try:
        with contextlib.suppress(BlockingIOError):
            if not line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                os.killpg(0, signal.SIGKILL)
        yield
    finally:
        fcntl.fcntl(line, fcntl.F_SETFL, flags)


@contextlib.contextmanager
def _kept() -> Iterator[None]:
    """Puts back what an attempt changes for those after it, and kills what it leaves."""
    folder, arguments, path = Path.cwd(), list(sys.argv), list(sys.path)
    environment, main = dict(os.environ), sys.modules["__main__"]
    try:
        yield
    finally:
        os.chdir(folder)
        sys.argv[:], sys.path[:] = arguments, path
        os.environ.clear()
        os.environ.update(environment)
        sys.modules["__main__"] = main
        leftovers.kill_children()


def _run(context: Context) -> Outcome:
    """Runs the task; whatever it raises is told."""
    try:
        done = _task(context)
    except Stopped:
        return _stopped()
    except SystemExit as ended:
        done = _exit(ended)
    except TaskError as error:
        _say(str(error))
        return Outcome(Result.FAILED, error.code, str(error))
    except MemoryError as error:
        limit = context.assignment.memory_limit
        said = f"its limit of {limit} bytes" if limit else "the memory there is"
        message = f"The task needed more than {said}.{_where(error)}"
        return _raised(message, error)
    except BaseException as error:
        message = f"{type(error).__name__}: {error}{_where(error)}"
        return _raised(message, error)
    if done.exit_code:
        return Outcome(Result.FAILED, "RUN_EXECUTION_ERROR", done.message, exit_code=done.exit_code)
    return Outcome(Result.SUCCESS, output=done.output, exit_code=done.exit_code or 0)


def _task(context: Context) -> Done:
    kind = context.assignment.type
    if kind in context.given.types:
        output = load_function(context.given.types[kind])(context.settings, context)
        return Done(output or {})
    if kind not in MODULES:
        raise TaskError(
            f"Tasks of the type {kind} are not known.",
            "INVALID_RUN_CONFIGURATION",
            hint=nearest(kind, [*MODULES, *context.given.types]) or None,
        )
    module = importlib.import_module(f"lakeflow.jobs.tasks.{MODULES[kind]}")
    return module.run(context)  # type: ignore[no-any-return]


def _exit(ended: SystemExit) -> Done:
    """What `sys.exit` was given: nothing, a code, or a text for the standard error."""
    if ended.code is None or isinstance(ended.code, int):
        code = int(ended.code or 0) & 0xFF
        return Done({}, code, f"The task ended with exit code {code}." if code else "")
    _say(str(ended.code))
    return Done({}, 1, str(ended.code))


def _raised(message: str, error: BaseException) -> Outcome:
    return Outcome(Result.FAILED, "RUN_EXECUTION_ERROR", message, _trace(error), exit_code=1)


def _stopped() -> Outcome:
    return Outcome(Result.FAILED, "DRIVER_ERROR", "The task was ended by SIGTERM.")


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _ours(trace: TracebackType) -> bool:
    name = trace.tb_frame.f_code.co_filename
    return name.startswith((_OURS, *_HIDDEN))


def _users(error: BaseException) -> TracebackType | None:
    """The traceback from the user's first line on."""
    trace = error.__traceback__
    while trace is not None and _ours(trace):
        trace = trace.tb_next
    return trace


def _trace(error: BaseException) -> str:
    text = "".join(traceback.format_exception(type(error), error, _users(error)))
    _say(text.rstrip("\n"))
    return text


def _where(error: BaseException) -> str:
    """The user's line in which an error came up."""
    trace = _users(error)
    if trace is None:
        return ""
    file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
    while (trace := trace.tb_next) is not None:
        file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
    return f" ({Path(file).name}:{line})"


def _used() -> tuple[float, int]:
    """Processor seconds of this process and the children that it waited for, and peak memory."""
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(used.ru_utime + used.ru_stime for used in each)
    return seconds, leftovers.bytes_of(max(used.ru_maxrss for used in each))


if __name__ == "__main__":
    # What is pickled and what is compared by type is in the module of its own name.
    sys.exit(
        importlib.import_module("lakeflow.jobs.worker").serve(
            socket.socket(fileno=int(sys.argv[1]))
        )
    )
