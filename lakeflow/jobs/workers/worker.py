"""A process that runs tasks: forked ahead, or started with `python -m` and two descriptors."""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from lakeflow.core.errors import LakeflowError, TaskError
from lakeflow.core.names import nearest
from lakeflow.jobs.model import Result
from lakeflow.jobs.work import Assignment, Outcome
from lakeflow.jobs.workers import leftovers, wire
from lakeflow.jobs.workers.tasks import program, traces
from lakeflow.jobs.workers.tasks.context import Context, Done, Stopped, ordered
from lakeflow.jobs.workers.tasks.context import load as load_function

MODULES = {
    "dbt_task": "dbt",
    "notebook_task": "notebook",
    "python_operator_task": "function",
    "python_wheel_task": "wheel",
    "r_task": "r",
    "scala_task": "scala",
    "shell_task": "shell",
    "spark_jar_task": "jar",
    "spark_python_task": "script",
}
"""What runs a type: the module of `lakeflow.jobs.workers.tasks`."""

ELSEWHERE = {
    "ai_function_task": "asks a model that Databricks serves",
    "ai_runtime_task": "trains models on GPUs of Databricks",
    "clean_rooms_notebook_task": "runs in a clean room of Databricks",
    "dashboard_task": "refreshes a dashboard of Databricks",
    "dbt_cloud_task": "starts a job of dbt's own platform",
    "dbt_platform_task": "starts a job of dbt's own platform",
    "gen_ai_compute_task": "trains models on GPUs of Databricks",
    "power_bi_task": "publishes to Microsoft's Power BI",
    "spark_submit_task": "submits to a cluster of Spark",
}
"""Types that can be deployed and not run, with what they do elsewhere."""

_RUNTIME = str(Path(__file__).parent / "runtime")
"""Where `databricks.sdk.runtime` finds what it looks for."""


def load() -> None:
    """Imports what workers need, so that forks have it."""
    for module in MODULES.values():
        importlib.import_module(f"lakeflow.jobs.workers.tasks.{module}")


def serve(line: socket.socket, guard: socket.socket, order: wire.Message | None = None) -> int:
    """Runs what comes over the line: one attempt, or for a cluster until the line closes.

    Args:
        line: To the server.
        guard: Nothing comes over it but its end, with which this process dies.
        order: What came before this process took the interpreter of an environment.
    """
    ends = line, guard
    for end in ends:
        end.set_inheritable(False)
    leftovers.die_with(guard)
    enter = None if order is not None else partial(_enter, ends)
    order = order or wire.receive(line)
    while order is not None:
        line.sendall(_packed(_attempt(order, enter)))
        order = wire.receive(line) if order["again"] else None
    # Both stay open until the process is gone, whatever is still to be done at its exit.
    for end in ends:
        end.detach()
    return 0


def _packed(told: dict[str, Any]) -> bytes:
    try:
        return wire.pack(told)
    except (TypeError, ValueError) as error:
        message = f"The output of the task is nothing that JSON can say: {error}."
        outcome = Outcome(Result.FAILED, "INTERNAL_ERROR", message)
        return wire.pack({**told, **asdict(outcome)})


Enter = Callable[[wire.Message, Path], NoReturn]
"""Goes on with an order in the interpreter of an environment."""


def _attempt(order: wire.Message, enter: Enter | None) -> dict[str, Any]:
    context = ordered(order)
    again = bool(order["again"])
    before = _used()
    try:
        with _kept() if again else contextlib.nullcontext():
            _open_streams(context.assignment.folder)
            if enter is not None and (python := _environment(context)) is not None:
                enter(order, python)
            _prepare(context.assignment)
            outcome = _run(context, again)
            program.flush()
    except Stopped:
        outcome = _stopped()
    except TaskError as error:
        outcome = _raised(context, error)
    except Exception as error:
        said = f"The process of the task could not be made ready: {error}."
        outcome = Outcome(Result.FAILED, "INTERNAL_ERROR", said)
    seconds, memory = _used()
    told = asdict(_shortened(outcome)) | {"values": context.values, "output": dict(outcome.output)}
    return told | {"cpu_seconds": seconds - before[0], "peak_memory": memory}


def _shortened(outcome: Outcome) -> Outcome:
    return replace(
        outcome,
        message=traces.cut(outcome.message, traces.LONGEST_MESSAGE),
        trace=traces.cut(outcome.trace, traces.LONGEST_TRACE),
    )


def _environment(context: Context) -> Path | None:
    """The interpreter that has the libraries of an attempt; None for that of this process."""
    assignment = context.assignment
    if not assignment.libraries:
        return None
    from lakeflow.jobs.workers import environments

    wanted = environments.arguments(assignment.libraries, assignment.root)
    if not wanted:
        return None
    folder = context.given.environments
    place = Path(folder) if folder else environments.default_folder()
    return environments.provide(wanted, assignment.root, place)


def _enter(ends: tuple[socket.socket, ...], order: wire.Message, python: Path) -> NoReturn:
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.write(wire.pack(order))
        file.flush()
        files = [*(end.fileno() for end in ends), file.fileno()]
        for each in files:
            os.set_inheritable(each, True)
        os.environ["VIRTUAL_ENV"] = str(python.parents[1])
        os.environ["PATH"] = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])
        os.execv(
            python, [str(python), "-P", "-m", "lakeflow.jobs.workers.worker", *map(str, files)]
        )


def _open_streams(folder: Path) -> None:
    """Lets what the process says go to the files of an attempt."""
    folder.mkdir(parents=True, exist_ok=True)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        with (folder / name).open("ab") as file:
            os.dup2(file.fileno(), number)
        # Line by line, so that whoever follows the file sees what has been said.
        stream = open(  # noqa: SIM115 - it lives as long as the process
            number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _prepare(assignment: Assignment) -> None:
    """Gives the process the variables of an attempt."""
    os.environ.update(assignment.environment)
    sys.path.append(_RUNTIME)
    sys.path[:0] = filter(None, assignment.environment.get("PYTHONPATH", "").split(os.pathsep))


def _stop(*_: object) -> None:
    raise Stopped


@contextlib.contextmanager
def _within(limit: int, again: bool) -> Iterator[None]:
    """Lets what is done here be stopped, and use so many bytes."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if limit and most != resource.RLIM_INFINITY:
        limit = min(limit, most)
    try:
        signal.signal(signal.SIGTERM, _stop)
        resource.setrlimit(resource.RLIMIT_DATA, (limit or most, most))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        # What a cluster does between its attempts is not to be interrupted.
        signal.signal(signal.SIGTERM, signal.SIG_IGN if again else signal.SIG_DFL)


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


def _run(context: Context, again: bool) -> Outcome:
    """Runs the task; whatever it raises is told."""
    try:
        with _within(context.assignment.memory_limit, again):
            done = _task(context)
    except Stopped:
        return _stopped()
    except SystemExit as ended:
        done = _exit(ended)
    except BaseException as error:
        return _raised(context, error)
    if done.error is not None:
        return replace(_raised(context, done.error), message=done.message, output=done.output)
    if done.exit_code:
        code = "RUN_EXECUTION_ERROR"
        return Outcome(
            Result.FAILED, code, done.message, output=done.output, exit_code=done.exit_code
        )
    return Outcome(Result.SUCCESS, output=done.output, exit_code=done.exit_code or 0)


def _task(context: Context) -> Done:
    kind = context.assignment.type
    if kind in context.given.types:
        output = load_function(context.given.types[kind])(context.settings, context)
        return Done(output or {})
    if kind in ELSEWHERE:
        raise TaskError(
            f"A {kind} {ELSEWHERE[kind]}; it cannot run on this machine.",
            "INVALID_RUN_CONFIGURATION",
            hint="Disable the task, or replace it by one of another type.",
        )
    if kind not in MODULES:
        raise TaskError(
            f"Tasks of the type {kind} are not known.",
            "INVALID_RUN_CONFIGURATION",
            hint=nearest(kind, [*MODULES, *context.given.types]) or None,
        )
    module = importlib.import_module(f"lakeflow.jobs.workers.tasks.{MODULES[kind]}")
    return module.run(context)  # type: ignore[no-any-return]


def _exit(ended: SystemExit) -> Done:
    """What `sys.exit` was given: nothing, a code, or a text for the standard error."""
    if ended.code is None or isinstance(ended.code, int):
        code = int(ended.code or 0) & 0xFF
        return Done({}, code, f"The task ended with exit code {code}." if code else "")
    _say(str(ended.code))
    return Done({}, 1, str(ended.code))


def _raised(context: Context, error: BaseException) -> Outcome:
    """What is told of an error, in one sentence and in full."""
    place = traces.where(error)
    trace = traces.formatted(error)
    said = traces.said(error)
    if isinstance(error, LakeflowError):
        _say(said)
        code = error.code if isinstance(error, TaskError) else "RUN_EXECUTION_ERROR"
        return Outcome(Result.FAILED, code, f"{said}{place}", trace if place else "", exit_code=1)
    _say(trace.rstrip("\n"))
    message = f"{type(error).__name__}: {said}{place}"
    if isinstance(error, MemoryError):
        limit = context.assignment.memory_limit
        most = f"its limit of {limit} bytes" if limit else "the memory there is"
        message = f"The task needed more than {most}.{place}"
    return Outcome(Result.FAILED, "RUN_EXECUTION_ERROR", message, trace, exit_code=1)


def _stopped() -> Outcome:
    return Outcome(Result.FAILED, "DRIVER_ERROR", "The task was ended by SIGTERM.")


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _used() -> tuple[float, int]:
    """Processor seconds of this process and the children that it waited for, and peak memory."""
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(used.ru_utime + used.ru_stime for used in each)
    return seconds, leftovers.bytes_of(max(used.ru_maxrss for used in each))


def main() -> int:
    """Serves on the descriptors that the arguments name."""
    line, guard, *more = map(int, sys.argv[1:])
    order = None
    for each in more:
        with open(each, "rb") as file:  # noqa: PTH123 - it has no path
            file.seek(0)
            (order,) = wire.Inbox().add(file.read())
    return serve(socket.socket(fileno=line), socket.socket(fileno=guard), order)


if __name__ == "__main__":
    # What is pickled and what is compared by type is in the module of its own name.
    sys.exit(importlib.import_module("lakeflow.jobs.workers.worker").main())
